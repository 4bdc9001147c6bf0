#if defined(QUANTPRESS_KERNELS_GROUP_RANGE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANTPRESS_KERNELS_GROUP_RANGE_INL_H_
#undef QUANTPRESS_KERNELS_GROUP_RANGE_INL_H_
#else
#define QUANTPRESS_KERNELS_GROUP_RANGE_INL_H_
#endif

#include <cstddef>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace quantpress::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// One group of at least Lanes(d) weights. `bad` becomes NaN if a weight is not finite: 0 * infinity and 0 * NaN are NaN,
// and min/max alone would lose a NaN on some targets. (It decides, it is not written: a fused step is fine.)
template <class D, class V = hn::Vec<D>>
HWY_INLINE void RangeOfGroup(D d, const float* HWY_RESTRICT weights, size_t size, V& min, V& max, V& bad) {
  const size_t lanes = hn::Lanes(d);
  const V zero = hn::Zero(d);
  V min0 = hn::LoadU(d, weights), max0 = min0, bad0 = zero;
  V min1 = min0, max1 = max0, bad1 = zero;
  size_t i = 0;
  for (; i + 2 * lanes <= size; i += 2 * lanes) {
    const V a = hn::LoadU(d, weights + i), b = hn::LoadU(d, weights + i + lanes);
    min0 = hn::Min(min0, a);
    min1 = hn::Min(min1, b);
    max0 = hn::Max(max0, a);
    max1 = hn::Max(max1, b);
    bad0 = hn::MulAdd(a, zero, bad0);
    bad1 = hn::MulAdd(b, zero, bad1);
  }
  // What is left, with vectors that may overlap what was seen.
  while (i < size) {
    const size_t at = i + lanes <= size ? i : size - lanes;
    const V a = hn::LoadU(d, weights + at);
    min0 = hn::Min(min0, a);
    max0 = hn::Max(max0, a);
    bad0 = hn::MulAdd(a, zero, bad0);
    i = at + lanes;
  }
  min = hn::Min(min0, min1);
  max = hn::Max(max0, max1);
  bad = hn::Add(bad, hn::Add(bad0, bad1));
}

template <class D>
HWY_INLINE bool GroupRangeRows(D d, const float* HWY_RESTRICT weights, size_t groups, size_t size,
                               float* HWY_RESTRICT min, float* HWY_RESTRICT max) {
  using V = hn::Vec<D>;
  V bad = hn::Zero(d);
  for (size_t g = 0; g < groups; ++g) {
    V low, high;
    RangeOfGroup(d, weights + g * size, size, low, high, bad);
    min[g] = hn::GetLane(hn::MinOfLanes(d, low));
    max[g] = hn::GetLane(hn::MaxOfLanes(d, high));
  }
  return hn::AllTrue(d, hn::Eq(bad, bad));
}

template <class D>
HWY_INLINE bool GroupMaxAbsRows(D d, const float* HWY_RESTRICT weights, size_t groups, size_t size,
                                float* HWY_RESTRICT max_abs) {
  using V = hn::Vec<D>;
  V bad = hn::Zero(d);
  for (size_t g = 0; g < groups; ++g) {
    V low, high;
    RangeOfGroup(d, weights + g * size, size, low, high, bad);
    max_abs[g] = hn::GetLane(hn::MaxOfLanes(d, hn::Max(hn::Abs(low), hn::Abs(high))));
  }
  return hn::AllTrue(d, hn::Eq(bad, bad));
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
