// Codes back to weights, as the MNN loader computes them.
#ifndef QUANTPRESS_KERNELS_DEQUANTIZE_H_
#define QUANTPRESS_KERNELS_DEQUANTIZE_H_

#include <cstddef>
#include <cstdint>

namespace quantpress::kernels {

// out = (byte + bias) * scale[g] + offset[g], product and sum each rounded to float32; without the sum where offset is
// null. `bias` is within -256 .. 256.
void DequantizeIndexes(const uint8_t* indexes, int bias, size_t groups, size_t group_size, const float* scale,
                       const float* offset, float* out);
// The same for signed codes, without a bias.
void DequantizeInt8(const int8_t* codes, size_t groups, size_t group_size, const float* scale, const float* offset,
                    float* out);

}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_DEQUANTIZE_H_
