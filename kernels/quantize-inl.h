#if defined(QUANTPRESS_KERNELS_QUANTIZE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANTPRESS_KERNELS_QUANTIZE_INL_H_
#undef QUANTPRESS_KERNELS_QUANTIZE_INL_H_
#else
#define QUANTPRESS_KERNELS_QUANTIZE_INL_H_
#endif

#include <cfloat>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/quantize.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace quantpress::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Every coder below maps a vector of weights to floats whose low byte is the index: kIntegerMagic + index.

// The formula itself: round((w - min) / scale), an exact division. Symmetric: min = 0.
template <class D>
struct DivideCoder {
  using V = hn::Vec<D>;
  V min, scale, low, high, bias;
  DivideCoder(D d, float group_min, float group_scale, float low_code, float high_code)
      : min(hn::Set(d, group_min)),
        scale(hn::Set(d, group_scale)),
        low(hn::Set(d, low_code)),
        high(hn::Set(d, high_code)),
        bias(hn::Set(d, kIntegerMagic - low_code)) {}
  HWY_INLINE V operator()(D d, V weights) const {
    return hn::Add(hn::Clamp(RoundHalfAway(d, hn::Div(hn::Sub(weights, min), scale)), low, high), bias);
  }
};

// The same where w - min may overflow, which needs a scale above 1e36.
template <class D>
struct WideCoder {
  using V = hn::Vec<D>;
  V min, scale, low, high, bias;
  WideCoder(D d, float group_min, float group_scale, float high_code)
      : min(hn::Set(d, group_min)),
        scale(hn::Set(d, group_scale)),
        low(hn::Zero(d)),
        high(hn::Set(d, high_code)),
        bias(hn::Set(d, kIntegerMagic)) {}
  HWY_INLINE V operator()(D d, V weights) const {
    const V distance = hn::Sub(weights, min);
    const V apart = hn::Sub(hn::Div(weights, scale), hn::Div(min, scale));
    const auto fits = hn::Le(hn::Abs(distance), hn::Set(d, FLT_MAX));
    return hn::Add(hn::Clamp(RoundHalfAway(d, hn::IfThenElse(fits, hn::Div(distance, scale), apart)), low, high), bias);
  }
};

// round((w - min) * factor + qmin): rounded after qmin was added, so halves go away from the zero of the signed code.
template <class D>
struct HqqCoder {
  using V = hn::Vec<D>;
  V min, factor, low, high, bias;
  HqqCoder(D d, float group_min, float group_factor, float low_code, float high_code)
      : min(hn::Set(d, group_min)),
        factor(hn::Set(d, group_factor)),
        low(hn::Set(d, low_code)),
        high(hn::Set(d, high_code)),
        bias(hn::Set(d, kIntegerMagic - low_code)) {}
  HWY_INLINE V operator()(D d, V weights) const {
    const V code = hn::Add(hn::Mul(hn::Sub(weights, min), factor), low);
    return hn::Add(hn::Clamp(RoundHalfAway(d, code), low, high), bias);
  }
};

// round(w * inverse). Clamping before rounding gives the same, since the bounds are integers, and keeps products that overflow out of
// the rounding.
template <class D>
struct ProductCoder {
  using V = hn::Vec<D>;
  V inverse, low, high, bias;
  ProductCoder(D d, float factor, int low_code, int high_code)
      : inverse(hn::Set(d, factor)),
        low(hn::Set(d, static_cast<float>(low_code))),
        high(hn::Set(d, static_cast<float>(high_code))),
        bias(hn::Set(d, kIntegerMagic - static_cast<float>(CodeMin(8)))) {}
  HWY_INLINE V operator()(D d, V weights) const {
    return hn::Add(RoundHalfAway(d, hn::Clamp(hn::Mul(weights, inverse), low, high)), bias);
  }
};

// Brings next[first .. first + count) to the second-level cache; null: nothing. (The first level holds what is worked on.)
HWY_INLINE void Fetch(const float* next, size_t first, size_t count) {
  if (next == nullptr) return;
  for (size_t i = first; i < first + count; i += 16) __builtin_prefetch(next + i, 0, 2);
}

template <class D, class Coder>
HWY_INLINE void CodeVectors(D d, const Coder& coder, const float* HWY_RESTRICT weights, size_t count,
                            uint8_t* HWY_RESTRICT indexes, [[maybe_unused]] const float* next = nullptr) {
  const hn::RebindToUnsigned<D> du;
  const size_t lanes = hn::Lanes(d);
  const auto code = [&](size_t i) HWY_ATTR { return hn::BitCast(du, coder(d, hn::LoadU(d, weights + i))); };
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(D()) >= 4) {
    const hn::Repartition<uint8_t, D> d8;
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
      Fetch(next, i, 4 * lanes);
      const auto bytes = LowBytes4(du, code(i), code(i + lanes), code(i + 2 * lanes), code(i + 3 * lanes));
      hn::StoreU(bytes, d8, indexes + i);
    }
  }
