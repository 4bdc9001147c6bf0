#if defined(QUANTPRESS_KERNELS_DEQUANTIZE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANTPRESS_KERNELS_DEQUANTIZE_INL_H_
#undef QUANTPRESS_KERNELS_DEQUANTIZE_INL_H_
#else
#define QUANTPRESS_KERNELS_DEQUANTIZE_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace quantpress::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <bool kOffset, class D, class T>
HWY_INLINE void DequantizeVectors(D d, const T* HWY_RESTRICT codes, int bias, size_t count, float scale, float offset,
                                  float* HWY_RESTRICT out) {
  const hn::RebindToSigned<D> di;
  const hn::Rebind<T, D> d8;
  const auto s = hn::Set(d, scale), m = hn::Set(d, offset);
  const auto b = hn::Set(di, bias);
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    const auto code = hn::Add(hn::PromoteTo(di, hn::LoadU(d8, codes + i)), b);
    auto value = hn::Mul(hn::ConvertTo(d, code), s);
    if constexpr (kOffset) value = hn::Add(value, m);
    hn::StoreU(value, d, out + i);
  }
}

template <bool kOffset, class T>
HWY_INLINE void DequantizeGroups(const T* codes, int bias, size_t groups, size_t size, const float* scale,
                                 const float* offset, float* out) {
  const hn::ScalableTag<float> d;
  const size_t whole = size - size % hn::Lanes(d);
  for (size_t g = 0; g < groups; ++g) {
    const float m = kOffset ? offset[g] : 0.0f;
    const T* HWY_RESTRICT from = codes + g * size;
    float* HWY_RESTRICT to = out + g * size;
    DequantizeVectors<kOffset>(d, from, bias, whole, scale[g], m, to);
    for (size_t i = whole; i < size; ++i) {
      const float product = static_cast<float>(from[i] + bias) * scale[g];
      to[i] = kOffset ? product + m : product;
    }
  }
}

template <class T>
HWY_INLINE void Dequantize(const T* codes, int bias, size_t groups, size_t size, const float* scale,
                           const float* offset, float* out) {
  if (offset != nullptr) {
    DequantizeGroups<true>(codes, bias, groups, size, scale, offset, out);
  } else {
    DequantizeGroups<false>(codes, bias, groups, size, scale, offset, out);
  }
}

void DequantizeIndexesTarget(const uint8_t* codes, int bias, size_t groups, size_t size, const float* scale,
                             const float* offset, float* out) {
  Dequantize(codes, bias, groups, size, scale, offset, out);
}

void DequantizeInt8Target(const int8_t* codes, size_t groups, size_t size, const float* scale, const float* offset,
                          float* out) {
  Dequantize(codes, 0, groups, size, scale, offset, out);
}

}  // namespace HWY_NAMESPACE
}  // namespace quantpress::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
