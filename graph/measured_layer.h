// What a conversion did to the numbers of one layer, for reports.
#ifndef QUANTPRESS_GRAPH_MEASURED_LAYER_H_
#define QUANTPRESS_GRAPH_MEASURED_LAYER_H_

#include <cstdint>
#include <vector>

#include "graph/convert.h"

namespace quantpress::graph {

// The errors compare the stored weights, decoded as the runtime does it, with the float weights that went into the coder: root of the mean
// squared error; SQNR = 10 log10(sum of squared weights / sum of squared errors), infinite where there is no error; largest magnitude of an
// error; cosine between the weights and the decoded weights. All but `seconds` are the same for every number of threads and every
// instruction set.
struct MeasuredLayer : LayerReport {
  uint64_t count = 0;           // weights
  double sum_squared_error = 0;
  double sum_squared_weight = 0;
  double weight_min = 0;
  double weight_max = 0;
  double seconds = 0;           // worker time of this layer: reading, coding, writing, statistics

  // Histograms over every stride-th weight; of layers of up to 16384 weights all. Equal bins from weight_min to
  // weight_max; decoded weights outside count in the first and last bin. A bin's edge is good to a sixteenth of its value.
  uint64_t samples = 0;
  std::vector<uint64_t> weight_counts;
  std::vector<uint64_t> decoded_counts;  // empty for float layers
  std::vector<uint64_t> code_counts;     // by code from the lowest, 2^bits entries; empty where not quantized
};

// As Convert with statistics, and fills *layers: every layer that is written from floats, also those that stay float, in plan order.
StatusOr<ConvertResult> ConvertAndMeasure(const ConvertOptions& options, const ConvertHooks& hooks, std::vector<MeasuredLayer>* layers);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_MEASURED_LAYER_H_
