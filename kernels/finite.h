// Values that must not reach a quantizer: NaN and infinities; and denormals, which MNN stores as zero.
#ifndef QUANTPRESS_KERNELS_FINITE_H_
#define QUANTPRESS_KERNELS_FINITE_H_

#include <cstddef>
#include <cstdint>

namespace quantpress::kernels {

inline constexpr size_t kNoNonFinite = SIZE_MAX;

// Index of the first NaN or infinity, or kNoNonFinite.
size_t FindNonFinite(const float* values, size_t count);

enum class NonFinitePolicy : uint8_t {
  kZero,   // NaN and infinities become 0
  kClamp,  // infinities become +-FLT_MAX, NaN becomes 0
};

// Replaces what is not finite, in place; returns how many values changed.
size_t ReplaceNonFinite(float* values, size_t count, NonFinitePolicy policy);

// |x| < FLT_MIN becomes +0, in place (-0 as well). NaN and infinities stay.
void FlushDenormals(float* values, size_t count);

}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_FINITE_H_
