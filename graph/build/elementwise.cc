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

// Arithmetic on one element that may be a symbol.
Dim CombineDims(BinaryKind op, Dim a, Dim b, SymbolTable* symbols) {
  if (IsKnown(a) && IsKnown(b)) {
    switch (op) {
      case BinaryKind::ADD: return a + b;
      case BinaryKind::SUB: return a >= b ? a - b : symbols->Fresh();
      case BinaryKind::MUL: return b != 0 && a > std::numeric_limits<int32_t>::max() / b ? symbols->Fresh() : a * b;
      case BinaryKind::REALDIV:
      case BinaryKind::FLOORDIV: return b != 0 ? a / b : symbols->Fresh();
      case BinaryKind::MAXIMUM: return std::max(a, b);
      case BinaryKind::MINIMUM: return std::min(a, b);
      default: return symbols->Fresh();
    }
  }
  if ((op == BinaryKind::ADD || op == BinaryKind::SUB) && b == 0) return a;
  if (op == BinaryKind::ADD && a == 0) return b;
  if ((op == BinaryKind::MUL || op == BinaryKind::REALDIV) && b == 1) return a;
  if (op == BinaryKind::MUL && a == 1) return b;
  return symbols->Fresh();
}

std::optional<std::vector<Dim>> CombineElements(BinaryKind op, const std::optional<std::vector<Dim>>& a,
                                                const std::optional<std::vector<Dim>>& b, SymbolTable* symbols) {
  if (!a || !b || IsComparison(op)) return std::nullopt;
  if (a->size() != b->size() && a->size() != 1 && b->size() != 1) return std::nullopt;
  std::vector<Dim> out(std::max(a->size(), b->size()));
  if (a->empty() || b->empty()) out.clear();
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = CombineDims(op, (*a)[a->size() == 1 ? 0 : i], (*b)[b->size() == 1 ? 0 : i], symbols);
  }
  return out;
}

}  // namespace

Value GraphBuilder::Binary(BinaryKind op, Value a, Value b) {
  if (!a.valid() || !b.valid() || !ok()) return {};
  // Float LESS compares bit patterns and is wrong for negative numbers.
  if (op == BinaryKind::LESS) return Binary(BinaryKind::GREATER, b, a);
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
  if (elements && shape && shape->size() <= 1 && IsStatic(*elements)) {
    return Ints(*elements, shape->empty() ? std::vector<int64_t>{} : std::vector<int64_t>{static_cast<int64_t>(elements->size())}, type);
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
  const ElementType type = info(a).type;
  condition = Widen(condition);
  a = Widen(a);
  b = Widen(b);
  return Emit(mnn::OpType::Select, {}, {condition, a, b}, {type, std::move(out)});
}

Value GraphBuilder::Cast(Value a, ElementType type) {
  if (!a.valid() || !ok()) return {};
  const ValueInfo from = info(a);
  if (from.type == type) return a;
  if (from.constant) return MakeConstant(fold::Cast(*from.constant, type));
  if (type == ElementType::kBool) {
    const Value zero = IsFloat(from.type) ? ScalarFloat(0) : ScalarInt(0, from.type);
    return Binary(BinaryKind::NOTEQUAL, Widen(a), zero);
  }
  // The runtime holds a computed int8 or uint8 as int32, so narrowing only happens in its meaning.
  const ElementType stored = IsFloat(type) ? ElementType::kFloat32 : ElementType::kInt32;
  if (from.stored == stored) {
    // Nothing to compute, but the meaning changes: the same tensor under another type.
    ValueInfo copy = from;
    copy.type = type;
    copy.tensor = Tensor(a);
    return NewValue(std::move(copy));
  }
  mnn::CastParamT param;
  param.dstT = stored == ElementType::kFloat32 ? mnn::DataType::DT_FLOAT : mnn::DataType::DT_INT32;
  param.srcT = from.stored == ElementType::kFloat32 ? mnn::DataType::DT_FLOAT
               : from.stored == ElementType::kInt8  ? mnn::DataType::DT_INT8
               : from.stored == ElementType::kUInt8 ? mnn::DataType::DT_UINT8
                                                    : mnn::DataType::DT_INT32;
  const Value out = Emit(mnn::OpType::Cast, Param(param), {a}, {type, from.shape, stored});
  if (out.valid() && !IsFloat(type)) values_[static_cast<size_t>(out.id)].elements = from.elements;
  return out;
}

Value GraphBuilder::Widen(Value a) {
  if (!a.valid() || !ok()) return {};
  const ValueInfo from = info(a);
  if (from.stored != ElementType::kInt8 && from.stored != ElementType::kUInt8) return a;
  if (from.constant) {
    ValueInfo wide = from;
    wide.stored = ElementType::kInt32;
    wide.tensor = -1;
    wide.name.clear();
    return NewValue(std::move(wide));
  }
  mnn::CastParamT param;
  param.srcT = from.stored == ElementType::kInt8 ? mnn::DataType::DT_INT8 : mnn::DataType::DT_UINT8;
  param.dstT = mnn::DataType::DT_INT32;
  return Emit(mnn::OpType::Cast, Param(param), {a}, {from.type, from.shape, ElementType::kInt32});
}

Value GraphBuilder::Relu(Value a, float slope) {
  if (!a.valid() || !ok()) return {};
  mnn::ReluT param;
  param.slope = slope;
  return Emit(mnn::OpType::ReLU, Param(param), {a}, {info(a).type, shape(a)});
}

Value GraphBuilder::Clip(Value a, float low, float high) {
  if (!a.valid() || !ok()) return {};
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