#endif
  while (i < count) {  // vectors that may overlap: `count` >= lanes
    const size_t at = i + lanes <= count ? i : count - lanes;
    StoreLowBytes(du, code(at), indexes + at);
    i = at + lanes;
  }
}

template <class D>
HWY_NOINLINE void CodeByDivision(D d, float min, float scale, float low_code, float high_code, const float* weights,
                                 size_t count, uint8_t* indexes) {
  CodeVectors(d, DivideCoder<D>(d, min, scale, low_code, high_code), weights, count, indexes);
}

// Whether any lane of two code vectors differs, collected over several.
template <class DU, class VU = hn::Vec<DU>>
HWY_INLINE bool AnyBit(DU du, VU differ) {
  return HWY_UNLIKELY(!hn::AllTrue(du, hn::Eq(differ, hn::Zero(du))));
}

// Division is the slowest instruction here, so most vectors do without. The quotient x = d / scale lies strictly between
// d * inverse * (1 - 2^-20) and d * inverse * (1 + 2^-20), and so does its float. Where both ends have the same nearest
// integer that is what x rounds to, whichever way halves go and whether or not the target fuses. Where they differ
// (a tie or close to one) the formula itself is evaluated. Needs a scale whose inverse is a normal float; below and above
// are the inverse times 1 -+ 2^-20. Without kClamp quotients must be in the code range.
template <bool kClamp, class D>
HWY_INLINE void CodeByInverse(D d, float group_min, float group_scale, float below_inverse, float above_inverse,
                              float low_code, float high_code, const float* HWY_RESTRICT weights, size_t count,
                              [[maybe_unused]] const float* next, uint8_t* HWY_RESTRICT indexes) {
  using V = hn::Vec<D>;
  const hn::RebindToUnsigned<D> du;
  using VU = hn::Vec<decltype(du)>;
  const size_t lanes = hn::Lanes(d);
  const V below = hn::Set(d, below_inverse), above = hn::Set(d, above_inverse);
  const V min = hn::Set(d, group_min), bias = hn::Set(d, kIntegerMagic - low_code);
  const V least = hn::Set(d, kIntegerMagic), most = hn::Set(d, kIntegerMagic + high_code - low_code);
  VU differ = hn::Zero(du);
  const auto code = [&](size_t i) HWY_ATTR {
    const V distance = hn::Sub(hn::LoadU(d, weights + i), min);
    V a = hn::MulAdd(distance, below, bias), b = hn::MulAdd(distance, above, bias);
    if constexpr (kClamp) {
      a = hn::Clamp(a, least, most);
      b = hn::Clamp(b, least, most);
    }
    const VU bits = hn::BitCast(du, a);
    differ = hn::Or(differ, hn::Xor(bits, hn::BitCast(du, b)));
    return bits;
  };
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(D()) >= 4) {
    const hn::Repartition<uint8_t, D> d8;
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
      Fetch(next, i, 4 * lanes);
      const VU v0 = code(i), v1 = code(i + lanes), v2 = code(i + 2 * lanes), v3 = code(i + 3 * lanes);
      hn::StoreU(LowBytes4(du, v0, v1, v2, v3), d8, indexes + i);
      if (AnyBit(du, differ)) {
        CodeByDivision(d, group_min, group_scale, low_code, high_code, weights + i, 4 * lanes, indexes + i);
        differ = hn::Zero(du);
      }
    }
  }
#endif
  while (i < count) {
    const size_t at = i + lanes <= count ? i : count - lanes;
    StoreLowBytes(du, code(at), indexes + at);
    if (AnyBit(du, differ)) {
      CodeByDivision(d, group_min, group_scale, low_code, high_code, weights + at, lanes, indexes + at);
      differ = hn::Zero(du);
    }
    i = at + lanes;
  }
}

// A group whose scale has no use for an inverse. low_code = qmin and min = 0 (symmetric) or low_code = 0 (asymmetric).
template <class D>
HWY_NOINLINE void CodeUnusualGroup(D d, float min, float scale, float low_code, float high_code, const float* weights,
                                   size_t count, uint8_t* indexes) {
  if (scale <= kMinScale) {
    std::memset(indexes, static_cast<int>(-low_code), count);
  } else if (low_code == 0.0f) {
    CodeVectors(d, WideCoder<D>(d, min, scale, high_code), weights, count, indexes);
  } else {
    CodeByDivision(d, min, scale, low_code, high_code, weights, count, indexes);
  }
}

