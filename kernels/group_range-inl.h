#if defined(QUANTPRESS_KERNELS_GROUP_RANGE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANTPRESS_KERNELS_GROUP_RANGE_INL_H_
#undef QUANTPRESS_KERNELS_GROUP_RANGE_INL_H_
#else
#define QUANTPRESS_KERNELS_GROUP_RANGE_INL_H_
#endif

#include <cfloat>
#include <cmath>
#include <cstddef>

#include "hwy/highway.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace quantpress::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// One group of at least Lanes(d) weights. One of the `bad` becomes NaN or infinite if a weight is not finite: min/max alone would
// lose a NaN on some targets. It is a sum of products of two weights each, one step for two vectors; products of finite
// weights can overflow too, so the caller looks again. (It decides, it is not written: a fused step is fine.)
template <class D, class V = hn::Vec<D>>
HWY_INLINE void RangeOfGroup(D d, const float* HWY_RESTRICT weights, size_t size, V& min, V& max, V& bad0, V& bad1) {
  const size_t lanes = hn::Lanes(d);
  const V zero = hn::Zero(d);
  const V first = InRegister(hn::LoadU(d, weights));
  V min0 = first, max0 = first;
  size_t i = lanes;
  if (size >= 2 * lanes) {
    const V second = InRegister(hn::LoadU(d, weights + lanes));
    V min1 = second, max1 = second;
    bad0 = hn::MulAdd(first, second, bad0);
    for (i = 2 * lanes; i + 2 * lanes <= size; i += 2 * lanes) {
      const V a = InRegister(hn::LoadU(d, weights + i)), b = InRegister(hn::LoadU(d, weights + i + lanes));
      min0 = hn::Min(min0, a);
      min1 = hn::Min(min1, b);
      max0 = hn::Max(max0, a);
      max1 = hn::Max(max1, b);
      bad1 = hn::MulAdd(a, b, bad1);
    }
    min0 = hn::Min(min0, min1);
    max0 = hn::Max(max0, max1);
  } else {
    bad0 = hn::MulAdd(first, zero, bad0);
  }
  // What is left, with vectors that may overlap what was seen.
  while (i < size) {
    const size_t at = i + lanes <= size ? i : size - lanes;
    const V a = InRegister(hn::LoadU(d, weights + at));
    min0 = hn::Min(min0, a);
    max0 = hn::Max(max0, a);
    bad0 = hn::MulAdd(a, zero, bad0);
    i = at + lanes;
  }
  min = min0;
  max = max0;
}

// Exact: 0 * infinity and 0 * NaN are NaN.
template <class D>
HWY_NOINLINE bool AllFinite(D d, const float* HWY_RESTRICT weights, size_t count) {
  using V = hn::Vec<D>;
  const size_t lanes = hn::Lanes(d);
  const V zero = hn::Zero(d);
  V bad = zero;
  for (size_t i = 0; i < count;) {  // the last vector may overlap what was seen
    const size_t at = i + lanes <= count ? i : count - lanes;
    bad = hn::MulAdd(hn::LoadU(d, weights + at), zero, bad);
    i = at + lanes;
  }
  return hn::AllTrue(d, hn::Eq(bad, bad));
}

// Reduces the lanes of Lanes(d) vectors, one per group, to one vector with a lane per group: make(g) gives the vectors,
// reduce(a, b) is Min or Max. Half the shuffles of as many reductions of one vector.
template <class D, class Make, class Reduce, class V = hn::Vec<D>>
HWY_INLINE V ReduceGroups([[maybe_unused]] D d, Make make, [[maybe_unused]] Reduce reduce) {
  constexpr size_t kLanes = hn::MaxLanes(D());
  if constexpr (kLanes == 1) {
    return make(0);
  } else {
#if HWY_TARGET != HWY_SCALAR
    const hn::Repartition<uint64_t, D> d64;
    // Block b of the result: four groups' values over block b of their vectors.
    const auto quad = [&](size_t g) HWY_ATTR {
      const V a = make(g), b = make(g + 1), c = make(g + 2), e = make(g + 3);
      const V ab = reduce(hn::InterleaveLower(d, a, b), hn::InterleaveUpper(d, a, b));
      const V ce = reduce(hn::InterleaveLower(d, c, e), hn::InterleaveUpper(d, c, e));
      const auto ab64 = hn::BitCast(d64, ab), ce64 = hn::BitCast(d64, ce);
      return reduce(hn::BitCast(d, hn::InterleaveLower(d64, ab64, ce64)),
                    hn::BitCast(d, hn::InterleaveUpper(d64, ab64, ce64)));
    };
    if constexpr (kLanes == 4) {
      return quad(0);
    } else {
      const auto two = [&](size_t g, size_t h) HWY_ATTR {
        const V a = quad(g), b = quad(h);
        return reduce(hn::ConcatLowerLower(d, b, a), hn::ConcatUpperUpper(d, b, a));
      };
      if constexpr (kLanes == 8) {
        return two(0, 4);
      } else {
        static_assert(kLanes == 16);
        const V a = two(0, 8), b = two(4, 12);  // two blocks each of groups 0 and 8, 4 and 12
        return reduce(hn::OddEvenBlocks(hn::SwapAdjacentBlocks(b), a), hn::OddEvenBlocks(b, hn::SwapAdjacentBlocks(a)));
      }
    }
#endif
  }
}

