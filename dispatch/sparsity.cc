#include "dispatch/sparsity.h"

#include <algorithm>

namespace quantpress::dispatch {
namespace {

uint64_t CountNonZero(const float* weights, uint64_t count) {
  constexpr uint64_t kStep = 4096;  // 32-bit counters inside, which compilers vectorize
  uint64_t sum = 0;
  for (uint64_t i = 0; i < count; i += kStep) {
    const uint64_t n = std::min(kStep, count - i);
    uint32_t part = 0;
    for (uint64_t k = 0; k < n; ++k) part += static_cast<uint32_t>(weights[i + k] != 0.0f);
    sum += part;
  }
  return sum;
}

// Places at which one of `block` rows is not zero.
uint64_t CountPlaces(const float* weights, uint64_t length, uint64_t block) {
  constexpr uint64_t kStep = 1024;
  uint64_t sum = 0;
  for (uint64_t i = 0; i < length; i += kStep) {
    const uint64_t n = std::min(kStep, length - i);
    uint32_t any[kStep] = {};
    for (uint64_t row = 0; row < block; ++row) {
      const float* const at = weights + row * length + i;
      for (uint64_t k = 0; k < n; ++k) any[k] |= static_cast<uint32_t>(at[k] != 0.0f);
    }
    for (uint64_t k = 0; k < n; ++k) sum += any[k];
  }
  return sum;
}

}  // namespace

BlockCounts CountBlocks(const float* weights, uint64_t rows, uint64_t length, uint64_t block) {
  BlockCounts counts;
  counts.listed = CountNonZero(weights, rows * length);
  if (block == 1) {
    counts.covered = counts.blocks = counts.listed;
    return counts;
  }
  const uint64_t whole = rows / block * block;
  for (uint64_t row = 0; row < whole; row += block) counts.blocks += CountPlaces(weights + row * length, length, block);
  counts.covered = counts.blocks * block;
  const uint64_t left = CountNonZero(weights + whole * length, (rows - whole) * length);
  counts.covered += left;
  counts.blocks += left;
  return counts;
}

void StepCounts::AddGap(uint64_t gap) {
  for (int bits = kMinStepBits; bits <= kMaxStepBits; ++bits) fillers_[static_cast<size_t>(bits)] += Fillers(gap, bits);
}

void StepCounts::Append(const StepCounts& next) {
  if (next.count_ == 0) return;
  if (count_ == 0) {
    *this = next;
    return;
  }
  AddGap(next.first_ - last_);
  for (size_t bits = 0; bits < fillers_.size(); ++bits) fillers_[bits] += next.fillers_[bits];
  last_ = next.last_;
  count_ += next.count_;
}

uint64_t StepCounts::Entries(int step_bits) const {
  if (count_ == 0) return 0;
  return count_ + fillers_[static_cast<size_t>(step_bits)] + Fillers(first_, step_bits);
}

}  // namespace quantpress::dispatch
