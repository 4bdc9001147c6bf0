#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/build/graph_builder.h"
#include "graph/build/params.h"
#include "graph/fold/fold.h"

namespace quantpress::graph {
namespace {

using BinaryKind = mnn::BinaryOpOperation;
using UnaryKind = mnn::UnaryOpOperation;

// Integers that can lie beyond 2^24, where the runtime's detour through float32 loses digits.
bool IsWide(ElementType type) { return IsInteger(type) && ElementBits(type) >= 32; }

bool IsComparison(BinaryKind op) {
  switch (op) {
    case BinaryKind::GREATER:
    case BinaryKind::GREATER_EQUAL:
    case BinaryKind::LESS:
    case BinaryKind::LESS_EQUAL:
    case BinaryKind::EQUAL:
    case BinaryKind::NOTEQUAL:
      return true;
    default:
      return false;
  }
}

// Some axis of `from` is certainly stretched to give `to`.
bool IsBroadcast(const Shape& from, const Shape& to) {
  const size_t lead = to.size() - from.size();
  for (size_t i = 0; i < to.size(); ++i) {
    const Dim own = i < lead ? 1 : from[i - lead];
    if (own == 1 && IsKnown(to[i]) && to[i] != 1) return true;
  }
  return false;
}

// What is known of a comparison with a symbol: sizes are not negative.
std::optional<bool> CompareDims(BinaryKind op, Dim a, Dim b, const SymbolTable& symbols) {
  const bool equal = a == b;
  if (!IsSymbol(a) && !IsSymbol(b)) {
    switch (op) {
      case BinaryKind::EQUAL: return equal;
      case BinaryKind::NOTEQUAL: return !equal;
      case BinaryKind::GREATER: return a > b;
      case BinaryKind::GREATER_EQUAL: return a >= b;
      case BinaryKind::LESS_EQUAL: return a <= b;
      default: return std::nullopt;
    }
  }
  const bool above = symbols.IsSize(a) && !IsSymbol(b) && b < 0, below = symbols.IsSize(b) && !IsSymbol(a) && a < 0;
  if (!equal && !above && !below) return std::nullopt;
  switch (op) {
    case BinaryKind::EQUAL: return equal;
    case BinaryKind::NOTEQUAL: return !equal;
    case BinaryKind::GREATER: return above;
    case BinaryKind::GREATER_EQUAL: return above || equal;
    case BinaryKind::LESS_EQUAL: return below || equal;
    default: return std::nullopt;
  }
}

// Arithmetic on one element that may be a symbol.
Dim CombineDims(BinaryKind op, Dim a, Dim b, SymbolTable* symbols) {
  switch (op) {
    case BinaryKind::ADD: return symbols->Add(a, b);
    case BinaryKind::SUB: return symbols->Sub(a, b);
    case BinaryKind::MUL: return symbols->Mul(a, b);
    case BinaryKind::REALDIV: return symbols->Div(a, b);
    case BinaryKind::FLOORDIV: return symbols->IsSize(a) && symbols->IsSize(b) ? symbols->Div(a, b) : symbols->FreshNumber();
    case BinaryKind::MAXIMUM: return symbols->Max(a, b);
    case BinaryKind::MINIMUM: return symbols->Min(a, b);
    default: return symbols->FreshNumber();
  }
}

std::optional<std::vector<Dim>> CombineElements(BinaryKind op, const std::optional<std::vector<Dim>>& a,
                                                const std::optional<std::vector<Dim>>& b, SymbolTable* symbols) {
  if (!a || !b) return std::nullopt;
  if (a->size() != b->size() && a->size() != 1 && b->size() != 1) return std::nullopt;
  std::vector<Dim> out(std::max(a->size(), b->size()));
  if (a->empty() || b->empty()) out.clear();
  for (size_t i = 0; i < out.size(); ++i) {
    const Dim x = (*a)[a->size() == 1 ? 0 : i], y = (*b)[b->size() == 1 ? 0 : i];
    if (IsComparison(op)) {
      const std::optional<bool> result = CompareDims(op, x, y, *symbols);
      if (!result) return std::nullopt;
      out[i] = *result;
    } else {
      out[i] = CombineDims(op, x, y, symbols);
    }
  }
  return out;
}

// Elements of a selection whose condition is known.
std::optional<std::vector<Dim>> SelectElements(const std::optional<std::vector<Dim>>& condition,
                                               const std::optional<std::vector<Dim>>& a,
                                               const std::optional<std::vector<Dim>>& b) {
  if (!condition || !a || !b || condition->empty() || a->empty() || b->empty() || !HasNumbersOnly(*condition)) return std::nullopt;
  std::vector<Dim> out(std::max({condition->size(), a->size(), b->size()}));
  const auto at = [](const std::vector<Dim>& list, size_t i) { return list[list.size() == 1 ? 0 : i]; };
  for (size_t i = 0; i < out.size(); ++i) out[i] = at(*condition, i) != 0 ? at(*a, i) : at(*b, i);
  return out;
}

}  // namespace

Value GraphBuilder::Binary(BinaryKind op, Value a, Value b) {
  if (!a.valid() || !b.valid() || !ok()) return {};
  // Float LESS compares bit patterns and is wrong for negative numbers.
  if (op == BinaryKind::LESS) return Binary(BinaryKind::GREATER, b, a);
  const bool computed = !IsConstant(a) || !IsConstant(b);
  // So does float EQUAL: 0 would differ from -0, and NaN equal itself. NOTEQUAL is right.
  if (op == BinaryKind::EQUAL && IsFloat(info(a).type) && computed) {
    return LogicalNot(Binary(BinaryKind::NOTEQUAL, a, b));
  }
  const ElementType type = IsComparison(op) ? ElementType::kBool : info(a).type;
  std::optional<Shape> shape;
  if (HasRank(a) && HasRank(b)) {
    shape = BroadcastShapes(*info(a).shape, *info(b).shape, symbols_);
    if (!shape) {
      return Fail(InvalidInput("shapes {} and {} do not broadcast", ShapeText(info(a).shape), ShapeText(info(b).shape)));
    }
  }
  if (IsConstant(a) && IsConstant(b)) {
    if (auto folded = fold::Binary(op, *constant(a), *constant(b), type)) return MakeConstant(std::move(*folded));
  }
  std::optional<std::vector<Dim>> elements;
  if (!IsFloat(type)) elements = CombineElements(op, Elements(a), Elements(b), symbols_);
  if (elements && shape && shape->size() <= 1 && HasNumbersOnly(*elements)) {
    return Ints(*elements, shape->empty() ? std::vector<int64_t>{} : std::vector<int64_t>{static_cast<int64_t>(elements->size())}, type);
  }
  // Where both operands are broadcast, float comparisons look at bit patterns, too.
  if (IsComparison(op) && IsFloat(info(a).type) && shape && *shape != *info(a).shape && *shape != *info(b).shape) {
    a = Expand(a, ShapeOf(b));
  }
  if ((op == BinaryKind::MAXIMUM || op == BinaryKind::MINIMUM) && IsWide(type) && !elements) {
    return op == BinaryKind::MAXIMUM ? Select(Greater(a, b), a, b) : Select(Greater(a, b), b, a);
  }
  a = Widen(a);
  b = Widen(b);
  mnn::BinaryOpT param;
  param.opType = op;
  param.T = mnn::DataType::DT_FLOAT;
  const Value out = Emit(mnn::OpType::BinaryOp, Param(param), {a, b}, {type, std::move(shape)});
  if (out.valid() && elements) values_[static_cast<size_t>(out.id)].elements = std::move(elements);
  return out;
}

// The runtime multiplies int32 in float32. Its product along an axis is exact, modulo 2^32.
Value GraphBuilder::MulExact(Value a, Value b) {
  if (!a.valid() || !b.valid() || !ok()) return {};
  const ElementType type = info(a).type;
  const bool small = IsFloat(type) || ElementBits(type) <= 8;
  if (small || (IsConstant(a) && IsConstant(b)) || Elements(a) || Elements(b)) return Mul(a, b);
  const std::optional<Shape> sa = shape(a), sb = shape(b);
  std::optional<Shape> out = sa;
  if (!sa || !sb || *sa != *sb) {
    const Value zero = ScalarInt(0, type);
    const Value wide_a = Add(a, Mul(b, zero)), wide_b = Add(b, Mul(a, zero));
    a = wide_a;
    b = wide_b;
    out = shape(a);
  }
  if (!ok()) return {};
  mnn::PackParamT pack;
  pack.dataType = mnn::DataType::DT_INT32;
  pack.axis = 0;
  std::optional<Shape> both = out;
  if (both) both->insert(both->begin(), 2);
  const Value pair = Emit(mnn::OpType::Pack, Param(pack), {Widen(a), Widen(b)}, {type, std::move(both)});
  mnn::ReductionParamT product;
  product.operation = mnn::ReductionType::PROD;
  product.dim = {0};
  product.keepDims = false;
  product.dType = mnn::DataType::DT_INT32;
  return Emit(mnn::OpType::Reduction, Param(std::move(product)), {pair}, {type, std::move(out)});
}

Value GraphBuilder::Less(Value a, Value b) { return Binary(BinaryKind::GREATER, b, a); }
Value GraphBuilder::Greater(Value a, Value b) { return Binary(BinaryKind::GREATER, a, b); }
Value GraphBuilder::Equal(Value a, Value b) { return Binary(BinaryKind::EQUAL, a, b); }

Value GraphBuilder::LogicalNot(Value a) {
  return Cast(Binary(BinaryKind::EQUAL, a, ScalarInt(0, ElementType::kBool)), ElementType::kBool);
}
Value GraphBuilder::LogicalAnd(Value a, Value b) { return Binary(BinaryKind::MUL, a, b); }
Value GraphBuilder::LogicalOr(Value a, Value b) { return Binary(BinaryKind::LOGICALOR, a, b); }

Value GraphBuilder::Unary(UnaryKind op, Value a) {
  if (!a.valid() || !ok()) return {};
  if (IsConstant(a)) {
    if (auto folded = fold::Unary(op, *constant(a))) return MakeConstant(std::move(*folded));
  }
  const ElementType type = info(a).type;
  if (op == UnaryKind::ROUND && IsFloat(type)) return RoundHalfEven(a);
  if (op == UnaryKind::ABS && IsWide(type)) {
    return Select(Greater(a, ScalarInt(-1, type)), a, Unary(UnaryKind::NEG, a));
  }
  a = Widen(a);
  mnn::UnaryOpT param;
  param.opType = op;
  param.T = IsFloat(type) ? mnn::DataType::DT_FLOAT : mnn::DataType::DT_INT32;
  return Emit(mnn::OpType::UnaryOp, Param(std::move(param)), {a}, {type, shape(a)});
}

Value GraphBuilder::Select(Value condition, Value a, Value b) {
  if (!condition.valid() || !a.valid() || !b.valid() || !ok()) return {};
  if (IsConstant(condition) && IsConstant(a) && IsConstant(b)) {
    if (auto folded = fold::Select(*constant(condition), *constant(a), *constant(b))) {
      return MakeConstant(std::move(*folded));
    }
  }
  std::optional<Shape> out;
  if (HasRank(condition) && HasRank(a) && HasRank(b)) {
    out = BroadcastShapes(*shape(a), *shape(b), symbols_);
    if (out) out = BroadcastShapes(*out, *shape(condition), symbols_);
    if (!out) {
      return Fail(InvalidInput("shapes {}, {} and {} do not broadcast", ShapeText(shape(condition)),
                               ShapeText(shape(a)), ShapeText(shape(b))));
    }
  }
  // Where `a` has the whole shape and `b` has not (nor is one number), the runtime reads past the end of `b`. The other way round is
  // right, and so are two operands that are both broadcast.
  if (out && *shape(b) != *out && ElementCount(*shape(b)) != 1) {
    if (*shape(a) == *out) return Select(LogicalNot(condition), b, a);
    if (!IsBroadcast(*shape(a), *out)) b = Expand(b, ShapeOf(a));
  }
  const ElementType type = info(a).type;
  std::optional<std::vector<Dim>> elements;
  if (!IsFloat(type) && out && out->size() <= 1) elements = SelectElements(Elements(condition), Elements(a), Elements(b));
  if (elements && HasNumbersOnly(*elements)) {
    return Ints(*elements, out->empty() ? std::vector<int64_t>{} : std::vector<int64_t>{static_cast<int64_t>(elements->size())}, type);
  }
  condition = Widen(condition);
  a = Widen(a);
  b = Widen(b);
  const Value v = Emit(mnn::OpType::Select, {}, {condition, a, b}, {type, std::move(out)});
  if (v.valid()) values_[static_cast<size_t>(v.id)].elements = std::move(elements);
  return v;
}

Value GraphBuilder::RoundHalfEven(Value a) {
  if (!a.valid() || !ok()) return {};
  // Float32 has no fractions from 2^23 on, so adding and subtracting 1.5 * 2^23 rounds what lies below 2^22. The
  // runtime's ROUND is half away from zero; above 2^22 that is one unit in the last place.
  const Value magic = ScalarFloat(0x1.8p23f);
  const Value rounded = Sub(Add(a, magic), magic);
  mnn::UnaryOpT param;
  param.opType = UnaryKind::ROUND;
  param.T = mnn::DataType::DT_FLOAT;
  const Value large = Emit(mnn::OpType::UnaryOp, Param(param), {a}, {info(a).type, shape(a)});
  return Select(Greater(ScalarFloat(0x1p22f), Unary(UnaryKind::ABS, a)), rounded, large);
}

Value GraphBuilder::Relu(Value a, float slope) {
  if (!a.valid() || !ok()) return {};
  mnn::ReluT param;
  param.slope = slope;
  return Emit(mnn::OpType::ReLU, Param(param), {a}, {info(a).type, shape(a)});
}

Value GraphBuilder::Clip(Value a, float low, float high) {
  if (!a.valid() || !ok()) return {};
  if (IsConstant(a) && constant(a)->count() <= fold::kMaxEagerElements) {
    return Min(Max(a, ScalarLike(low, a)), ScalarLike(high, a));
  }
  mnn::Relu6T param;
  param.minValue = low;
  param.maxValue = high;
  return Emit(mnn::OpType::ReLU6, Param(param), {a}, {info(a).type, shape(a)});
}

Value GraphBuilder::ScalarLike(double value, Value like) {
  const ElementType type = info(like).type;
  if (!IsFloat(type)) return ScalarInt(static_cast<int64_t>(value), type);
  return MakeConstant({type, {}, FloatSource({static_cast<float>(value)})});
}

}  // namespace quantpress::graph
