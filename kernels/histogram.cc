#include "kernels/histogram.h"

#include <bit>

namespace quantpress::kernels {
namespace {

constexpr int kDroppedBits = 32 - kValueBinBits;
constexpr size_t kNegative = kValueBins / 2;

double StartOf(size_t magnitude_bin) {
  return static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(magnitude_bin << kDroppedBits)));
}

template <typename Counts>
void AddCounts(const Counts& from, Counts* to) {
  for (size_t i = 0; i < from.size(); ++i) (*to)[i] += from[i];
}

}  // namespace

ValueRange RangeOfBin(size_t bin) {
  if (bin < kNegative) return {StartOf(bin), StartOf(bin + 1)};
  return {-StartOf(bin - kNegative + 1), -StartOf(bin - kNegative)};
}

void CountValues(const float* values, size_t count, size_t stride, uint32_t* bins) {
  for (size_t i = 0; i < count; i += stride) ++bins[std::bit_cast<uint32_t>(values[i]) >> kDroppedBits];
}

void CountCodes(const uint8_t* indexes, size_t count, size_t stride, uint64_t* counts) {
  for (size_t i = 0; i < count; i += stride) ++counts[indexes[i]];
}

void Histograms::Merge(const Histograms& other) {
  AddCounts(other.codes, &codes);
  AddCounts(other.weights, &weights);
  AddCounts(other.decoded, &decoded);
}

}  // namespace quantpress::kernels
