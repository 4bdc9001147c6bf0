#include <algorithm>
#include <limits>

#include "graph/build/graph_builder.h"
#include "graph/build/params.h"
#include "graph/fold/fold.h"

namespace quantpress::graph {
namespace {

// Large enough for "to the end", small enough that the runtime's 32-bit arithmetic on it does not overflow.
constexpr int64_t kFar = int64_t{1} << 30;

// One axis of a slice with a known size: first index and number of elements.
struct AxisRange {
  int64_t start = 0, count = 0;
};

AxisRange ResolveRange(int64_t start, int64_t end, int64_t step, int64_t size) {
  const auto clamp = [&](int64_t i) {
    if (i < 0) i += size;
    return step > 0 ? std::clamp<int64_t>(i, 0, size) : std::clamp<int64_t>(i, -1, size - 1);
  };
  const int64_t first = clamp(std::max(start, -kFar * 4)), last = clamp(std::max(end, -kFar * 4));
  const int64_t span = step > 0 ? last - first : first - last;
  const int64_t width = step > 0 ? step : -step;
  return {first, span > 0 ? (span - 1) / width + 1 : 0};
}

}  // namespace

Value GraphBuilder::Slice(Value x, std::vector<int64_t> starts, std::vector<int64_t> ends, std::vector<int64_t> axes,
                          std::vector<int64_t> steps) {
  const size_t rank = Rank(x);
  if (!x.valid() || !ok()) return {};
  const ValueInfo from = info(x);
  if (steps.empty()) steps.assign(axes.size(), 1);
  if (starts.size() != axes.size() || ends.size() != axes.size() || steps.size() != axes.size()) {
    return Fail(InvalidInput("a slice with {} starts, {} ends, {} axes and {} steps; they must be as many", starts.size(),
                             ends.size(), axes.size(), steps.size()));
  }
  Shape out = *from.shape;
  std::vector<AxisRange> ranges(rank);
  std::vector<int64_t> all_steps(rank, 1);
  bool identity = true;
  for (size_t i = 0; i < rank; ++i) ranges[i] = {0, out[i]};
  std::vector<bool> seen(rank, false);
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto a = NormalizeAxis(axes[i], rank);
    if (!a || seen[*a]) return Fail(InvalidInput("slice axis {} is repeated or lies outside rank {}", axes[i], rank));
    if (steps[i] == 0) return Fail(InvalidInput("a slice with step 0 along axis {}", axes[i]));
    steps[i] = std::clamp(steps[i], -kFar, kFar);
    seen[*a] = true;
    axes[i] = static_cast<int64_t>(*a);
    all_steps[*a] = steps[i];
    const Dim size = (*from.shape)[*a];
    if (IsKnown(size)) {
      ranges[*a] = ResolveRange(starts[i], ends[i], steps[i], size);
      out[*a] = ranges[*a].count;
      identity = identity && steps[i] == 1 && ranges[*a].start == 0 && ranges[*a].count == size;
      starts[i] = ranges[*a].start;
      const int64_t end = ranges[*a].start + ranges[*a].count * steps[i];
      ends[i] = end >= 0 ? end : -kFar;
    } else {
      const bool whole = steps[i] == 1 && starts[i] == 0 && ends[i] >= kFar;
      if (!whole) out[*a] = symbols_->Fresh();
      // A fixed number of elements from one end is known if the axis is long enough, which a run decides.
      identity = identity && whole;
      starts[i] = std::clamp(starts[i], -kFar, kFar);
      ends[i] = std::clamp(ends[i], -kFar, kFar);
    }
  }
  if (identity) return x;
  if (IsConstant(x)) {
    std::vector<int64_t> first(rank), counts(rank);
    for (size_t i = 0; i < rank; ++i) {
      first[i] = ranges[i].count > 0 ? ranges[i].start : 0;
      counts[i] = ranges[i].count;
    }
    return MakeConstant(fold::Slice(*constant(x), first, counts, all_steps));
  }
  std::optional<std::vector<Dim>> elements;
  if (from.elements && rank == 1 && IsKnown((*from.shape)[0])) {
    elements.emplace();
    for (int64_t k = 0; k < ranges[0].count; ++k) {
      elements->push_back((*from.elements)[static_cast<size_t>(ranges[0].start + k * all_steps[0])]);
    }
    if (IsStatic(*elements)) return Ints(*elements, {static_cast<int64_t>(elements->size())}, from.type);
  }
  mnn::StridedSliceParamT param;
  param.fromType = 1;
  const Value v = Emit(mnn::OpType::StridedSlice, Param(param),
                       {x, IntList(starts), IntList(ends), IntList(axes), IntList(steps)},
                       {from.type, std::move(out), from.stored});
  if (v.valid()) values_[static_cast<size_t>(v.id)].elements = std::move(elements);
  return v;
}

