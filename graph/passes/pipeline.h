// Graph passes: each is one concern, in one file, and rewrites a graph in place. Their order is the list in pipeline.cc.
#ifndef QUANTPRESS_GRAPH_PASSES_PIPELINE_H_
#define QUANTPRESS_GRAPH_PASSES_PIPELINE_H_

#include <span>
#include <string_view>

#include "dispatch/status.h"
#include "graph/convert.h"
#include "graph/ir/model.h"

namespace quantpress::graph {

struct Pass {
  std::string_view name;
  Status (*run)(Graph& graph, const ImportOptions& options);
  std::string_view purpose;  // one line, with the reason where it is about speed
};

// The passes that run on a graph that an importer has built, in order.
std::span<const Pass> ImportPasses();

// Runs them on the main graph and every subgraph. Not for MNN sources, which stay as they are.
Status RunImportPasses(Model& model, const ImportOptions& options);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_PASSES_PIPELINE_H_
