// Identity(x): users read x. Kept where the result is a graph output.
#include "graph/passes/graph_index.h"
#include "graph/passes/passes.h"

namespace quantpress::graph {

Status RemoveIdentities(Graph& graph, const ImportOptions&) {
  GraphIndex index(&graph);
  for (Op& op : graph.ops) {
    if (op.type != mnn::OpType::Identity || op.inputs.size() != 1 || op.outputs.size() != 1) continue;
    if (index.IsOutput(op.outputs[0])) continue;
    index.ReplaceUses(op.outputs[0], op.inputs[0]);
    index.Remove(&op);
  }
  index.Commit();
  return absl::OkStatus();
}

}  // namespace quantpress::graph
