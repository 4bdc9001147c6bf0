// Reads packed indexes one by one.
#ifndef QUANTPRESS_GRAPH_IMPORT_MNN_BIT_READER_H_
#define QUANTPRESS_GRAPH_IMPORT_MNN_BIT_READER_H_

#include <cstdint>

#include "graph/ir/bytes.h"

namespace quantpress::graph {

// Numbers of fixed width, most significant bit first.
class BitReader {
 public:
  BitReader(const Bytes& bytes, uint64_t first_bit) : data_(bytes.data), size_(bytes.size), at_(first_bit) {}

  // Precondition: `bits` is at most 16, and they lie inside.
  uint32_t Take(int bits) {
    const uint64_t byte = at_ / 8;
    uint32_t window = 0;
    for (uint64_t i = byte; i < byte + 3; ++i) window = window << 8 | (i < size_ ? data_[i] : 0u);
    const int behind = 24 - static_cast<int>(at_ % 8) - bits;
    at_ += static_cast<uint64_t>(bits);
    return window >> behind & ((1u << bits) - 1);
  }

 private:
  const uint8_t* data_;
  uint64_t size_;
  uint64_t at_;
};

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IMPORT_MNN_BIT_READER_H_
