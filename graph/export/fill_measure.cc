#include "graph/export/fill_measure.h"

#include <algorithm>
#include <cstring>

#include "dispatch/error_stats.h"
#include "kernels/half.h"

namespace quantpress::graph {
namespace {

constexpr size_t kChunk = 4096;

}  // namespace

void AddFloats(const float* weights, size_t count, Measure* measure) {
  for (size_t i = 0; i < count; i += kChunk) {
    const size_t n = std::min(kChunk, count - i);
    dispatch::AddRange(weights + i, n, &measure->errors);
    dispatch::AddErrorStats(weights + i, weights + i, n, &measure->errors);
  }
  measure->histograms->Add(weights, nullptr, nullptr, count);
}

void AddHalves(const float* weights, const uint16_t* halves, size_t count, Measure* measure) {
  float decoded[kChunk];
  for (size_t i = 0; i < count; i += kChunk) {
    const size_t n = std::min(kChunk, count - i);
    kernels::HalfToFloat(halves + i, n, decoded);
    dispatch::AddRange(weights + i, n, &measure->errors);
    dispatch::AddErrorStats(weights + i, decoded, n, &measure->errors);
    measure->histograms->Add(weights + i, decoded, nullptr, n);
  }
}

void AddSourceCodes(const dispatch::WeightPlan& plan, std::span<const uint8_t> indexes, std::span<const std::byte> scales,
                    Measure* measure) {
  float weights[kChunk];
  const int lowest = kernels::CodeMin(plan.coding.bits);
  for (size_t group = 0; group * plan.group_size < indexes.size(); ++group) {
    float scale = 0;
    std::memcpy(&scale, scales.data() + group * sizeof(scale), sizeof(scale));
    for (size_t i = 0; i < plan.group_size; i += kChunk) {
      const size_t n = std::min<size_t>(kChunk, plan.group_size - i);
      const uint8_t* const index = indexes.data() + group * plan.group_size + i;
      for (size_t k = 0; k < n; ++k) weights[k] = static_cast<float>(index[k] + lowest) * scale;
      dispatch::AddRange(weights, n, &measure->errors);
      dispatch::AddErrorStats(weights, weights, n, &measure->errors);
      measure->histograms->Add(weights, weights, index, n);
    }
  }
}

}  // namespace quantpress::graph
