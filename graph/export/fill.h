// Third step of an export: the data of all bulk vectors, in parallel.
#ifndef QUANTPRESS_GRAPH_EXPORT_FILL_H_
#define QUANTPRESS_GRAPH_EXPORT_FILL_H_

#include <vector>

#include "graph/export/layout.h"
#include "graph/export/output_file.h"
#include "graph/export/weight_reader.h"
#include "graph/measured_layer.h"

namespace quantpress::graph {

struct FillOptions {
  WeightPolicy policy;
  bool statistics = false;
  dispatch::Budget budget;
};

// Writes metadata, length words and all data. Jobs are cut into pieces of about 256k elements; the cut depends on the
// model and the plan only. Returns what was measured, in plan order. Errors: those of reading weights and of writing,
// cancellation.
StatusOr<std::vector<MeasuredLayer>> Fill(const Layout& layout, const Lowered& lowered, const dispatch::Plan& plan,
                                        const FillOptions& options, const ConvertHooks& hooks, const OutputFile& model,
                                        const OutputFile* weights);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_FILL_H_
