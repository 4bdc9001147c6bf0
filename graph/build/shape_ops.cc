#include <algorithm>
#include <limits>
#include <numeric>

#include "graph/build/graph_builder.h"
#include "graph/build/params.h"
#include "graph/fold/fold.h"

namespace quantpress::graph {
namespace {

mnn::OpParameterUnion ReshapeParam(const std::vector<int64_t>& dims) {
  mnn::ReshapeT param;
  for (int64_t d : dims) param.dims.push_back(static_cast<int32_t>(d));
  param.dimType = mnn::MNN_DATA_FORMAT::NCHW;
  return Param(std::move(param));
}

mnn::OpParameterUnion SqueezeParam(const std::vector<int64_t>& axes) {
  mnn::SqueezeParamT param;
  for (int64_t a : axes) param.squeezeDims.push_back(static_cast<int32_t>(a));
  return Param(std::move(param));
}

}  // namespace

Value GraphBuilder::ShapeOf(Value x) {
  if (!x.valid() || !ok()) return {};
  const std::optional<Shape> s = shape(x);
  if (s && IsStatic(*s)) return IntList(*s);
  std::optional<Shape> out = s ? Shape{static_cast<int64_t>(s->size())} : Shape{symbols_->Fresh()};
  const Value v = Emit(mnn::OpType::Shape, {}, {x}, {ElementType::kInt64, std::move(out)});
  if (!v.valid()) return v;
  last_op().default_format = mnn::MNN_DATA_FORMAT::NCHW;
  values_[static_cast<size_t>(v.id)].elements = s;
  return v;
}

Value GraphBuilder::DimOf(Value x, size_t axis) {
  if (!x.valid() || !ok()) return {};
  if (HasRank(x) && IsKnown((*shape(x))[axis])) return ScalarInt((*shape(x))[axis]);
  return Gather(ShapeOf(x), ScalarInt(static_cast<int64_t>(axis)), 0);
}

Value GraphBuilder::SizeOf(Value x) {
  if (!x.valid() || !ok()) return {};
  const Value v = Emit(mnn::OpType::Size, {}, {x}, {ElementType::kInt64, Shape{}});
  if (!v.valid()) return v;
  last_op().default_format = mnn::MNN_DATA_FORMAT::NCHW;
  Mutable(v).non_negative = true;
  if (HasRank(x)) Mutable(v).elements = std::vector<Dim>{symbols_->Product(*shape(x))};
  return v;
}

Value GraphBuilder::EmptyConstant(ElementType type, Shape shape) {
  return MakeConstant({type, std::move(shape), IsFloat(type) ? FloatSource({}) : IntSource({}, type)});
}

Value GraphBuilder::EmitReshape(Value x, const std::vector<int64_t>& dims, Value shape_source, Shape out) {
  const ValueInfo from = info(x);
  if (from.shape && *from.shape == out) return x;
  if (from.shape && IsStatic(*from.shape) && IsStatic(out) && ElementCount(*from.shape) != ElementCount(out)) {
    return Fail(InvalidInput("a tensor of shape {} cannot be reshaped to {}", ShapeText(from.shape), ShapeText(out)));
  }
  if (IsStatic(out) && ElementCount(out) == 0) return EmptyConstant(from.type, std::move(out));
  if (IsConstant(x) && IsStatic(out)) return MakeConstant(fold::Reshape(*constant(x), out));
  std::vector<Value> inputs = {x};
  if (shape_source.valid()) inputs.push_back(Cast(shape_source, ElementType::kInt32));
  const bool keep_elements = out.size() <= 1;
  const Value v = Emit(mnn::OpType::Reshape, ReshapeParam(dims), std::move(inputs), {from.type, std::move(out), from.stored});
  if (v.valid() && keep_elements) values_[static_cast<size_t>(v.id)].elements = from.elements;
  return v;
}

std::optional<Shape> GraphBuilder::ResolveReshape(const std::optional<Shape>& from, const std::vector<Dim>& dims,
                                                  bool copy_zero) {
  Shape out(dims.size());
  std::optional<size_t> inferred;
  Dim rest = 1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (!IsSymbol(dims[i]) && (dims[i] < -1 || dims[i] > std::numeric_limits<int32_t>::max())) {
      Fail(InvalidInput("a reshape to size {}; sizes are -1, 0 or positive", dims[i]));
      return std::nullopt;
    }
    if (dims[i] == -1) {
      if (inferred) {
        Fail(InvalidInput("a reshape with two sizes of -1"));
        return std::nullopt;
      }
      inferred = i;
      continue;
    }
    out[i] = dims[i];
    if (dims[i] == 0 && copy_zero) {
      if (from && i >= from->size()) {
        Fail(InvalidInput("a reshape copies dimension {} of a tensor of rank {}", i, from->size()));
        return std::nullopt;
      }
      out[i] = from ? (*from)[i] : symbols_->Fresh();
    }
    rest = symbols_->Mul(rest, out[i]);
  }
  if (!inferred) return out;
  Dim& size = out[*inferred];
  size = symbols_->Fresh();
  if (!from) return out;
  const Dim count = symbols_->Product(*from);
  if (const auto quotient = symbols_->ExactQuotient(count, rest); quotient && (IsSymbol(*quotient) || *quotient >= 0)) {
    size = *quotient;
  } else if (!IsSymbol(count) && !IsSymbol(rest) && rest != 0) {
    Fail(InvalidInput("a tensor of shape {} cannot be reshaped to {}", ShapeText(from), fmt::join(dims, "x")));
    return std::nullopt;
  }
  return out;
}

