// The vocabulary of the kernels: what a group is, how many codes a width has, in which order bits are packed.
#ifndef QUANTPRESS_KERNELS_TYPES_H_
#define QUANTPRESS_KERNELS_TYPES_H_

#include <cstddef>
#include <cstdint>

namespace quantpress::kernels {

// Widths that the MNN runtime can decode.
inline constexpr int kMinBits = 2;
inline constexpr int kMaxBits = 8;

// Signed codes run from CodeMin(b) to CodeMax(b); what is packed is the index code - CodeMin(b), 0 .. 2^b - 1.
constexpr int CodeMin(int bits) { return -(1 << (bits - 1)); }
constexpr int CodeMax(int bits) { return (1 << (bits - 1)) - 1; }
constexpr int MaxIndex(int bits) { return (1 << bits) - 1; }

// Bytes of `count` packed indexes. Indexes are packed most significant bit first in one stream without padding:
//   3 bit, indexes 0 7 4 3:   0001'1110 | 0011'....
constexpr size_t PackedBytes(size_t count, int bits) {
  return count / 8 * static_cast<size_t>(bits) + (count % 8 * static_cast<size_t>(bits) + 7) / 8;
}

}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_TYPES_H_
