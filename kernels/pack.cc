#include "kernels/pack.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/pack.cc"
#include "hwy/foreach_target.h"
// After foreach_target.
#include "kernels/pack-inl.h"
#include "kernels/target.h"

#if HWY_ONCE
namespace quantpress::kernels {

HWY_EXPORT(PackTarget);
HWY_EXPORT(UnpackTarget);

void PackIndexes(int bits, const uint8_t* indexes, size_t count, uint8_t* packed) {
  if (count > 0) QP_KERNEL(PackTarget)(bits, indexes, count, packed);
}

void UnpackIndexes(int bits, const uint8_t* packed, size_t first, size_t count, uint8_t* indexes) {
  const size_t width = static_cast<size_t>(bits);
  const uint8_t* byte = packed + first / 8 * width + first % 8 * width / 8;
  size_t shift = first % 8 * width % 8;
  // Up to the next index that starts a byte.
  for (; count > 0 && shift != 0; --count) {
    uint32_t window = static_cast<uint32_t>(byte[0]) << 8;
    if (shift + width > 8) window |= byte[1];
    *indexes++ = static_cast<uint8_t>(window >> (16 - shift - width) & ((1u << bits) - 1));
    shift += width;
    byte += shift / 8;
    shift %= 8;
  }
  if (count > 0) QP_KERNEL(UnpackTarget)(bits, byte, count, indexes);
}

}  // namespace quantpress::kernels
#endif
