#include "kernels/integers.h"

namespace quantpress::kernels {

void Int8ToFloat(const int8_t* in, size_t count, float scale, int32_t zero, float* out) {
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i] - zero) * scale;
}
void UInt8ToFloat(const uint8_t* in, size_t count, float scale, int32_t zero, float* out) {
  for (size_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i] - zero) * scale;
}

}  // namespace quantpress::kernels
