// Conv -> ReLU (slope 0) or ReLU6 (0..6): a flag of the convolution. Also across the Reshape behind a matrix product,
// which does not change values.
#include "graph/passes/conv_pattern.h"
#include "graph/passes/graph_index.h"
#include "graph/passes/passes.h"

namespace quantpress::graph {

Status FuseActivation(Graph& graph, const ImportOptions&) {
  GraphIndex index(&graph);
  for (Op& op : graph.ops) {
    if (op.inputs.size() != 1 || op.outputs.size() != 1) continue;
    const auto* relu = op.type == mnn::OpType::ReLU ? TableOf<mnn::ReluT>(op.main) : nullptr;
    const auto* relu6 = op.type == mnn::OpType::ReLU6 ? TableOf<mnn::Relu6T>(op.main) : nullptr;
    const bool is_relu = relu != nullptr && relu->slope == 0;
    const bool is_relu6 = relu6 != nullptr && relu6->minValue == 0 && relu6->maxValue == 6;
    if (!is_relu && !is_relu6) continue;
    Op* last = index.Producer(op.inputs[0]);
    if (last == nullptr || index.OnlyUser(op.inputs[0]) != &op) continue;
    Op* producer = last;
    if (last->type == mnn::OpType::Reshape && index.OnlyUser(last->inputs[0]) == last) {
      producer = index.Producer(last->inputs[0]);
    }
    mnn::Convolution2DT* conv = FusibleConv(producer);
    if (conv == nullptr) continue;
    (is_relu ? conv->common->relu : conv->common->relu6) = true;
    index.MoveOutput(last, op.outputs[0]);
  }
  index.Commit();
  return absl::OkStatus();
}

}  // namespace quantpress::graph
