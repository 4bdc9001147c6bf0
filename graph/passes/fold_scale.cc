// Conv(x) -> Scale: weight'[o] = weight[o] * scale[o], bias'[o] = bias[o] * scale[o] + shift[o].
#include "graph/passes/conv_pattern.h"
#include "graph/passes/graph_index.h"
#include "graph/passes/passes.h"

namespace quantpress::graph {
namespace {

// Weights per output channel run, and how often the channels repeat: see AffineSource. Transposed convolutions hold
// [ic][oc / group][kh][kw], so with one group the channel changes every kh * kw weights.
uint64_t WeightsPerChannel(const Op& op, const mnn::Convolution2DT& conv, uint64_t elements, uint64_t channels) {
  if (op.type == mnn::OpType::Deconvolution) {
    return static_cast<uint64_t>(conv.common->kernelX) * static_cast<uint64_t>(conv.common->kernelY);
  }
  return elements / channels;
}

}  // namespace

Status FoldScaleIntoConv(Graph& graph, const ImportOptions& options) {
  if (options.for_training) return absl::OkStatus();
  GraphIndex index(&graph);
  for (Op& op : graph.ops) {
    if (op.type != mnn::OpType::Scale || op.main.type != mnn::OpParameter::Scale) continue;
    Op* producer = index.Producer(op.inputs[0]);
    mnn::Convolution2DT* conv = FusibleConv(producer);
    if (conv == nullptr || index.OnlyUser(op.inputs[0]) != &op) continue;
    auto* scale = TableOf<mnn::ScaleT>(op.main);
    const size_t channels = scale->scaleData.size();
    if (channels == 0 || static_cast<size_t>(conv->common->outputCount) != channels || scale->biasData.size() != channels) continue;
    if (producer->type == mnn::OpType::Deconvolution && conv->common->group != 1) continue;
    auto& weight = std::get<TensorSourcePtr>(producer->FindBulk(BulkField::kWeight)->data);
    auto& bias = std::get<TensorSourcePtr>(producer->FindBulk(BulkField::kBias)->data);
    if (bias->count() != channels || weight->count() % channels != 0) continue;
    weight = AffineSource(weight, scale->scaleData, {}, WeightsPerChannel(*producer, *conv, weight->count(), channels));
    bias = AffineSource(bias, scale->scaleData, scale->biasData, 1);
    index.MoveOutput(producer, op.outputs[0]);
  }
  index.Commit();
  return absl::OkStatus();
}

}  // namespace quantpress::graph
