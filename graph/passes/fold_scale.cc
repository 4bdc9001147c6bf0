// Conv(x) -> Scale: weight'[o] = weight[o] * scale[o], bias'[o] = bias[o] * scale[o] + shift[o]. Also through the Concat that joins the
// groups of a grouped convolution.
#include <cstdint>
#include <optional>
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

// A convolution and its output channels.
struct Part {
  Op* conv = nullptr;
  size_t channels = 0;
};

// Output channels of the convolution, if one factor and summand for each can become part of it.
std::optional<size_t> FoldableChannels(Op* op) {
  const mnn::Convolution2DT* const conv = FusibleConv(op);
  if (conv == nullptr || conv->common->outputCount <= 0) return std::nullopt;
  if (op->type == mnn::OpType::Deconvolution && conv->common->group != 1) return std::nullopt;
  const auto channels = static_cast<size_t>(conv->common->outputCount);
  const auto& weight = std::get<TensorSourcePtr>(op->FindBulk(BulkField::kWeight)->data);
  const auto& bias = std::get<TensorSourcePtr>(op->FindBulk(BulkField::kBias)->data);
  if (bias->count() != channels || weight->count() % channels != 0) return std::nullopt;
  return channels;
}

// The convolutions behind a tensor whose channels are theirs, in order: one, or those of the groups of a grouped one that are joined
// again. Empty where a channel constant cannot become part of them.
std::vector<Part> PartsOf(GraphIndex& index, Op* producer) {
  if (const auto channels = FoldableChannels(producer)) return {{producer, *channels}};
  if (producer == nullptr || producer->type != mnn::OpType::Concat || producer->main.type != mnn::OpParameter::Axis) return {};
  if (TableOf<mnn::AxisT>(producer->main)->axis != 1) return {};
  std::vector<Part> parts;
  for (const int input : producer->inputs) {
    Op* const conv = index.Producer(input);
    const auto channels = FoldableChannels(conv);
    if (!channels || index.OnlyUser(input) != producer) return {};
    parts.push_back({conv, *channels});
  }
  return parts;
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
    const std::vector<Part> parts = PartsOf(index, producer);
    size_t channels = 0;
    for (const Part& part : parts) channels += part.channels;
    const auto* scale = TableOf<mnn::ScaleT>(op.main);
    if (parts.empty() || channels != scale->scaleData.size() || scale->biasData.size() != channels) continue;
    auto factor = scale->scaleData.begin(), summand = scale->biasData.begin();
    for (const Part& part : parts) {
      const auto count = static_cast<std::ptrdiff_t>(part.channels);
      Fold(part.conv, {factor, factor + count}, {summand, summand + count});
      factor += count, summand += count;
    }
    index.MoveOutput(producer, op.outputs[0]);
  }
  index.Commit();
  return absl::OkStatus();
}

}  // namespace quantpress::graph
