// Conv(x) -> Scale: weight'[o] = weight[o] * scale[o], bias'[o] = bias[o] * scale[o] + shift[o]. Also through the Concat that joins the
// groups of a grouped convolution.
#include <cstdint>
#include <vector>

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

// The convolutions behind a tensor whose channels are theirs, in order: one, or those of the groups of a grouped one that are joined
// again. Empty where a channel constant cannot become part of them.
std::vector<Op*> ConvsOf(GraphIndex& index, Op* producer) {
  if (FusibleConv(producer) != nullptr) return {producer};
  if (producer == nullptr || producer->type != mnn::OpType::Concat || producer->main.type != mnn::OpParameter::Axis) return {};
  if (TableOf<mnn::AxisT>(producer->main)->axis != 1) return {};
  std::vector<Op*> convs;
  for (const int input : producer->inputs) {
    Op* const conv = index.Producer(input);
    if (FusibleConv(conv) == nullptr || index.OnlyUser(input) != producer) return {};
    convs.push_back(conv);
  }
  return convs;
}

// Channels of the convolution if one factor and summand for each can become part of it, else 0.
size_t FoldableChannels(Op* op) {
  mnn::Convolution2DT* const conv = FusibleConv(op);
  if (conv->common->outputCount <= 0 || (op->type == mnn::OpType::Deconvolution && conv->common->group != 1)) return 0;
  const auto channels = static_cast<size_t>(conv->common->outputCount);
  const auto& weight = std::get<TensorSourcePtr>(op->FindBulk(BulkField::kWeight)->data);
  const auto& bias = std::get<TensorSourcePtr>(op->FindBulk(BulkField::kBias)->data);
  return bias->count() == channels && weight->count() % channels == 0 ? channels : 0;
}

// The convolution with `scale` and `shift`, one entry per output channel.
void Fold(Op* op, std::vector<float> scale, std::vector<float> shift) {
  auto& weight = std::get<TensorSourcePtr>(op->FindBulk(BulkField::kWeight)->data);
  auto& bias = std::get<TensorSourcePtr>(op->FindBulk(BulkField::kBias)->data);
  const uint64_t run = WeightsPerChannel(*op, *FusibleConv(op), weight->count(), scale.size());
  weight = AffineSource(weight, scale, {}, run);
  bias = AffineSource(bias, std::move(scale), std::move(shift), 1);
}

}  // namespace

Status FoldScaleIntoConv(Graph& graph, const ImportOptions& options) {
  if (options.for_training) return absl::OkStatus();
  GraphIndex index(&graph);
  for (Op& op : graph.ops) {
    if (op.type != mnn::OpType::Scale || op.main.type != mnn::OpParameter::Scale) continue;
    if (index.OnlyUser(op.inputs[0]) != &op) continue;
    Op* const producer = index.Producer(op.inputs[0]);
    const std::vector<Op*> convs = ConvsOf(index, producer);
    const auto* scale = TableOf<mnn::ScaleT>(op.main);
    size_t channels = 0;
    for (Op* conv : convs) {
      const size_t own = FoldableChannels(conv);
      channels = own == 0 ? SIZE_MAX : channels + own;
      if (own == 0) break;
    }
    if (convs.empty() || channels != scale->scaleData.size() || scale->biasData.size() != channels) continue;
    auto factor = scale->scaleData.begin(), summand = scale->biasData.begin();
    for (Op* conv : convs) {
      const auto own = static_cast<std::ptrdiff_t>(FoldableChannels(conv));
      Fold(conv, {factor, factor + own}, {summand, summand + own});
      factor += own, summand += own;
    }
    index.MoveOutput(producer, op.outputs[0]);
  }
  index.Commit();
  return absl::OkStatus();
}

}  // namespace quantpress::graph
