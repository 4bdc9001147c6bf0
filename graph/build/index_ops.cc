#include <algorithm>
#include <cmath>
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

// Elements of a slice with step 1 along an axis of which something may be known only as a symbol. Bounds that a run
// computes are taken to lie inside the axis, as they do in exported models: a bound outside would make the model fail.
Dim SliceLength(SymbolTable* symbols, Dim size, std::optional<Dim> start, std::optional<Dim> end) {
  const auto position = [&](std::optional<Dim> bound) -> std::optional<Dim> {
    if (!bound) return std::nullopt;
    if (IsSymbol(*bound)) return symbols->IsSize(*bound) ? bound : std::nullopt;
    if (*bound >= kFar) return size;
    if (*bound < 0) return *bound <= -kFar ? 0 : symbols->Add(size, *bound);
    return symbols->Min(*bound, size);
  };
  // A start that is a number is taken to lie inside.
  const bool number = start && !IsSymbol(*start) && *start >= 0 && *start < kFar && IsSymbol(size);
  const std::optional<Dim> first = number ? start : position(start), last = position(end);
  if (!first || !last) return symbols->Fresh();
  const Dim length = symbols->Sub(*last, *first);
  return IsSymbol(length) ? length : std::max<Dim>(length, 0);
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
      if (!whole) out[*a] = steps[i] == 1 ? SliceLength(symbols_, size, starts[i], ends[i]) : symbols_->Fresh();
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
    if (HasNumbersOnly(*elements)) return Ints(*elements, {static_cast<int64_t>(elements->size())}, from.type);
  }
  mnn::StridedSliceParamT param;
  param.fromType = 1;
  const Value v = Emit(mnn::OpType::StridedSlice, Param(param),
                       {x, IntList(starts), IntList(ends), IntList(axes), IntList(steps)},
                       {from.type, std::move(out), from.stored});
  if (v.valid()) Mutable(v).elements = std::move(elements);
  if (v.valid()) Mutable(v).non_negative = from.non_negative;
  return v;
}

Value GraphBuilder::SliceDynamic(Value x, Value starts, Value ends, Value axes, Value steps) {
  if (!x.valid() || !starts.valid() || !ends.valid() || !ok()) return {};
  const auto s = ConstantInts(starts), e = ConstantInts(ends);
  auto a = ConstantInts(axes), t = ConstantInts(steps);
  if (HasRank(x) && *shape(x) == Shape{}) return x;
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
      const auto first = Elements(starts), last = Elements(ends);
      for (size_t i = 0; i < a->size(); ++i) {
        const auto n = NormalizeAxis((*a)[i], out->size());
        if (!n) return Fail(InvalidInput("slice axis {} lies outside rank {}", (*a)[i], out->size()));
        Dim& d = (*out)[*n];
        const auto bound = [&](const auto& list) { return list && i < list->size() ? std::optional<Dim>((*list)[i]) : std::nullopt; };
        const bool forward = !steps.valid() || (t && i < t->size() && (*t)[i] == 1);
        d = forward ? SliceLength(symbols_, d, bound(first), bound(last)) : symbols_->Fresh();
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
  for (Value* v : {&start, &limit, &delta}) {
    if (HasRank(*v) && shape(*v)->size() == 1) *v = Squeeze(*v, {0});
  }
  const ElementType type = info(start).type;
  const auto one = [](const auto& list) { return list && list->size() == 1; };
  if (IsFloat(type)) {
    const auto s = ConstantFloats(start), l = ConstantFloats(limit), d = ConstantFloats(delta);
    if (one(s) && one(l) && one(d)) {
      const double count = std::ceil((static_cast<double>((*l)[0]) - (*s)[0]) / (*d)[0]);
      if (!(count <= static_cast<double>(fold::kMaxEagerElements))) return Fail(InvalidInput("a range of {} numbers", count));
      std::vector<float> values(static_cast<size_t>(std::max(count, 0.0)));
      for (size_t i = 0; i < values.size(); ++i) values[i] = (*s)[0] + static_cast<float>(i) * (*d)[0];
      const auto n = static_cast<int64_t>(values.size());
      return Floats(std::move(values), {n});
    }
    return Emit(mnn::OpType::Range, Param(mnn::RangeT{}), {start, limit, delta}, {type, Shape{symbols_->Fresh()}});
  }
  const auto s = Elements(start), l = Elements(limit), d = Elements(delta);
  Dim size = symbols_->Fresh();
  bool non_negative = false;
  if (one(d) && !IsSymbol((*d)[0])) {
    const int64_t step = (*d)[0];
    if (step == 0) return Fail(InvalidInput("a range with step 0"));
    if (one(s) && one(l)) {
      const Dim span = step > 0 ? symbols_->Sub((*l)[0], (*s)[0]) : symbols_->Sub((*s)[0], (*l)[0]);
      const int64_t width = step > 0 ? step : -step;
      if (!IsSymbol(span)) {
        const int64_t n = span > 0 ? (span - 1) / width + 1 : 0;
        if (!IsSymbol((*s)[0]) && n <= static_cast<int64_t>(fold::kMaxEagerElements)) {
          std::vector<int64_t> values(static_cast<size_t>(n));
          for (int64_t i = 0; i < n; ++i) values[static_cast<size_t>(i)] = (*s)[0] + i * step;
          return Ints(std::move(values), {n}, type);
        }
        size = n;
      } else if (width == 1) {
        size = span;
      }
    }
    non_negative = step > 0 && one(s) && symbols_->IsSize((*s)[0]);
  }
  const Value v = Emit(mnn::OpType::Range, Param(mnn::RangeT{}), {Widen(start), Widen(limit), Widen(delta)}, {type, Shape{size}});
  if (v.valid()) Mutable(v).non_negative = non_negative;
  return v;
}

}  // namespace quantpress::graph
