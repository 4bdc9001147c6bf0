// Conv -> Add of a constant that has one value per output channel: into the bias. Also across the Reshape behind a
// matrix product that became a convolution, where the channels are the last axis.
#include "graph/passes/conv_pattern.h"
#include "graph/passes/graph_index.h"
#include "graph/passes/passes.h"

namespace quantpress::graph {
namespace {

// Ends the name of a convolution that was a matrix product.
constexpr char kMatrixProduct[] = "__matmul_converted";

// True if `shape` is one value per channel when added to a tensor of rank `rank` whose channels are axis `axis`.
bool IsPerChannel(const std::vector<int64_t>& shape, size_t rank, size_t axis, int64_t channels) {
  if (shape.size() > rank) return false;
  const size_t lead = rank - shape.size();
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] != (i + lead == axis ? channels : 1)) return false;
  }
  return channels == 1 || axis >= lead;
}

}  // namespace

Status FuseConvBias(Graph& graph, const ImportOptions&) {
  GraphIndex index(&graph);
  const auto rank_of = [&](int t) -> size_t {
    const auto i = static_cast<size_t>(t);
    return i < graph.shapes.size() && graph.shapes[i] ? graph.shapes[i]->size() : 0;
  };
  for (Op& op : graph.ops) {
    if (op.type != mnn::OpType::BinaryOp || op.inputs.size() != 2) continue;
    auto* add = TableOf<mnn::BinaryOpT>(op.main);
    if (add == nullptr || add->opType != mnn::BinaryOpOperation::ADD || add->activationType != 0) continue;
    for (size_t side = 0; side < 2; ++side) {
      const int data = op.inputs[side];
      const auto constant = FloatsOf(index.ConstProducer(op.inputs[1 - side]));
      if (!constant || index.OnlyUser(data) != &op) continue;
      Op* reshape = index.Producer(data);
      Op* producer = reshape;
      const bool across = reshape != nullptr && reshape->type == mnn::OpType::Reshape;
      if (across) {
        if (index.OnlyUser(reshape->inputs[0]) != reshape) continue;
        producer = index.Producer(reshape->inputs[0]);
      }
      mnn::Convolution2DT* conv = FusibleConv(producer);
      const size_t rank = rank_of(data);
      if (conv == nullptr || rank == 0) continue;
      const int64_t channels = conv->common->outputCount;
      // Behind the Reshape of a matrix product the channels are last; everything else is spread over the batch.
      const bool matrix = across && conv->common->kernelX == 1 && conv->common->kernelY == 1 && producer->name.ends_with(kMatrixProduct);
      if (across && !matrix) continue;
      const size_t axis = across ? rank - 1 : 1;
      if (!IsPerChannel(constant->shape, rank, axis, channels)) continue;
      if (constant->data->count() != static_cast<uint64_t>(channels)) continue;
      auto& bias = std::get<TensorSourcePtr>(producer->FindBulk(BulkField::kBias)->data);
      if (bias->count() != static_cast<uint64_t>(channels)) continue;
      std::vector<float> sum(bias->count()), extra(bias->count());
      bias->ReadFloats(0, sum);
      constant->data->ReadFloats(0, extra);
      for (size_t i = 0; i < sum.size(); ++i) sum[i] += extra[i];
      bias = FloatSource(std::move(sum));
      // The op before the Add now makes its result. A matrix product is called after it, as in the stock converter: recipes find it so.
      index.MoveOutput(across ? reshape : producer, op.outputs[0]);
      if (across) reshape->name = op.name;
      if (producer->name.ends_with(kMatrixProduct)) producer->name = op.name + kMatrixProduct;
      break;
    }
  }
  index.Commit();
  return absl::OkStatus();
}

}  // namespace quantpress::graph
