// What fill tasks count and measure for reports.
#ifndef QUANTPRESS_GRAPH_EXPORT_FILL_MEASURE_H_
#define QUANTPRESS_GRAPH_EXPORT_FILL_MEASURE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "dispatch/plan.h"
#include "dispatch/quantize_run.h"
#include "kernels/histogram.h"

namespace quantpress::graph {

// What one task measures.
struct Measure {
  dispatch::ErrorStats errors;
  std::unique_ptr<kernels::Histograms> histograms;
  bool finite = true;
};

// `count` weights that are stored as they are.
void AddFloats(const float* weights, size_t count, Measure* measure);

// `count` weights and the halves that stand for them. Precondition: all are finite.
void AddHalves(const float* weights, const uint16_t* halves, size_t count, Measure* measure);

// Weights that keep the codes of their source: `indexes` (code - lowest code) and `scales` (float32, one per group of the
// plan) of whole groups. What the codes stand for is the weight itself, so there is no error.
void AddSourceCodes(const dispatch::WeightPlan& plan, std::span<const uint8_t> indexes, std::span<const std::byte> scales,
                    Measure* measure);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_FILL_MEASURE_H_
