#include "graph/export/fill_measure.h"

#include <algorithm>
#include <cstring>

#include "dispatch/error_stats.h"
#include "kernels/group_range.h"
#include "kernels/half.h"

namespace quantpress::graph {
namespace {

constexpr size_t kChunk = 4096;

void AddRange(const float* weights, size_t count, Measure* measure) {
  float smallest = 0, largest = 0;
  if (count == 0 || !kernels::GroupRange(weights, 1, count, &smallest, &largest)) return;
  measure->smallest = measure->ranged ? std::min(measure->smallest, smallest) : smallest;
  measure->largest = measure->ranged ? std::max(measure->largest, largest) : largest;
  measure->ranged = true;
}

// Index `i` of a stream of `bits` bits each, most significant bit first.
size_t IndexAt(std::span<const uint8_t> packed, int bits, size_t i) {
  const size_t at = i * static_cast<size_t>(bits), byte = at / 8;
  const unsigned next = byte + 1 < packed.size() ? packed[byte + 1] : 0u;
  const unsigned window = (static_cast<unsigned>(packed[byte]) << 8 | next) >> (16 - at % 8 - static_cast<size_t>(bits));
  return window & ((1u << bits) - 1);
}

float AlphaAt(std::span<const std::byte> alpha, bool half, size_t i) {
  if (half) {
    uint16_t bits = 0;
    std::memcpy(&bits, alpha.data() + i * sizeof(bits), sizeof(bits));
    return kernels::FloatFromHalf(bits);
  }
  float value = 0;
  std::memcpy(&value, alpha.data() + i * sizeof(value), sizeof(value));
  return value;
}

}  // namespace

void AddCodes(const dispatch::WeightPlan& plan, const float* weights, size_t count, std::span<const uint8_t> packed,
              std::span<const std::byte> alpha, Measure* measure) {
  AddRange(weights, count, measure);
  kernels::Histograms& histograms = *measure->histograms;
  const bool offsets = dispatch::AlphaCount(plan.coding.method, 1) == 2;
  const int bits = plan.coding.bits, lowest = kernels::CodeMin(bits);
  for (size_t i = 0; i < count; i += histograms.stride) {
    const size_t index = IndexAt(packed, bits, i), group = i / static_cast<size_t>(plan.group_size);
    const float scale = AlphaAt(alpha, plan.coding.half_scales, offsets ? 2 * group + 1 : group);
    const int code = static_cast<int>(index) + lowest;
    float decoded = static_cast<float>(code) * scale;
    if (offsets) decoded += AlphaAt(alpha, plan.coding.half_scales, 2 * group) - static_cast<float>(lowest) * scale;
    kernels::CountValues(weights + i, 1, 1, histograms.weights.data());
    kernels::CountValues(&decoded, 1, 1, histograms.decoded.data());
    ++histograms.codes[index];
  }
}

void AddFloats(const float* weights, size_t count, Measure* measure) {
  kernels::Histograms& histograms = *measure->histograms;
  dispatch::AddErrorStats(weights, weights, count, &measure->errors);
  AddRange(weights, count, measure);
  kernels::CountValues(weights, count, histograms.stride, histograms.weights.data());
}

void AddHalves(const float* weights, const uint16_t* halves, size_t count, Measure* measure) {
  float decoded[kChunk];
  kernels::Histograms& histograms = *measure->histograms;
  AddRange(weights, count, measure);
  for (size_t i = 0; i < count; i += kChunk) {
    const size_t n = std::min(kChunk, count - i);
    kernels::HalfToFloat(halves + i, n, decoded);
    dispatch::AddErrorStats(weights + i, decoded, n, &measure->errors);
    kernels::CountValues(weights + i, n, histograms.stride, histograms.weights.data());
    kernels::CountValues(decoded, n, histograms.stride, histograms.decoded.data());
  }
}

void AddSourceCodes(const dispatch::WeightPlan& plan, std::span<const uint8_t> indexes, std::span<const std::byte> scales,
                    Measure* measure) {
  float weights[kChunk];
  kernels::Histograms& histograms = *measure->histograms;
  const int lowest = kernels::CodeMin(plan.coding.bits);
  for (size_t group = 0; group * plan.group_size < indexes.size(); ++group) {
    float scale = 0;
    std::memcpy(&scale, scales.data() + group * sizeof(scale), sizeof(scale));
    for (size_t i = 0; i < plan.group_size; i += kChunk) {
      const size_t n = std::min<size_t>(kChunk, plan.group_size - i);
      const uint8_t* const index = indexes.data() + group * plan.group_size + i;
      for (size_t k = 0; k < n; ++k) weights[k] = static_cast<float>(index[k] + lowest) * scale;
      dispatch::AddErrorStats(weights, weights, n, &measure->errors);
      AddRange(weights, n, measure);
      kernels::CountValues(weights, n, histograms.stride, histograms.weights.data());
      kernels::CountValues(weights, n, histograms.stride, histograms.decoded.data());
      kernels::CountCodes(index, n, histograms.stride, histograms.codes.data());
    }
  }
}

}  // namespace quantpress::graph
