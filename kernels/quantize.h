// Group scales, and weights to index bytes (one byte per weight, code - CodeMin(bits)). Formulas: docs/numerics.md.
#ifndef QUANTPRESS_KERNELS_QUANTIZE_H_
#define QUANTPRESS_KERNELS_QUANTIZE_H_

#include <cstddef>
#include <cstdint>

#include "kernels/types.h"

namespace quantpress::kernels {

// At or below this scale a min-max group is not resolved: every code is the one that decodes to 0 (symmetric) or to the
// minimum (asymmetric).
inline constexpr float kMinScale = 1e-6f;

// scale[g] = max_abs[g] / CodeMax(bits).
void SymmetricScales(int bits, const float* max_abs, size_t groups, float* scale);

// scale[g] = (max[g] - min[g]) / MaxIndex(bits). Where max - min is beyond the floats: max / MaxIndex - min / MaxIndex.
void AsymmetricScales(int bits, const float* min, const float* max, size_t groups, float* scale);

struct GroupShape {
  int bits;
  size_t groups;
  size_t group_size;
  // The scales (and minima) are not exactly those that the functions above give for these weights, so that quotients may
  // fall outside the code range.
  bool rounded_scales = false;
  // Weights that are read after these, as many or more: fetched into the cache on the way, since quantizing cached weights waits for
  // arithmetic and leaves the memory idle. Null: nothing.
  const float* next = nullptr;
};

// index = clamp(round(w / scale), qmin, qmax) - qmin, or -qmin where scale <= kMinScale. Finite weights, scale >= 0.
void QuantizeSymmetric(const GroupShape& shape, const float* weights, const float* scale, uint8_t* indexes);

// index = clamp(round((w - min) / scale) + qmin, qmin, qmax) - qmin, or 0 where scale <= kMinScale. Where w - min
// overflows the quotient is w / scale - min / scale. Finite weights and minima, scale >= 0.
void QuantizeAsymmetric(const GroupShape& shape, const float* weights, const float* min, const float* scale,
                        uint8_t* indexes);

// index = clamp(round((w - min) * |factor| + qmin), qmin, qmax) - qmin with factor as HqqSolve gave it; groups whose factor
// is 0 are coded as QuantizeAsymmetric does.
void QuantizeHqq(const GroupShape& shape, const float* weights, const float* min, const float* scale,
                 const float* factor, uint8_t* indexes);

// index = clamp(round(w * inverse), low, high) + 128, with 8-bit codes low <= high. Finite weights and inverse.
void QuantizeByInverse(const float* weights, size_t count, float inverse, int low, int high, uint8_t* indexes);

}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_QUANTIZE_H_
