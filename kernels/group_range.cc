#include "kernels/group_range.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/group_range.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "kernels/group_range-inl.h"
#include "kernels/target.h"

#if HWY_ONCE
namespace quantpress::kernels {

HWY_EXPORT(GroupRangeTarget);
HWY_EXPORT(GroupMaxAbsTarget);

bool GroupRange(const float* weights, size_t groups, size_t group_size, float* min, float* max) {
  return QP_KERNEL(GroupRangeTarget)(weights, groups, group_size, min, max);
}

bool GroupMaxAbs(const float* weights, size_t groups, size_t group_size, float* max_abs) {
  return QP_KERNEL(GroupMaxAbsTarget)(weights, groups, group_size, max_abs);
}

}  // namespace quantpress::kernels
#endif
