// Half-quadratic quantization: the zero point of a group that makes |w - decoded|^0.7 small, as the reference converter
// finds it (20 iterations, scale fixed). Formulas and parity: docs/numerics.md.
#ifndef QUANTPRESS_KERNELS_HQQ_H_
#define QUANTPRESS_KERNELS_HQQ_H_

#include <cstddef>
#include <cstdint>

#include "kernels/types.h"

namespace quantpress::kernels {

inline constexpr int kHqqIterations = 20;
inline constexpr float kHqqMinScale = 1e-7f;

struct HqqShape {
  int bits;
  size_t groups;
  size_t group_size;
  // The scale is rounded to a half first, so that the zero point is the best one for the scale that is stored.
  bool half_scales = false;
};

// Floats of scratch that HqqSolve needs, at most about 140,000 + 8 * groups whatever group_size is.
size_t HqqScratchFloats(const HqqShape& shape);

// For each group: scale[g], min[g] (what index 0 decodes to) and factor[g] for QuantizeHqq: the reciprocal that codes are
// computed with; its negative where some indexes are 64 or more outside of the range before they are clamped; 0 where the
// iteration would leave the range of floats (max - min overflows, or weights are some 1e30 times larger than they differ),
// and min and scale are those of min-max quantization.
// False if a weight is NaN or infinite; outputs are unspecified then. With half_scales the results are not yet rounded.
bool HqqSolve(const HqqShape& shape, const float* weights, float* scratch, float* min, float* scale, float* factor);

// After HqqSolve: the smallest and the largest weight of each group, in its scratch memory. The sign of a zero is
// unspecified.
struct HqqRanges {
  const float* min;
  const float* max;
};
HqqRanges HqqGroupRanges(float* scratch, size_t groups);

// x^-0.3 for count floats >= 1e-8, as the shrink step computes it: in double precision with plain operations, rounded once,
// the same on every target. Exposed for measurements.
void HqqPower(const float* x, size_t count, float* power);

}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_HQQ_H_
