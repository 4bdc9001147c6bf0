#include "kernels/finite.h"

#include <bit>
#include <cfloat>

namespace quantpress::kernels {
namespace {
uint32_t Magnitude(float value) { return std::bit_cast<uint32_t>(value) & 0x7FFFFFFF; }
}  // namespace

size_t FindNonFinite(const float* values, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (Magnitude(values[i]) >= 0x7F800000) return i;
  }
  return kNoNonFinite;
}

size_t ReplaceNonFinite(float* values, size_t count, NonFinitePolicy policy) {
  size_t changed = 0;
  for (size_t i = 0; i < count; ++i) {
    const uint32_t magnitude = Magnitude(values[i]);
    if (magnitude < 0x7F800000) continue;
    if (policy == NonFinitePolicy::kZero || magnitude > 0x7F800000) {
      values[i] = 0.0f;
    } else {
      values[i] = values[i] > 0.0f ? FLT_MAX : -FLT_MAX;
    }
    ++changed;
  }
  return changed;
}

void FlushDenormals(float* values, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    if (Magnitude(values[i]) < 0x00800000) values[i] = 0.0f;
  }
}

}  // namespace quantpress::kernels
