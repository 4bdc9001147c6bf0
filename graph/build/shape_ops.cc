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
  if (!HasRank(x)) return {};
  const Dim d = (*shape(x))[axis];
  if (IsKnown(d)) return ScalarInt(d);
  return Gather(ShapeOf(x), ScalarInt(static_cast<int64_t>(axis)), 0);
}

Value GraphBuilder::ReshapeTo(Value x, std::vector<int64_t> dims) {
  if (!x.valid() || !ok()) return {};
  const std::optional<Shape> from = shape(x);
  Shape out(dims.size());
  int64_t unknown = -1;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] < -1 || dims[i] > std::numeric_limits<int32_t>::max()) {
      return Fail(InvalidInput("a reshape to size {}; sizes are -1, 0 or positive", dims[i]));
    }
    if (dims[i] == -1) {
      if (unknown >= 0) return Fail(InvalidInput("a reshape with two sizes of -1"));
      unknown = static_cast<int64_t>(i);
      out[i] = symbols_->Fresh();
    } else if (dims[i] == 0) {
      if (from && i >= from->size()) return Fail(InvalidInput("a reshape copies dimension {} of a tensor of rank {}", i, from->size()));
      out[i] = from ? (*from)[i] : symbols_->Fresh();
    } else {
      out[i] = dims[i];
    }
  }
  if (unknown >= 0 && from) {
    // Symbols that stand on both sides cancel.
    std::vector<Dim> left(from->begin(), from->end()), right;
    for (size_t i = 0; i < out.size(); ++i) {
      if (static_cast<int64_t>(i) != unknown) right.push_back(out[i]);
    }
    for (auto it = right.begin(); it != right.end();) {
      auto same = IsKnown(*it) ? left.end() : std::find(left.begin(), left.end(), *it);
      if (same == left.end()) {
        ++it;
      } else {
        left.erase(same);
        it = right.erase(it);
      }
    }
    int64_t known_left = 1;
    std::vector<Dim> symbols_left;
    for (Dim d : left) {
      if (IsKnown(d)) known_left *= d; else symbols_left.push_back(d);
    }
    const std::optional<int64_t> known_right = ElementCount(right);
    if (known_right && *known_right > 0 && known_left % *known_right == 0) {
      const int64_t rest = known_left / *known_right;
      if (symbols_left.empty()) out[static_cast<size_t>(unknown)] = rest;
      if (symbols_left.size() == 1 && rest == 1) out[static_cast<size_t>(unknown)] = symbols_left[0];
    } else if (known_right && symbols_left.empty()) {
      return Fail(InvalidInput("a tensor of shape {} cannot be reshaped to {}", ShapeText(from), fmt::join(dims, "x")));
    }
  }
  if (from && *from == out) return x;
  if (from && IsStatic(*from) && IsStatic(out) && ElementCount(*from) != ElementCount(out)) {
    return Fail(InvalidInput("a tensor of shape {} cannot be reshaped to {}", ShapeText(from), ShapeText(out)));
  }
  if (IsConstant(x) && IsStatic(out)) return MakeConstant(fold::Reshape(*constant(x), out));
  const ValueInfo i = info(x);
  // A zero-size dimension must be written as such, not as "copy".
  const Value v = Emit(mnn::OpType::Reshape, ReshapeParam(dims), {x}, {i.type, out, i.stored});
  if (v.valid() && out.size() <= 1) values_[static_cast<size_t>(v.id)].elements = i.elements;
  return v;
}

Value GraphBuilder::ReshapeLike(Value x, const Shape& target, Value shape_source) {
  if (!x.valid() || !ok()) return {};
  const std::optional<Shape> from = shape(x);
  std::vector<int64_t> dims(target.size());
  size_t unknown = 0;
  for (size_t i = 0; i < target.size(); ++i) {
    if (target[i] > 0) {
      dims[i] = target[i];
    } else if (IsKnown(target[i])) {
      unknown = 2;  // a size of zero has no static form
    } else if (from && i < from->size() && (*from)[i] == target[i]) {
      dims[i] = 0;
    } else {
      dims[i] = -1;
      ++unknown;
    }
  }
  if (unknown <= 1) {
    const Value v = ReshapeTo(x, dims);
    if (v.valid() && !IsConstant(v)) values_[static_cast<size_t>(v.id)].shape = target;
    return v;
  }
  const ValueInfo i = info(x);
  mnn::ReshapeT param;
  param.dimType = mnn::MNN_DATA_FORMAT::NCHW;
  const Value v = Emit(mnn::OpType::Reshape, Param(std::move(param)), {x, Cast(shape_source, ElementType::kInt32)},
                       {i.type, target, i.stored});
  return v;
}

