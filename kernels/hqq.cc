#include "kernels/hqq.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/hqq.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "kernels/hqq-inl.h"
#include "kernels/target.h"

#if HWY_ONCE
namespace quantpress::kernels {

HWY_EXPORT(HqqSolveTarget);
HWY_EXPORT(HqqPowerTarget);

size_t HqqScratchFloats(const HqqShape& shape) { return HqqScratch::Floats(shape.groups); }

bool HqqSolve(const HqqShape& shape, const float* weights, float* scratch, float* min, float* scale, float* factor) {
  return QP_KERNEL(HqqSolveTarget)(shape, weights, scratch, min, scale, factor);
}

HqqRanges HqqGroupRanges(float* scratch, size_t groups) {
  const HqqScratch solved(scratch, groups);
  return {solved.min, solved.max};
}

void HqqPower(const float* x, size_t count, float* power) {
  QP_KERNEL(HqqPowerTarget)(x, count, power);
}

}  // namespace quantpress::kernels
#endif