Value GraphBuilder::ReshapeTo(Value x, std::vector<int64_t> dims) {
  if (!x.valid() || !ok()) return {};
  if (dims.empty() && HasRank(x) && !IsConstant(x) && !shape(x)->empty()) {
    // The runtime crashes on a Reshape to rank 0.
    std::vector<int64_t> all(shape(x)->size());
    for (size_t i = 0; i < all.size(); ++i) all[i] = static_cast<int64_t>(i);
    return Squeeze(x, std::move(all));
  }
  auto out = ResolveReshape(shape(x), dims, true);
  if (!out) return {};
  return EmitReshape(x, dims, {}, std::move(*out));
}

Value GraphBuilder::ReshapeLike(Value x, const Shape& target, Value shape_source) {
  if (!x.valid() || !ok()) return {};
  const std::optional<Shape> from = shape(x);
  // Sizes that the operator itself can tell: numbers, copies of the same dimension, and one that is left over.
  std::vector<int64_t> dims(target.size());
  size_t left_over = 0;
  for (size_t i = 0; i < target.size(); ++i) {
    const bool same = from && i < from->size() && (*from)[i] == target[i];
    if (target[i] == 0) {
      // In a shape that is written down, zero means "copy".
      if (!same) left_over = 2;
    } else if (IsKnown(target[i])) {
      dims[i] = target[i];
    } else if (!same) {
      dims[i] = -1;
      ++left_over;
    }
  }
  if (left_over <= 1) return EmitReshape(x, dims, {}, target);
  return EmitReshape(x, {}, shape_source, target);
}

Value GraphBuilder::Reshape(Value x, Value target, bool allow_zero) {
  if (!x.valid() || !target.valid() || !ok()) return {};
  if (const auto elements = Elements(target)) {
    const auto out = ResolveReshape(shape(x), *elements, !allow_zero);
    if (!out) return {};
    const auto has = [&](int64_t n) { return std::find(elements->begin(), elements->end(), n) != elements->end(); };
    if (allow_zero && has(0) && has(-1)) return Fail(InvalidInput("a reshape with allowzero has both 0 and -1"));
    // As it is written, where it can be.
    if (HasNumbersOnly(*elements) && !(allow_zero && has(0))) return EmitReshape(x, *elements, {}, *out);
    return ReshapeLike(x, *out, target);
  }
  std::optional<Shape> out;
  if (HasRank(target) && shape(target)->size() == 1 && IsKnown((*shape(target))[0])) {
    out.emplace();
    for (int64_t i = 0; i < (*shape(target))[0]; ++i) out->push_back(symbols_->Fresh());
  }
  const ValueInfo from = info(x);
  // Zeros in the target mean themselves, but the runtime would copy; only an empty tensor can have them.
  if (allow_zero && from.shape && std::find(from.shape->begin(), from.shape->end(), 0) != from.shape->end()) {
    return Fill(target, ScalarLike(0, x));
  }
  mnn::ReshapeT param;
  param.dimType = mnn::MNN_DATA_FORMAT::NCHW;
  return Emit(mnn::OpType::Reshape, Param(std::move(param)), {x, Cast(target, ElementType::kInt32)},
              {from.type, std::move(out), from.stored});
}

Value GraphBuilder::Squeeze(Value x, std::vector<int64_t> axes) {
  if (!x.valid() || !ok()) return {};
  if (!HasRank(x) && !axes.empty()) {  // the runtime knows the rank
    return Emit(mnn::OpType::Squeeze, SqueezeParam(axes), {x}, {info(x).type, std::nullopt, info(x).stored});
  }
  const size_t rank = Rank(x);
  if (!ok()) return {};
  const ValueInfo from = info(x);
  std::vector<bool> drop(rank, false);
  for (int64_t& axis : axes) {
    const auto a = NormalizeAxis(axis, rank);
    if (!a) return Fail(InvalidInput("squeeze axis {} lies outside a tensor of rank {}", axis, rank));
    if (IsKnown((*from.shape)[*a]) && (*from.shape)[*a] != 1) {
      return Fail(InvalidInput("squeeze of axis {} of shape {}; only axes of size 1 can go", axis, ShapeText(from.shape)));
    }
    axis = static_cast<int64_t>(*a);
    drop[*a] = true;
  }
  Shape out;
  for (size_t i = 0; i < rank; ++i) {
    if (!drop[i]) out.push_back((*from.shape)[i]);
  }
  if (axes.empty()) return x;
  if (IsConstant(x)) return MakeConstant(fold::Reshape(*constant(x), out));
  const Value v = Emit(mnn::OpType::Squeeze, SqueezeParam(axes), {x}, {from.type, out, from.stored});
  if (v.valid()) values_[static_cast<size_t>(v.id)].elements = from.elements;
  return v;
}

