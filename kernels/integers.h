// Integer codes to floats: out[i] = (in[i] - zero) * scale, the subtraction in integers, one float32 multiplication.
#ifndef QUANTPRESS_KERNELS_INTEGERS_H_
#define QUANTPRESS_KERNELS_INTEGERS_H_

#include <cstddef>
#include <cstdint>

namespace quantpress::kernels {

// `zero` must be in -2^23 .. 2^23 so that the difference is exact in float32.
void Int8ToFloat(const int8_t* in, size_t count, float scale, int32_t zero, float* out);
void UInt8ToFloat(const uint8_t* in, size_t count, float scale, int32_t zero, float* out);

}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_INTEGERS_H_
