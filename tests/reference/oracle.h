// A slow second opinion: weight coding written from the description of the format, one weight at a time, sharing nothing
// with the kernels. What the kernels write must equal it bit for bit.
#ifndef QUANTPRESS_TESTS_REFERENCE_ORACLE_H_
#define QUANTPRESS_TESTS_REFERENCE_ORACLE_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace quantpress::reference {

enum class Method { kSymmetric, kAsymmetric, kHqq };

struct Coded {
  std::vector<uint8_t> packed;
  std::vector<float> alpha;         // scales, or pairs min, scale
  std::vector<uint16_t> half_alpha;  // the same as halves, if half scales were asked for
  std::vector<int> codes;           // signed
};

Coded Quantize(Method method, int bits, bool half_scales, const std::vector<float>& weights, size_t groups,
               size_t group_size);

// Decodes as the 3.x loader: code * scale, or code * scale + (min - qmin * scale).
std::vector<float> Dequantize(Method method, int bits, bool half_scales, const Coded& coded, size_t groups,
                              size_t group_size);

std::vector<uint8_t> PackBits(const std::vector<int>& indexes, int bits);
std::vector<int> UnpackBits(const std::vector<uint8_t>& packed, int bits, size_t first, size_t count);

double HalfValue(uint16_t half);                   // infinities and NaN included
uint16_t NearestHalf(float value, bool clamp);     // ties to even, by search

}  // namespace quantpress::reference

#endif  // QUANTPRESS_TESTS_REFERENCE_ORACLE_H_
