#include "kernels/transpose.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/transpose.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "kernels/transpose-inl.h"
#include "kernels/target.h"

#if HWY_ONCE
namespace quantpress::kernels {

HWY_EXPORT(TransposeTileTarget);

void TransposeTile(const float* src, size_t src_stride, size_t rows, size_t cols, float* dst, size_t dst_stride) {
  QP_KERNEL(TransposeTileTarget)(src, src_stride, rows, cols, dst, dst_stride);
}

}  // namespace quantpress::kernels
#endif