HWY_INLINE bool HasInverse(float scale) { return HWY_LIKELY(scale > kMinScale && scale <= 1e36f); }

// 1 / scale times `factor`, for a few groups at a time so that the loop over groups does not wait for divisions.
inline constexpr size_t kInverseGroups = 64;
HWY_INLINE void Inverses(const float* HWY_RESTRICT scale, size_t groups, float* HWY_RESTRICT below,
                         float* HWY_RESTRICT above) {
  const hn::ScalableTag<float> d;
  const size_t lanes = hn::Lanes(d);
  HWY_ALIGN float padded[kInverseGroups] = {};
  std::memcpy(padded, scale, groups * sizeof(float));
  for (size_t g = 0; g < groups; g += lanes) {
    const auto inverse = hn::Div(hn::Set(d, 1.0f), hn::Load(d, padded + g));
    hn::Store(hn::Mul(inverse, hn::Set(d, 1.0f - 0x1p-20f)), d, below + g);
    hn::Store(hn::Mul(inverse, hn::Set(d, 1.0f + 0x1p-20f)), d, above + g);
  }
}

// Calls body(d) with the widest vectors that a group fills.
template <class Body>
HWY_INLINE void WithTagFor(size_t group_size, Body body) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 4> d4;
  if (group_size >= hn::Lanes(d)) {
    body(d);
  } else if (group_size >= hn::Lanes(d4)) {
    body(d4);
  } else {
    body(hn::CappedTag<float, 1>());
  }
}

template <bool kClamp, class D>
HWY_NOINLINE void MinMaxRows(D d, const GroupShape& shape, const float* HWY_RESTRICT weights,
                             const float* HWY_RESTRICT min, const float* HWY_RESTRICT scale, uint8_t* indexes) {
  const float low_code = min == nullptr ? static_cast<float>(CodeMin(shape.bits)) : 0.0f;
  const float high_code = static_cast<float>(min == nullptr ? CodeMax(shape.bits) : MaxIndex(shape.bits));
  const size_t size = shape.group_size;
  HWY_ALIGN float below[kInverseGroups], above[kInverseGroups];
  for (size_t first = 0; first < shape.groups; first += kInverseGroups) {
    const size_t groups = HWY_MIN(kInverseGroups, shape.groups - first);
    Inverses(scale + first, groups, below, above);
    for (size_t i = 0; i < groups; ++i) {
      const size_t g = first + i;
      const float group_min = min == nullptr ? 0.0f : min[g];
      const float* const next = shape.next == nullptr ? nullptr : shape.next + g * size;
      if (HasInverse(scale[g])) {
        CodeByInverse<kClamp>(d, group_min, scale[g], below[i], above[i], low_code, high_code, weights + g * size, size,
                              next, indexes + g * size);
      } else {
        CodeUnusualGroup(d, group_min, scale[g], low_code, high_code, weights + g * size, size, indexes + g * size);
      }
    }
  }
}

// min == nullptr: symmetric.
void QuantizeMinMaxTarget(const GroupShape& shape, const float* weights, const float* min, const float* scale,
                          uint8_t* indexes) {
  WithTagFor(shape.group_size, [&](auto d) HWY_ATTR {
    if (shape.rounded_scales) {
      MinMaxRows<true>(d, shape, weights, min, scale, indexes);
    } else {
      MinMaxRows<false>(d, shape, weights, min, scale, indexes);
    }
  });
}

// round((w - min) * factor + qmin) - qmin for widths up to 6, the same way: what is rounded differs from (w - min) * factor
// by the rounding of three operations on values below 2^bits, which is less than 2^(bits - 22) of it wherever it is at
// least 1/4. Indexes must be above -64 and below 192: bytes are clamped afterwards.
template <class D>
HWY_INLINE void CodeHqqNear(D d, int bits, float group_min, float group_factor, const float* HWY_RESTRICT weights,
                            size_t count, [[maybe_unused]] const float* next, uint8_t* HWY_RESTRICT indexes) {
  const float qmin = static_cast<float>(CodeMin(bits)), qmax = static_cast<float>(CodeMax(bits));
  const HqqCoder<D> exact(d, group_min, group_factor, qmin, qmax);
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  if constexpr (hn::MaxLanes(D()) >= 4) {
    using V = hn::Vec<D>;
    const hn::RebindToUnsigned<D> du;
    using VU = hn::Vec<decltype(du)>;
    const hn::Repartition<uint8_t, D> d8;
    const size_t lanes = hn::Lanes(d);
    const float slack = static_cast<float>(1 << bits) * 0x1p-22f;
    const V below = hn::Set(d, group_factor * (1.0f - slack)), above = hn::Set(d, group_factor * (1.0f + slack));
    const V min = hn::Set(d, group_min), bias = hn::Set(d, kIntegerMagic + 64.0f);
    VU differ = hn::Zero(du);
    const auto code = [&](size_t at) HWY_ATTR {
      const V distance = hn::Sub(hn::LoadU(d, weights + at), min);
      const VU a = hn::BitCast(du, hn::MulAdd(distance, below, bias));
      differ = hn::Or(differ, hn::Xor(a, hn::BitCast(du, hn::MulAdd(distance, above, bias))));
      return a;
    };
    for (; i + 4 * lanes <= count; i += 4 * lanes) {
      Fetch(next, i, 4 * lanes);
      const VU v0 = code(i), v1 = code(i + lanes), v2 = code(i + 2 * lanes), v3 = code(i + 3 * lanes);
      const auto bytes = hn::SaturatedSub(LowBytes4(du, v0, v1, v2, v3), hn::Set(d8, 64));
      hn::StoreU(hn::Min(bytes, hn::Set(d8, static_cast<uint8_t>(MaxIndex(bits)))), d8, indexes + i);
      if (AnyBit(du, differ)) {
        CodeVectors(d, exact, weights + i, 4 * lanes, indexes + i);
        differ = hn::Zero(du);
      }
    }
  }
#endif
  if (i < count) {
    const size_t at = HWY_MIN(i, count - hn::Lanes(d));
    CodeVectors(d, exact, weights + at, count - at, indexes + at);
  }
}