Value GraphBuilder::SliceDynamic(Value x, Value starts, Value ends, Value axes, Value steps) {
  if (!x.valid() || !starts.valid() || !ends.valid() || !ok()) return {};
  const auto s = ConstantInts(starts), e = ConstantInts(ends);
  auto a = ConstantInts(axes), t = ConstantInts(steps);
  if (!axes.valid() && HasRank(starts) && shape(starts)->size() == 1 && IsKnown((*shape(starts))[0])) {
    a.emplace();
    for (int64_t i = 0; i < (*shape(starts))[0]; ++i) a->push_back(i);
  }
  if (s && e && a && (t || !steps.valid()) && HasRank(x)) {
    return Slice(x, *s, *e, *a, t ? *t : std::vector<int64_t>{});
  }
  std::optional<Shape> out = shape(x);
  if (out) {
    if (a) {
      for (int64_t axis : *a) {
        const auto n = NormalizeAxis(axis, out->size());
        if (!n) return Fail(InvalidInput("slice axis {} lies outside rank {}", axis, out->size()));
        (*out)[*n] = symbols_->Fresh();
      }
    } else {
      for (Dim& d : *out) d = symbols_->Fresh();
    }
  }
  const auto narrow = [&](Value v) {
    if (const auto ints = ConstantInts(v)) {
      std::vector<int64_t> clamped = *ints;
      for (int64_t& i : clamped) i = std::clamp(i, -kFar, kFar);
      return IntList(std::move(clamped));
    }
    return Cast(v, ElementType::kInt32);
  };
  mnn::StridedSliceParamT param;
  param.fromType = 1;
  std::vector<Value> inputs = {x, narrow(starts), narrow(ends)};
  if (a || axes.valid()) {
    inputs.push_back(a ? IntList(*a) : Cast(axes, ElementType::kInt32));
    if (steps.valid()) inputs.push_back(narrow(steps));
  } else if (steps.valid()) {
    return Fail(Unsupported("a slice with computed steps needs axes"));
  }
  const ValueInfo from = info(x);
  return Emit(mnn::OpType::StridedSlice, Param(param), std::move(inputs), {from.type, std::move(out), from.stored});
}

Value GraphBuilder::Gather(Value x, Value indices, int64_t axis) {
  if (!x.valid() || !indices.valid() || !ok()) return {};
  const size_t rank = Rank(x);
  if (!ok()) return {};
  const ValueInfo from = info(x);
  const auto a = NormalizeAxis(axis, rank);
  if (!a) return Fail(InvalidInput("gather axis {} lies outside a tensor of rank {}", axis, rank));
  const Dim size = (*from.shape)[*a];
  std::optional<Shape> out;
  if (HasRank(indices)) {
    out = Shape(from.shape->begin(), from.shape->begin() + static_cast<int64_t>(*a));
    out->insert(out->end(), shape(indices)->begin(), shape(indices)->end());
    out->insert(out->end(), from.shape->begin() + static_cast<int64_t>(*a) + 1, from.shape->end());
  }
  if (from.constant && IsConstant(indices)) {
    if (auto folded = fold::Gather(*from.constant, *constant(indices), *a)) return MakeConstant(std::move(*folded));
  }
  std::optional<std::vector<Dim>> elements;
  bool wrap = true;
  if (const auto ints = ConstantInts(indices)) {
    std::vector<int64_t> where = *ints;
    bool negative = false;
    for (int64_t& i : where) {
      if (i < 0) negative = true;
      if (i < 0 && IsKnown(size)) i += size;
      if (IsKnown(size) && (i < 0 || i >= size)) {
        return Fail(InvalidInput("a gather index lies outside an axis of {} elements", size));
      }
    }
    if (from.elements && rank == 1) {
      elements.emplace();
      for (int64_t i : where) {
        if (i < 0) i += static_cast<int64_t>(from.elements->size());
        if (i < 0 || i >= static_cast<int64_t>(from.elements->size())) return Fail(InvalidInput("a gather index lies outside the tensor"));
        elements->push_back((*from.elements)[static_cast<size_t>(i)]);
      }
      if (IsStatic(*elements) && shape(indices)->size() <= 1) return Ints(*elements, constant(indices)->shape, from.type);
    }
    if (!negative || IsKnown(size)) {
      indices = Ints(where, constant(indices)->shape, ElementType::kInt32);
      wrap = false;
    }
  }
  indices = Widen(indices);
  if (wrap) {
    // MOD of int32 has the sign of the divisor, so that -1 becomes size - 1.
    const Value length = IsKnown(size) ? ScalarInt(size, ElementType::kInt32) : Cast(DimOf(x, *a), ElementType::kInt32);
    indices = Binary(mnn::BinaryOpOperation::MOD, Cast(indices, ElementType::kInt32), length);
  }
  const Value v = Emit(mnn::OpType::GatherV2, {}, {x, indices, ScalarInt(static_cast<int64_t>(*a), ElementType::kInt32)},
                       {from.type, std::move(out), from.stored});
  if (v.valid()) values_[static_cast<size_t>(v.id)].elements = std::move(elements);
  return v;
}

