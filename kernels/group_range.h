// Minimum, maximum and largest magnitude of each group of weights, and whether all are finite.
#ifndef QUANTPRESS_KERNELS_GROUP_RANGE_H_
#define QUANTPRESS_KERNELS_GROUP_RANGE_H_

#include <cstddef>

namespace quantpress::kernels {

// min[g], max[g] of weights[g * group_size .. + group_size), group_size >= 1. False if any weight is NaN or infinite; the
// outputs are unspecified then. The sign of a minimum or maximum that is zero is unspecified.
bool GroupRange(const float* weights, size_t groups, size_t group_size, float* min, float* max);

// The same for the largest |weight|.
bool GroupMaxAbs(const float* weights, size_t groups, size_t group_size, float* max_abs);

}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_GROUP_RANGE_H_