// Calls store(first group, lows, highs) for Lanes(d) groups at a time, and last(group, low, high) for single ones.
template <class D, class Store, class Last>
HWY_INLINE bool ForRanges(D d, const float* HWY_RESTRICT weights, size_t groups, size_t size, Store store, Last last) {
  using V = hn::Vec<D>;
  constexpr size_t kLanes = hn::MaxLanes(D());
  V bad0 = hn::Zero(d), bad1 = bad0;
  size_t g = 0;
  for (; g + kLanes <= groups; g += kLanes) {
    HWY_ALIGN float low[kLanes * kLanes], high[kLanes * kLanes];
    for (size_t i = 0; i < kLanes; ++i) {
      V group_low, group_high;
      RangeOfGroup(d, weights + (g + i) * size, size, group_low, group_high, bad0, bad1);
      hn::Store(group_low, d, low + i * kLanes);
      hn::Store(group_high, d, high + i * kLanes);
    }
    const auto lows = [&](size_t i) HWY_ATTR { return hn::Load(d, low + i * kLanes); };
    const auto highs = [&](size_t i) HWY_ATTR { return hn::Load(d, high + i * kLanes); };
    store(g, ReduceGroups(d, lows, [](V a, V b) HWY_ATTR { return hn::Min(a, b); }),
          ReduceGroups(d, highs, [](V a, V b) HWY_ATTR { return hn::Max(a, b); }));
  }
  for (; g < groups; ++g) {
    V low, high;
    RangeOfGroup(d, weights + g * size, size, low, high, bad0, bad1);
    last(g, hn::GetLane(hn::MinOfLanes(d, low)), hn::GetLane(hn::MaxOfLanes(d, high)));
  }
  const V bad = hn::MulAdd(hn::Add(bad0, bad1), hn::Zero(d), hn::Zero(d));  // NaN for infinities too
  return hn::AllTrue(d, hn::Eq(bad, bad)) || AllFinite(d, weights, groups * size);
}

template <class D>
HWY_INLINE bool GroupRangeRows(D d, const float* HWY_RESTRICT weights, size_t groups, size_t size,
                               float* HWY_RESTRICT min, float* HWY_RESTRICT max) {
  using V = hn::Vec<D>;
  return ForRanges(
      d, weights, groups, size,
      [&](size_t g, V low, V high) HWY_ATTR {
        hn::StoreU(low, d, min + g);
        hn::StoreU(high, d, max + g);
      },
      [&](size_t g, float low, float high) HWY_ATTR {
        min[g] = low;
        max[g] = high;
      });
}

template <class D>
HWY_INLINE bool GroupMaxAbsRows(D d, const float* HWY_RESTRICT weights, size_t groups, size_t size,
                                float* HWY_RESTRICT max_abs) {
  using V = hn::Vec<D>;
  return ForRanges(
      d, weights, groups, size,
      [&](size_t g, V low, V high) HWY_ATTR { hn::StoreU(hn::Max(hn::Abs(low), hn::Abs(high)), d, max_abs + g); },
      [&](size_t g, float low, float high) HWY_ATTR { max_abs[g] = HWY_MAX(std::fabs(low), std::fabs(high)); });
}

// The widest vectors that a group fills.
bool GroupRangeTarget(const float* weights, size_t groups, size_t size, float* min, float* max) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 4> d4;
  if (size >= hn::Lanes(d)) return GroupRangeRows(d, weights, groups, size, min, max);
  if (size >= hn::Lanes(d4)) return GroupRangeRows(d4, weights, groups, size, min, max);
  return GroupRangeRows(hn::CappedTag<float, 1>(), weights, groups, size, min, max);
}

bool GroupMaxAbsTarget(const float* weights, size_t groups, size_t size, float* max_abs) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 4> d4;
  if (size >= hn::Lanes(d)) return GroupMaxAbsRows(d, weights, groups, size, max_abs);
  if (size >= hn::Lanes(d4)) return GroupMaxAbsRows(d4, weights, groups, size, max_abs);
  return GroupMaxAbsRows(hn::CappedTag<float, 1>(), weights, groups, size, max_abs);
}

}  // namespace HWY_NAMESPACE
}  // namespace quantpress::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
