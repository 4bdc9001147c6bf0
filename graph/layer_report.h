// What a conversion did to the numbers of one layer.
#ifndef QUANTPRESS_GRAPH_LAYER_REPORT_H_
#define QUANTPRESS_GRAPH_LAYER_REPORT_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace quantpress::graph {

// The errors compare the stored weights, decoded as the runtime does it, with the float weights that went into the coder. All but
// `seconds` are the same for every number of threads and every instruction set.
struct LayerReport {
  size_t plan_index = 0;        // into Plan::weights
  uint64_t count = 0;           // weights
  double rmse = 0;              // root of the mean squared error
  double sqnr_db = 0;           // 10 log10(sum of squared weights / sum of squared errors); infinite where there is no error
  double max_error = 0;         // largest magnitude of an error
  double cosine = 1;            // between the weights and the decoded weights
  double sum_squared_error = 0;
  double sum_squared_weight = 0;
  double weight_min = 0;
  double weight_max = 0;
  double seconds = 0;           // worker time of this layer: reading, coding, writing, statistics

  // Histograms over every stride-th weight; of layers of up to 65536 weights all. Equal bins from weight_min to
  // weight_max; decoded weights outside count in the first and last bin. A bin's edge is good to a sixteenth of its value.
  uint64_t samples = 0;
  std::vector<uint64_t> weight_counts;
  std::vector<uint64_t> decoded_counts;  // empty for float layers
  std::vector<uint64_t> code_counts;     // by code from the lowest, 2^bits entries; empty where not quantized
};

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_LAYER_REPORT_H_
