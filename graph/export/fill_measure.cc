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
  kernels::Histograms& histograms = *measure->histograms;
  dispatch::AddErrorStats(weights, weights, count, &measure->errors);
  kernels::CountValues(weights, count, histograms.stride, histograms.weights.data());
}

void AddHalves(const float* weights, const uint16_t* halves, size_t count, Measure* measure) {
  float decoded[kChunk];
  kernels::Histograms& histograms = *measure->histograms;
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
      kernels::CountValues(weights, n, histograms.stride, histograms.weights.data());
      kernels::CountValues(weights, n, histograms.stride, histograms.decoded.data());
      kernels::CountCodes(index, n, histograms.stride, histograms.codes.data());
    }
  }
}

}  // namespace quantpress::graph
