// Filters of one row or column that more convolutions share than may each hold a copy: one constant that all of them read. Filter banks that
// are applied again to every octave look so. Such a constant is not quantized. Larger kernels keep their copies: with weights of their own
// the runtime computes them in fewer multiplications.
#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "graph/build/params.h"
#include "graph/passes/conv_pattern.h"
#include "graph/passes/graph_index.h"
#include "graph/passes/passes.h"

namespace quantpress::graph {
namespace {

size_t CopiesAllowed(const ImportOptions& options) { return options.optimize_prefer == 2 ? 100 : 4; }

// The weights of a convolution that may read them from elsewhere.
TensorSourcePtr SharableWeights(Op* op) {
  const mnn::Convolution2DT* conv = FusibleConv(op);
  if (conv == nullptr || (op->type != mnn::OpType::Convolution && op->type != mnn::OpType::ConvolutionDepthwise)) return nullptr;
  const auto& common = *conv->common;
  if (common.group != 1 || (common.kernelX == 1) == (common.kernelY == 1)) return nullptr;
  return std::get<TensorSourcePtr>(op->FindBulk(BulkField::kWeight)->data);
}

bool AllZero(const TensorSource& source) {
  std::vector<float> values(source.count());
  source.ReadFloats(0, values);
  return std::all_of(values.begin(), values.end(), [](float v) { return v == 0; });
}

// A Const op of `data`, and its tensor.
Op Constant(Graph& graph, std::string name, std::vector<int32_t> dims, TensorSourcePtr data) {
  mnn::BlobT blob;
  blob.dataFormat = mnn::MNN_DATA_FORMAT::NCHW;
  blob.dataType = mnn::DataType::DT_FLOAT;
  blob.dims = std::move(dims);
  Op op;
  op.type = mnn::OpType::Const;
  op.main = Param(std::move(blob));
  op.bulk.push_back({BulkField::kBlobFloat32s, std::move(data)});
  op.outputs = {static_cast<int>(graph.tensors.size())};
  op.name = name;
  graph.tensors.push_back(std::move(name));
  return op;
}

}  // namespace

Status ShareWeights(Graph& graph, const ImportOptions& options) {
  if (options.optimize_prefer == 1) return absl::OkStatus();  // the exporter stores equal kernels once, and these can be quantized
  std::map<const TensorSource*, size_t> uses;
  for (Op& op : graph.ops) {
    if (const TensorSourcePtr weights = SharableWeights(&op)) ++uses[weights.get()];
  }
  std::erase_if(uses, [&](const auto& entry) { return entry.second <= CopiesAllowed(options); });
  if (uses.empty()) return absl::OkStatus();

  std::map<const TensorSource*, int> stored;  // the tensors of constants
  std::vector<Op> ops;
  for (Op& op : graph.ops) {
    const TensorSourcePtr weights = SharableWeights(&op);
    if (weights == nullptr || !uses.contains(weights.get())) {
      ops.push_back(std::move(op));
      continue;
    }
    const auto& common = *TableOf<mnn::Convolution2DT>(op.main)->common;
    const int32_t outputs = common.outputCount;
    const auto [place, is_new] = stored.emplace(weights.get(), 0);
    if (is_new) {
      const auto taps = static_cast<uint64_t>(outputs) * static_cast<uint64_t>(common.kernelX) * static_cast<uint64_t>(common.kernelY);
      const auto inputs = static_cast<int32_t>(weights->count() / taps);
      ops.push_back(Constant(graph, op.name + "__weight", {outputs, inputs, common.kernelY, common.kernelX}, weights));
      place->second = ops.back().outputs[0];
    }
    op.inputs.push_back(place->second);
    auto bias = std::get<TensorSourcePtr>(op.FindBulk(BulkField::kBias)->data);
    if (!AllZero(*bias)) {
      ops.push_back(Constant(graph, op.name + "__bias", {outputs}, std::move(bias)));
      op.inputs.push_back(ops.back().outputs[0]);
    }
    op.bulk.clear();
    ops.push_back(std::move(op));
  }
  graph.ops = std::move(ops);
  return absl::OkStatus();
}

}  // namespace quantpress::graph
