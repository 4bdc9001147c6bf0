// How the weights of one op are stored, for whoever looks at a file.
#ifndef QUANTPRESS_GRAPH_WEIGHT_SUMMARY_H_
#define QUANTPRESS_GRAPH_WEIGHT_SUMMARY_H_

#include <optional>

#include "graph/inspect.h"
#include "graph/ir/model.h"
#include "graph/weights.h"

namespace quantpress::graph {

// As ViewWeight, and constants of half floats, which no plan has an entry for.
std::optional<WeightView> ViewAnyWeight(const Op& op);

WeightSummary SummarizeWeight(const Graph& graph, const Op& op, const WeightView& view);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_WEIGHT_SUMMARY_H_
