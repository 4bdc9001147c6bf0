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
  // Copies, since the compiler must assume that counting changes what `coded` is a reference to.
  const auto [indexes, bias, groups, size, scale, offset] = coded;
  const size_t count = groups * size, step = stride;
  // i * inverse >> 32 is i / size: rounding the inverse up adds less than i * size / 2^32 < 1 / size.
  static_assert(kErrorStatsPiece <= 4096);
  const uint64_t inverse = ((uint64_t{1} << 32) + size - 1) / size;
  size_t i = first;
  for (; i < count; i += step) {
    const size_t group = static_cast<size_t>(i * inverse >> 32);
    const uint8_t index = indexes[i];
    float value = static_cast<float>(index + bias) * scale[group];
    if (offset != nullptr) value += offset[group];
    ++weights[BinOf(values[i])];
    ++decoded[BinOf(value)];
    ++codes[index];
  }
  return i;
}

void Histograms::Merge(const Histograms& other) {
  AddCounts(other.codes, &codes);
  AddCounts(other.weights, &weights);
  AddCounts(other.decoded, &decoded);
}

}  // namespace quantpress::kernels