Value GraphBuilder::Reshape(Value x, Value target, bool allow_zero) {
  if (!x.valid() || !target.valid() || !ok()) return {};
  const ValueInfo from = info(x);
  if (const auto dims = ConstantInts(target)) {
    const bool has_zero = std::find(dims->begin(), dims->end(), 0) != dims->end();
    if (!allow_zero || !has_zero) return ReshapeTo(x, *dims);
    // The runtime copies the dimension for 0, so an empty tensor needs a shape computed at run time. A constant empty
    // tensor of that shape says the same.
    if (std::find(dims->begin(), dims->end(), -1) != dims->end()) {
      return Fail(InvalidInput("a reshape with allowzero has both 0 and -1"));
    }
    if (from.shape && IsStatic(*from.shape) && ElementCount(*from.shape) != 0) {
      return Fail(InvalidInput("a tensor of shape {} cannot be reshaped to {}", ShapeText(from.shape), fmt::join(*dims, "x")));
    }
    return MakeConstant({from.type, *dims, IsFloat(from.type) ? FloatSource({}) : IntSource({}, from.type)});
  }
  if (const auto elements = Elements(target)) return ReshapeLike(x, *elements, target);
  std::optional<Shape> out;
  if (HasRank(target) && shape(target)->size() == 1 && IsKnown((*shape(target))[0])) {
    out.emplace();
    for (int64_t i = 0; i < (*shape(target))[0]; ++i) out->push_back(symbols_->Fresh());
  }
  mnn::ReshapeT param;
  param.dimType = mnn::MNN_DATA_FORMAT::NCHW;
  return Emit(mnn::OpType::Reshape, Param(std::move(param)), {x, Cast(target, ElementType::kInt32)},
              {from.type, std::move(out), from.stored});
}

