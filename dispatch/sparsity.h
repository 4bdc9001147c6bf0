// Zeros in weights: counting them, and lists of what is not zero.
#ifndef QUANTPRESS_DISPATCH_SPARSITY_H_
#define QUANTPRESS_DISPATCH_SPARSITY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace quantpress::dispatch {

// ---- Zeros in blocks of output channels

struct BlockCounts {
  uint64_t listed = 0;   // weights that are not zero
  uint64_t covered = 0;  // weights in blocks that are not all zero
  uint64_t blocks = 0;   // such blocks

  void Add(const BlockCounts& other) {
    listed += other.listed;
    covered += other.covered;
    blocks += other.blocks;
  }
};

// Counts in `rows` rows of `length` weights. A block is the weights of `block` neighbouring rows at one place of the row; rows that are
// left over at the end are blocks of one weight each. -0 is zero, NaN is not. Precondition: block > 0.
BlockCounts CountBlocks(const float* weights, uint64_t rows, uint64_t length, uint64_t block);

// ---- Lists of codes (section 3.2 of the format)

inline constexpr int kMinStepBits = 2;
inline constexpr int kMaxStepBits = 8;

// How many entries the list of some codes has, for every width of a step. An entry is a step from the position before and a code; a gap
// that does not fit the step is crossed by entries that store the code of zero. Lists of neighbouring runs can be added in order.
class StepCounts {
 public:
  // Entries that cross a gap before the entry itself, with steps of `bits` bits.
  static constexpr uint64_t Fillers(uint64_t gap, int bits) {
    const uint64_t largest = (uint64_t{1} << bits) - 1;
    return gap == 0 ? 0 : (gap - 1) / largest;
  }

  // The next code that is not zero is at `position`: positions ascend.
  void List(uint64_t position) {
    if (count_ == 0) {
      first_ = position;
    } else {
      AddGap(position - last_);
    }
    last_ = position;
    ++count_;
  }

  // `next` counts positions behind all of these.
  void Append(const StepCounts& next);

  // Entries in all, where the position before the first one is 0.
  uint64_t Entries(int step_bits) const;

 private:
  void AddGap(uint64_t gap);

  uint64_t count_ = 0;
  uint64_t first_ = 0, last_ = 0;
  std::array<uint64_t, kMaxStepBits + 1> fillers_{};  // by width, in gaps between listed codes
};

// Values of fixed width, most significant bit first, in pieces that are written when they are full.
class BitStream {
 public:
  void Put(uint32_t value, int bits) {
    held_ = held_ << bits | value;
    count_ += bits;
    while (count_ >= 8) {
      count_ -= 8;
      bytes_.push_back(static_cast<uint8_t>(held_ >> count_));
    }
  }
  // Fills the last byte with zeros.
  void Finish() {
    if (count_ > 0) Put(0, 8 - count_);
  }
  // Whole bytes that were put since the last Clear().
  std::span<const uint8_t> bytes() const { return bytes_; }
  void Clear() { bytes_.clear(); }

 private:
  std::vector<uint8_t> bytes_;
  uint64_t held_ = 0;
  int count_ = 0;
};

}  // namespace quantpress::dispatch

#endif  // QUANTPRESS_DISPATCH_SPARSITY_H_
