// Index bytes to the packed stream of types.h (most significant bit first, no padding) and back. Widths 1 to 8.
#ifndef QUANTPRESS_KERNELS_PACK_H_
#define QUANTPRESS_KERNELS_PACK_H_

#include <cstddef>
#include <cstdint>

#include "kernels/types.h"

namespace quantpress::kernels {

// Packs `count` indexes (each below 2^bits) to PackedBytes(count, bits) bytes; unused bits of the last byte are 0.
void PackIndexes(int bits, const uint8_t* indexes, size_t count, uint8_t* packed);

// Indexes first .. first + count of the stream. Reads only the bytes that hold them.
void UnpackIndexes(int bits, const uint8_t* packed, size_t first, size_t count, uint8_t* indexes);

}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_PACK_H_