Value GraphBuilder::Squeeze(Value x, std::vector<int64_t> axes) {
  const size_t rank = Rank(x);
  if (!x.valid() || !ok()) return {};
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
  if (axes.empty()) return x;
  const size_t rank = Rank(x);
  if (!x.valid() || !ok()) return {};
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

Value GraphBuilder::Transpose(Value x, std::vector<int64_t> perm) {
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

Value GraphBuilder::Concat(std::vector<Value> parts, int64_t axis) {
  if (!ok() || parts.empty()) return {};
  bool all_constant = true, all_elements = true;
  std::optional<Shape> out;
  std::vector<Dim> elements;
  std::vector<Value> used;
  std::optional<size_t> a;
  for (Value part : parts) {
    if (!part.valid()) return {};
    if (!out && HasRank(part)) {
      out = *shape(part);
      a = NormalizeAxis(axis, out->size());
      if (!a) return Fail(InvalidInput("concat axis {} lies outside rank {}", axis, out->size()));
      (*out)[*a] = 0;
    }
  }
  for (Value part : parts) {
    if (out && HasRank(part)) {
      const Shape& s = *shape(part);
      if (s.size() != out->size()) {
        return Fail(InvalidInput("concat of tensors of rank {} and {}", out->size(), s.size()));
      }
      for (size_t i = 0; i < s.size(); ++i) {
        Dim& d = (*out)[i];
        if (i == *a) {
          d = IsKnown(d) && IsKnown(s[i]) ? d + s[i] : (d == 0 ? s[i] : symbols_->Fresh());
        } else if (IsKnown(s[i])) {
          if (IsKnown(d) && d != s[i]) return Fail(InvalidInput("concat along axis {} of shapes that differ in axis {}", axis, i));
          d = s[i];
        }
      }
      // Empty parts spoil their neighbours in some kernels and add nothing.
      if (IsKnown(s[*a]) && s[*a] == 0 && parts.size() > 1) continue;
    } else if (out) {
      (*out)[*a] = symbols_->Fresh();
    }
    used.push_back(part);
    all_constant = all_constant && IsConstant(part);
    const auto e = Elements(part);
    all_elements = all_elements && e.has_value();
    if (e) elements.insert(elements.end(), e->begin(), e->end());
  }
  if (used.empty()) return parts[0];
  if (used.size() == 1) return used[0];
  const ElementType type = info(used[0]).type;
  if (all_constant && out) {
    std::vector<const Constant*> constants;
    for (Value part : used) constants.push_back(constant(part));
    if (auto folded = fold::Concat(constants, *a)) return MakeConstant(std::move(*folded));
  }
  all_elements = all_elements && out && out->size() == 1;
  if (all_elements && IsStatic(elements)) return Ints(elements, {static_cast<int64_t>(elements.size())}, type);
  for (Value& part : used) part = Widen(part);
  mnn::AxisT param;
  param.axis = a ? static_cast<int32_t>(*a) : static_cast<int32_t>(axis);
  const Value v = Emit(mnn::OpType::Concat, Param(param), used, {type, out});
  if (v.valid() && all_elements) values_[static_cast<size_t>(v.id)].elements = std::move(elements);
  return v;
}

Value GraphBuilder::Expand(Value x, Value target) {
  if (!x.valid() || !target.valid() || !ok()) return {};
  const ValueInfo from = info(x);
  const auto dims = ConstantInts(target);
  if (from.shape && dims) {
    const auto out = BroadcastShapes(*from.shape, *dims, symbols_);
    if (!out) return Fail(InvalidInput("shape {} does not broadcast to {}", ShapeText(from.shape), fmt::join(*dims, "x")));
    if (*out == *from.shape) return x;
    if (from.constant && IsStatic(*out)) return MakeConstant(fold::Broadcast(*from.constant, *out));
  }
  std::optional<Shape> out;
  if (const auto elements = Elements(target); from.shape && elements) {
    out = BroadcastShapes(*from.shape, *elements, symbols_);
    if (out && *out == *from.shape) return x;
  }
  // BroadcastTo wants the final shape; ONNX allows the target to be smaller than the input.
  Value final_shape = target;
  const bool smaller = !from.shape || !HasRank(target) || !IsKnown((*shape(target))[0]) ||
                       static_cast<int64_t>(from.shape->size()) > (*shape(target))[0];
  bool ones = !Elements(target);
  if (const auto elements = Elements(target)) {
    for (Dim d : *elements) ones = ones || d == 1 || !IsKnown(d);
  }
  if (smaller || ones) {
    // value * ones(target) broadcasts both ways. Integers are added to zeros, because their product is not exact.
    if (!IsFloat(from.type)) return Add(x, Fill(target, ScalarLike(0, x)));
    return Mul(x, Fill(target, ScalarLike(1, x)));
  }
  return Emit(mnn::OpType::BroadcastTo, {}, {x, Cast(final_shape, ElementType::kInt32)}, {from.type, out, from.stored});
}

Value GraphBuilder::Tile(Value x, Value repeats) {
  if (!x.valid() || !repeats.valid() || !ok()) return {};
  const ValueInfo from = info(x);
  std::optional<Shape> out = from.shape;
  const auto r = Elements(repeats);
  if (out) {
    for (size_t i = 0; i < out->size(); ++i) {
      Dim& d = (*out)[i];
      const Dim n = r && i < r->size() ? (*r)[i] : symbols_->Fresh();
      d = n == 1 ? d : IsKnown(n) && IsKnown(d) ? d * n : symbols_->Fresh();
    }
    if (*out == *from.shape) return x;
  }
  return Emit(mnn::OpType::Tile, {}, {x, Cast(repeats, ElementType::kInt32)}, {from.type, out, from.stored});
}

Value GraphBuilder::Fill(Value target, Value scalar) {
  if (!target.valid() || !scalar.valid() || !ok()) return {};
  const ElementType type = info(scalar).type;
  const auto elements = Elements(target);
  if (elements && IsStatic(*elements) && IsConstant(scalar)) {
    return MakeConstant(fold::Broadcast(fold::Reshape(*constant(scalar), {}), *elements));
  }
  std::optional<Shape> out = elements;
  if (!out && HasRank(target) && shape(target)->size() == 1 && IsKnown((*shape(target))[0])) {
    out.emplace();
    for (int64_t i = 0; i < (*shape(target))[0]; ++i) out->push_back(symbols_->Fresh());
  }
  const Value v = Emit(mnn::OpType::Fill, Param(mnn::FillT{}), {Cast(target, ElementType::kInt32), Widen(scalar)}, {type, out});
  if (v.valid()) last_op().default_format = mnn::MNN_DATA_FORMAT::NCHW;
  return v;
}

}  // namespace quantpress::graph
