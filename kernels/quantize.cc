#include "kernels/quantize.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/quantize.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "kernels/quantize-inl.h"
#include "kernels/target.h"

#if HWY_ONCE
namespace quantpress::kernels {

HWY_EXPORT(QuantizeMinMaxTarget);
HWY_EXPORT(QuantizeHqqTarget);
HWY_EXPORT(ScalesTarget);
HWY_EXPORT(QuantizeByInverseTarget);

void SymmetricScales(int bits, const float* max_abs, size_t groups, float* scale) {
  QP_KERNEL(ScalesTarget)(static_cast<float>(CodeMax(bits)), nullptr, max_abs, groups, scale);
}

void AsymmetricScales(int bits, const float* min, const float* max, size_t groups, float* scale) {
  QP_KERNEL(ScalesTarget)(static_cast<float>(MaxIndex(bits)), min, max, groups, scale);
}

void QuantizeSymmetric(const GroupShape& shape, const float* weights, const float* scale, uint8_t* indexes) {
  QP_KERNEL(QuantizeMinMaxTarget)(shape, weights, nullptr, scale, indexes);
}

void QuantizeAsymmetric(const GroupShape& shape, const float* weights, const float* min, const float* scale,
                        uint8_t* indexes) {
  QP_KERNEL(QuantizeMinMaxTarget)(shape, weights, min, scale, indexes);
}

void QuantizeHqq(const GroupShape& shape, const float* weights, const float* min, const float* scale,
                 const float* factor, uint8_t* indexes) {
  QP_KERNEL(QuantizeHqqTarget)(shape, weights, min, scale, factor, indexes);
}

void QuantizeByInverse(const float* weights, size_t count, float inverse, int low, int high, uint8_t* indexes) {
  HWY_DYNAMIC_DISPATCH(QuantizeByInverseTarget)(weights, count, inverse, low, high, indexes);
}

}  // namespace quantpress::kernels
#endif
