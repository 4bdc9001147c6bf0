#include "kernels/half.h"

namespace quantpress::kernels {

void HalfToFloat(const uint16_t* in, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) out[i] = FloatFromHalf(in[i]);
}
void BFloat16ToFloat(const uint16_t* in, size_t count, float* out) {
  for (size_t i = 0; i < count; ++i) out[i] = FloatFromBFloat16(in[i]);
}
void FloatToHalf(const float* in, size_t count, HalfOverflow overflow, uint16_t* out) {
  for (size_t i = 0; i < count; ++i) out[i] = HalfFromFloat(in[i], overflow);
}

}  // namespace quantpress::kernels