std::vector<Value> GraphBuilder::Split(Value x, int64_t axis, std::vector<int64_t> sizes) {
  const size_t rank = Rank(x);
  std::vector<Value> out(sizes.size());
  if (!x.valid() || !ok()) return out;
  const ValueInfo from = info(x);
  const auto a = NormalizeAxis(axis, rank);
  if (!a) {
    Fail(InvalidInput("split axis {} lies outside a tensor of rank {}", axis, rank));
    return out;
  }
  int64_t begin = 0;
  size_t full = 0;
  for (int64_t n : sizes) {
    if (n < 0 || n > std::numeric_limits<int32_t>::max()) Fail(InvalidInput("a split into a part of {} elements", n));
    begin += std::max<int64_t>(n, 0);
    full += n > 0;
  }
  if (IsKnown((*from.shape)[*a]) && begin != (*from.shape)[*a]) {
    Fail(InvalidInput("a split of {} elements into parts of {} in all", (*from.shape)[*a], begin));
  }
  if (!ok()) return out;
  if (from.constant || full != sizes.size() || full < 2 || from.elements) {
    // Slices fold, and an empty part would spoil the others.
    begin = 0;
    for (size_t i = 0; i < sizes.size(); ++i) {
      out[i] = Slice(x, {begin}, {begin + sizes[i]}, {static_cast<int64_t>(*a)});
      begin += sizes[i];
    }
    return out;
  }
  mnn::SliceT param;
  param.axis = static_cast<int32_t>(*a);
  param.sourceType = mnn::NetSource::TENSORFLOW;  // several slice points are sizes
  std::vector<OutputSpec> specs;
  for (int64_t n : sizes) {
    param.slicePoints.push_back(static_cast<int32_t>(n));
    Shape s = *from.shape;
    s[*a] = n;
    specs.push_back({from.type, s, from.stored});
  }
  return EmitMulti(mnn::OpType::Slice, Param(std::move(param)), {x}, std::move(specs));
}

Value GraphBuilder::Range(Value start, Value limit, Value delta) {
  if (!start.valid() || !limit.valid() || !delta.valid() || !ok()) return {};
  const ElementType type = info(start).type;
  const auto s = ConstantInts(start), l = ConstantInts(limit), d = ConstantInts(delta);
  if (!IsFloat(type) && s && l && d && s->size() == 1 && l->size() == 1 && d->size() == 1 && (*d)[0] != 0) {
    const int64_t step = (*d)[0], span = step > 0 ? (*l)[0] - (*s)[0] : (*s)[0] - (*l)[0];
    const int64_t width = step > 0 ? step : -step;
    const int64_t n = span > 0 ? (span - 1) / width + 1 : 0;
    if (n <= static_cast<int64_t>(fold::kMaxEagerElements)) {
      std::vector<int64_t> values(static_cast<size_t>(n));
      for (int64_t i = 0; i < n; ++i) values[static_cast<size_t>(i)] = (*s)[0] + i * step;
      return Ints(std::move(values), {n}, type);
    }
  }
  Dim size = symbols_->Fresh();
  if (s && d && s->size() == 1 && d->size() == 1 && (*s)[0] == 0 && (*d)[0] == 1) {
    if (const auto e = Elements(limit); e && e->size() == 1) size = (*e)[0];
  }
  return Emit(mnn::OpType::Range, Param(mnn::RangeT{}), {Widen(start), Widen(limit), Widen(delta)}, {type, Shape{size}});
}

Value GraphBuilder::Pad(Value x, std::vector<int64_t> pads, mnn::PadValueMode mode, Value value) {
  const size_t rank = Rank(x);
  if (!x.valid() || !ok()) return {};
  if (pads.size() != 2 * rank) return Fail(InvalidInput("{} pads for a tensor of rank {}; expected {}", pads.size(), rank, 2 * rank));
  // Negative pads cut.
  std::vector<int64_t> starts, ends, axes, interleaved;
  bool any = false;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t before = pads[i], after = pads[i + rank];
    if (before < 0 || after < 0) {
      starts.push_back(before < 0 ? -before : 0);
      ends.push_back(after < 0 ? after : kFar);
      axes.push_back(static_cast<int64_t>(i));
    }
    interleaved.push_back(std::max<int64_t>(before, 0));
    interleaved.push_back(std::max<int64_t>(after, 0));
    any = any || before > 0 || after > 0;
  }
  if (!axes.empty()) x = Slice(x, starts, ends, axes);
  if (!any || !x.valid()) return x;
  const ValueInfo from = info(x);
  Shape out = *from.shape;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t extra = interleaved[2 * i] + interleaved[2 * i + 1];
    if (extra > 0) out[i] = IsKnown(out[i]) ? out[i] + extra : symbols_->Fresh();
  }
  mnn::PadParamT param;
  param.mode = mode;
  std::vector<Value> inputs = {x, Ints(interleaved, {static_cast<int64_t>(interleaved.size())}, ElementType::kInt32)};
  if (value.valid()) inputs.push_back(value);
  return Emit(mnn::OpType::Padding, Param(param), std::move(inputs), {from.type, out, from.stored});
}

}  // namespace quantpress::graph
