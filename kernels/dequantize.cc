#include "kernels/dequantize.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/dequantize.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "kernels/dequantize-inl.h"
#include "kernels/target.h"

#if HWY_ONCE
namespace quantpress::kernels {

HWY_EXPORT(DequantizeIndexesTarget);
HWY_EXPORT(DequantizeInt8Target);

void DequantizeIndexes(const uint8_t* indexes, int bias, size_t groups, size_t group_size, const float* scale,
                       const float* offset, float* out) {
  QP_KERNEL(DequantizeIndexesTarget)(indexes, bias, groups, group_size, scale, offset, out);
}

void DequantizeInt8(const int8_t* codes, size_t groups, size_t group_size, const float* scale, const float* offset,
                    float* out) {
  QP_KERNEL(DequantizeInt8Target)(codes, groups, group_size, scale, offset, out);
}

}  // namespace quantpress::kernels
#endif
