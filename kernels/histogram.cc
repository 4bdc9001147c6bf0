#include "kernels/histogram.h"

#include <bit>

namespace quantpress::kernels {
namespace {

constexpr int kDroppedBits = 32 - kValueBinBits;
constexpr size_t kNegative = kValueBins / 2;

size_t BinOf(float value) { return std::bit_cast<uint32_t>(value) >> kDroppedBits; }

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

size_t Histograms::Add(const float* values, const float* decoded_values, const uint8_t* indexes, size_t count) {
  size_t i = 0;
  for (; i < count; i += stride) {
    ++weights[BinOf(values[i])];
    if (decoded_values != nullptr) ++decoded[BinOf(decoded_values[i])];
    if (indexes != nullptr) ++codes[indexes[i]];
  }
  return i;
}

size_t Histograms::AddCoded(const float* values, const CodedGroups& coded, size_t first) {
  const size_t count = coded.groups * coded.size;
  size_t i = first;
  for (size_t group = 0, end = coded.size; i < count; i += stride) {
    while (i >= end) ++group, end += coded.size;
    const float product = static_cast<float>(coded.indexes[i] + coded.bias) * coded.scale[group];
    ++weights[BinOf(values[i])];
    ++decoded[BinOf(coded.offset != nullptr ? product + coded.offset[group] : product)];
    ++codes[coded.indexes[i]];
  }
  return i;
}

void Histograms::Merge(const Histograms& other) {
  AddCounts(other.codes, &codes);
  AddCounts(other.weights, &weights);
  AddCounts(other.decoded, &decoded);
}

}  // namespace quantpress::kernels