template <class D>
HWY_NOINLINE void HqqRows(D d, const GroupShape& shape, const float* HWY_RESTRICT weights, const float* min,
                          const float* scale, const float* factor, uint8_t* indexes) {
  const float qmin = static_cast<float>(CodeMin(shape.bits)), qmax = static_cast<float>(CodeMax(shape.bits));
  const size_t size = shape.group_size;
  const bool near = !shape.rounded_scales && shape.bits <= 6;
  for (size_t g = 0; g < shape.groups; ++g) {
    const float* const from = weights + g * size;
    uint8_t* const to = indexes + g * size;
    const float* const next = shape.next == nullptr ? nullptr : shape.next + g * size;
    if (near && HWY_LIKELY(factor[g] > 0.0f)) {
      CodeHqqNear(d, shape.bits, min[g], factor[g], from, size, next, to);
    } else if (factor[g] != 0.0f) {
      const float positive = factor[g] > 0.0f ? factor[g] : -factor[g];
      CodeVectors(d, HqqCoder<D>(d, min[g], positive, qmin, qmax), from, size, to, next);
    } else if (HasInverse(scale[g])) {
      CodeByDivision(d, min[g], scale[g], 0.0f, qmax - qmin, from, size, to);
    } else {
      CodeUnusualGroup(d, min[g], scale[g], 0.0f, qmax - qmin, from, size, to);
    }
  }
}

void QuantizeHqqTarget(const GroupShape& shape, const float* weights, const float* min, const float* scale,
                       const float* factor, uint8_t* indexes) {
  WithTagFor(shape.group_size,
             [&](auto d) HWY_ATTR { HqqRows(d, shape, weights, min, scale, factor, indexes); });
}

template <class D>
HWY_INLINE void ScaleVectors(D d, float levels, const float* min, const float* max, size_t groups, float* scale) {
  const size_t lanes = hn::Lanes(d);
  const auto divisor = hn::Set(d, levels);
  for (size_t g = 0; g + lanes <= groups; g += lanes) {
    const auto high = hn::LoadU(d, max + g);
    if (min == nullptr) {
      hn::StoreU(hn::Div(high, divisor), d, scale + g);
    } else {
      const auto low = hn::LoadU(d, min + g);
      const auto range = hn::Sub(high, low);
      const auto apart = hn::Sub(hn::Div(high, divisor), hn::Div(low, divisor));
      const auto fits = hn::Le(range, hn::Set(d, FLT_MAX));
      hn::StoreU(hn::IfThenElse(fits, hn::Div(range, divisor), apart), d, scale + g);
    }
  }
}

void ScalesTarget(float levels, const float* min, const float* max, size_t groups, float* scale) {
  const hn::ScalableTag<float> d;
  const size_t whole = groups - groups % hn::Lanes(d);
  ScaleVectors(d, levels, min, max, whole, scale);
  ScaleVectors(hn::CappedTag<float, 1>(), levels, min == nullptr ? nullptr : min + whole, max + whole, groups - whole,
               scale + whole);
}

void QuantizeByInverseTarget(const float* weights, size_t count, float inverse, int low, int high, uint8_t* indexes) {
  if (count == 0) return;
  WithTagFor(count, [&](auto d) HWY_ATTR {
    CodeVectors(d, ProductCoder<decltype(d)>(d, inverse, low, high), weights, count, indexes);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace quantpress::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
