#if defined(QUANTPRESS_KERNELS_TRANSPOSE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANTPRESS_KERNELS_TRANSPOSE_INL_H_
#undef QUANTPRESS_KERNELS_TRANSPOSE_INL_H_
#else
#define QUANTPRESS_KERNELS_TRANSPOSE_INL_H_
#endif

#include <cstddef>

#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace quantpress::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

void TransposeTileTarget(const float* src, size_t src_stride, size_t rows, size_t cols, float* dst, size_t dst_stride) {
  const hn::ScalableTag<float> d;
  constexpr size_t kLanes = hn::MaxLanes(hn::ScalableTag<float>());
  size_t row = 0;
  if constexpr (kLanes > 1) {
    // As many source rows as a vector has lanes: each column of them is one store.
    for (; row + kLanes <= rows; row += kLanes) {
      const float* sources[kLanes];
      for (size_t i = 0; i < kLanes; ++i) sources[i] = src + (row + i) * src_stride;
      TransposeRows(d, sources, 0, cols,
                    [&](size_t col, hn::Vec<decltype(d)> values) HWY_ATTR { hn::StoreU(values, d, dst + col * dst_stride + row); });
    }
  }
  for (; row < rows; row += 16) {
    const size_t end = HWY_MIN(row + 16, rows);
    for (size_t col = 0; col < cols; ++col) {
      for (size_t r = row; r < end; ++r) dst[col * dst_stride + r] = src[r * src_stride + col];
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace quantpress::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
