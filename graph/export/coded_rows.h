// Codes of rows of a layer, one byte each, for lists of what is not zero.
#ifndef QUANTPRESS_GRAPH_EXPORT_CODED_ROWS_H_
#define QUANTPRESS_GRAPH_EXPORT_CODED_ROWS_H_

#include <span>
#include <vector>

#include "graph/export/fill_measure.h"
#include "graph/export/weight_reader.h"

namespace quantpress::graph {

struct CodedRows {
  std::span<const uint8_t> indexes;  // code - lowest code
  std::span<const uint8_t> alpha;    // as it is stored
  std::vector<uint8_t> zeros;        // by group: the index that the runtime gives to weights that are not listed
  bool zeros_fit = true;             // false: a group has none, so that the layer cannot be listed
};

uint64_t CodedRowsScratchBytes(const dispatch::WeightPlan& plan, uint64_t rows);

// Codes rows [begin, begin + rows) of a quantized layer. Views into `scratch`, of at least CodedRowsScratchBytes(plan,
// rows). `measure` may be null. Errors: those of reading weights; NaN and infinities.
StatusOr<CodedRows> CodeRows(const dispatch::WeightPlan& plan, const TensorSource& source, uint64_t begin,
                             uint64_t rows, const WeightPolicy& policy, std::span<std::byte> scratch, Measure* measure);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_CODED_ROWS_H_
