// Half (IEEE binary16) and bfloat16 conversions. Widening is exact. Narrowing rounds to nearest, ties to even, also into
// and inside the denormal range of halves, and is the same bit pattern on every target.
#ifndef QUANTPRESS_KERNELS_HALF_H_
#define QUANTPRESS_KERNELS_HALF_H_

#include <bit>
#include <cstddef>
#include <cstdint>

namespace quantpress::kernels {

inline constexpr float kMaxHalf = 65504.0f;

// What becomes of a value whose rounding is beyond the largest half, infinities included.
enum class HalfOverflow : uint8_t {
  kInfinity,  // IEEE: infinity of the same sign
  kClamp,     // +-65504, as half weights in MNN files are stored
};

// One value; the definition that the vector code is tested against lives in tests/reference.
constexpr float FloatFromHalf(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t magnitude = half & 0x7FFF;
  if (magnitude >= 0x7C00) return std::bit_cast<float>(sign | 0x7F800000u | ((magnitude & 0x3FF) << 13));
  if (magnitude >= 0x0400) return std::bit_cast<float>(sign | ((magnitude << 13) + (112u << 23)));
  const float value = static_cast<float>(magnitude) * 0x1p-24f;  // exact
  return sign != 0 ? -value : value;
}

// NaN stays NaN (the top bits of its payload are kept, made quiet).
constexpr uint16_t HalfFromFloat(float value, HalfOverflow overflow = HalfOverflow::kClamp) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (bits >> 16) & 0x8000;
  uint32_t magnitude = bits & 0x7FFFFFFF;
  uint32_t half = 0;
  if (magnitude > 0x7F800000) {
    half = 0x7E00 | ((magnitude >> 13) & 0x3FF);
  } else if (magnitude >= 0x477FF000) {  // rounds to 65536 or more
    half = overflow == HalfOverflow::kClamp ? 0x7BFF : 0x7C00;
  } else if (magnitude >= 0x38800000) {  // 2^-14: a normal half
    half = (magnitude - (112u << 23) + 0xFFF + ((magnitude >> 13) & 1)) >> 13;
  } else {
    // Adding 0.5 makes the unit in the last place 2^-24, the smallest half, and the addition rounds to nearest even.
    half = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - 0x3F000000;
  }
  return static_cast<uint16_t>(sign | half);
}

constexpr float FloatFromBFloat16(uint16_t value) { return std::bit_cast<float>(static_cast<uint32_t>(value) << 16); }

// out[i] = in[i]; `in` and `out` must not overlap.
void HalfToFloat(const uint16_t* in, size_t count, float* out);
void BFloat16ToFloat(const uint16_t* in, size_t count, float* out);
void FloatToHalf(const float* in, size_t count, HalfOverflow overflow, uint16_t* out);

}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_HALF_H_