Value GraphBuilder::Unsqueeze(Value x, std::vector<int64_t> axes) {
  if (!x.valid() || !ok()) return {};
  if (axes.empty()) return x;
  if (!HasRank(x)) {
    return Emit(mnn::OpType::Unsqueeze, SqueezeParam(axes), {x}, {info(x).type, std::nullopt, info(x).stored});
  }
  const size_t rank = Rank(x);
  const ValueInfo from = info(x);
  const size_t out_rank = rank + axes.size();
  std::vector<bool> added(out_rank, false);
  for (int64_t& axis : axes) {
    const auto a = NormalizeAxis(axis, out_rank);
    if (!a || added[*a]) return Fail(InvalidInput("unsqueeze axis {} is repeated or lies outside rank {}", axis, out_rank));
    axis = static_cast<int64_t>(*a);
    added[*a] = true;
  }
  std::sort(axes.begin(), axes.end());
  Shape out;
  for (size_t i = 0, k = 0; i < out_rank; ++i) out.push_back(added[i] ? 1 : (*from.shape)[k++]);
  if (IsConstant(x)) return MakeConstant(fold::Reshape(*constant(x), out));
  const Value v = Emit(mnn::OpType::Unsqueeze, SqueezeParam(axes), {x}, {from.type, out, from.stored});
  if (v.valid() && out.size() <= 1) values_[static_cast<size_t>(v.id)].elements = from.elements;
  return v;
}

Value GraphBuilder::SqueezeComputed(Value x, Value axes) {
  if (!x.valid() || !axes.valid() || !ok()) return {};
  AssumeRank(axes, 1);
  const ValueInfo from = info(x);
  const Dim count = (*shape(axes))[0];
  std::optional<Shape> out;
  if (from.shape && IsKnown(count) && count <= static_cast<int64_t>(from.shape->size())) {
    out.emplace(from.shape->size() - static_cast<size_t>(count));
    for (Dim& d : *out) d = symbols_->Fresh();
  }
  return Emit(mnn::OpType::Squeeze, SqueezeParam({}), {x, Cast(axes, ElementType::kInt32)}, {from.type, std::move(out), from.stored});
}

Value GraphBuilder::UnsqueezeComputed(Value x, Value axes) {
  if (!x.valid() || !axes.valid() || !ok()) return {};
  AssumeRank(axes, 1);
  const ValueInfo from = info(x);
  const Dim count = (*shape(axes))[0];
  std::optional<Shape> out;
  if (from.shape && IsKnown(count) && count < 64) {
    out.emplace(from.shape->size() + static_cast<size_t>(count));
    for (Dim& d : *out) d = symbols_->Fresh();
  }
  return Emit(mnn::OpType::Unsqueeze, SqueezeParam({}), {x, Cast(axes, ElementType::kInt32)}, {from.type, std::move(out), from.stored});
}

Value GraphBuilder::Transpose(Value x, std::vector<int64_t> perm) {
  AssumeRank(x, perm.size());
  const size_t rank = Rank(x);
  if (!x.valid() || !ok()) return {};
  const ValueInfo from = info(x);
  if (perm.size() != rank) {
    return Fail(InvalidInput("a transpose of {} axes on a tensor of rank {}", perm.size(), rank));
  }
  std::vector<size_t> axes(rank);
  std::vector<bool> seen(rank, false);
  bool identity = true;
  Shape out(rank);
  mnn::PermuteT param;
  for (size_t i = 0; i < rank; ++i) {
    const auto a = NormalizeAxis(perm[i], rank);
    if (!a || seen[*a]) return Fail(InvalidInput("'perm' {} is no permutation of {} axes", fmt::join(perm, ","), rank));
    seen[*a] = true;
    axes[i] = *a;
    identity = identity && *a == i;
    out[i] = (*from.shape)[*a];
    param.dims.push_back(static_cast<int32_t>(*a));
  }
  if (identity) return x;
  if (IsConstant(x)) return MakeConstant(fold::Transpose(*constant(x), axes));
  return Emit(mnn::OpType::Permute, Param(std::move(param)), {x}, {from.type, out, from.stored});
}

}  // namespace quantpress::graph
