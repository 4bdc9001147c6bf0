#include "graph/import/mnn/split_blocks.h"

#include <algorithm>

#include "dispatch/plan.h"
#include "dispatch/sparsity.h"
#include "graph/import/mnn/bit_reader.h"
#include "graph/import/mnn/coded_weight.h"
#include "graph/ir/payload_header.h"
#include "graph/passes/graph_rewriter.h"

namespace quantpress::graph {
namespace {

using mnn::OpType;
using B = mnn::BinaryOpOperation;

struct Blocks {
  CodedWeight weight;
  uint64_t outputs = 0;
  uint64_t size = 0;   // input channels of one
  uint64_t count = 0;  // of an output channel
};

// How a convolution is split; nothing if it has one scale per channel. `*reason`: why one with more cannot be.
StatusOr<std::optional<Blocks>> BlocksOf(const Op& op, std::string* reason) {
  const mnn::Convolution2DT* conv = op.main.AsConvolution2D();
  if (conv == nullptr || conv->common == nullptr || conv->quanParameter == nullptr || conv->symmetricQuan != nullptr) return std::nullopt;
  if (op.FindBulk(BulkField::kQuanAlpha) == nullptr && op.FindBulk(BulkField::kQuanAlphaFp16) == nullptr) return std::nullopt;
  const int type = conv->quanParameter->type;
  if (type != 1 && type != 2) return std::nullopt;
  Blocks blocks;
  QP_ASSIGN_OR_RETURN(blocks.weight, ParseCodedWeight(op));
  const mnn::Convolution2DCommonT& common = *conv->common;
  blocks.outputs = static_cast<uint64_t>(std::max(0, common.outputCount));
  if (blocks.outputs == 0 || blocks.weight.groups <= blocks.outputs) return std::nullopt;
  blocks.count = blocks.weight.groups / blocks.outputs;
  const uint64_t row = blocks.weight.elements / blocks.outputs;
  blocks.size = row / blocks.count;
  const bool even = blocks.weight.groups % blocks.outputs == 0 && blocks.weight.elements % blocks.outputs == 0 && row % blocks.count == 0;
  if (op.type != OpType::Convolution || common.group != 1 || op.inputs.size() != 1 || op.outputs.size() != 1) *reason = "it has groups";
  else if (common.kernelX != 1 || common.kernelY != 1) *reason = "its kernel is larger than 1x1";
  else if (type == 2) *reason = "its codes are sparse";
  else if (!even || row > INT32_MAX) *reason = "its blocks are of different sizes";
  if (!reason->empty()) return std::nullopt;
  return blocks;
}

// Packed codes of block k of every output channel.
std::vector<uint8_t> CodesOf(const Blocks& blocks, uint64_t k) {
  const auto bits = static_cast<uint64_t>(blocks.weight.bits);
  const uint8_t* const packed = blocks.weight.payload.data;
  if (blocks.size * bits % 8 == 0) {
    const uint64_t bytes = blocks.size * bits / 8;
    std::vector<uint8_t> codes(blocks.outputs * bytes);
    for (uint64_t row = 0; row < blocks.outputs; ++row) {
      std::memcpy(codes.data() + row * bytes, packed + (row * blocks.count + k) * bytes, bytes);
    }
    return codes;
  }
  dispatch::BitStream stream;
  for (uint64_t row = 0; row < blocks.outputs; ++row) {
    BitReader indexes(blocks.weight.payload, (row * blocks.count + k) * blocks.size * bits);
    for (uint64_t i = 0; i < blocks.size; ++i) stream.Put(indexes.Take(blocks.weight.bits), blocks.weight.bits);
  }
  stream.Finish();
  return {stream.bytes().begin(), stream.bytes().end()};
}

// Two dimensions, the table of the source, and the codes of block k.
std::vector<uint8_t> PayloadOf(const Blocks& blocks, const Bytes& buffer, bool was_wide, uint64_t k) {
  std::vector<uint8_t> payload;
  AppendDimensions(blocks.outputs, blocks.size, &payload);
  const uint8_t* const table = buffer.data + 1 + buffer.data[0] * (was_wide ? 4 : 2);
  payload.insert(payload.end(), table, blocks.weight.payload.data);
  const std::vector<uint8_t> codes = CodesOf(blocks, k);
  payload.insert(payload.end(), codes.begin(), codes.end());
  return payload;
}

std::vector<uint8_t> ScalesOf(const Blocks& blocks, uint64_t k) {
  const CodedWeight& weight = blocks.weight;
  const uint64_t entry = (weight.half_alpha ? 2 : 4) * (weight.asymmetric ? 2 : 1);
  std::vector<uint8_t> scales(blocks.outputs * entry);
  for (uint64_t row = 0; row < blocks.outputs; ++row) {
    std::memcpy(scales.data() + row * entry, weight.alpha.data + (row * blocks.count + k) * entry, entry);
  }
  return scales;
}

Op PartOf(const Op& op, const Blocks& blocks, uint64_t k) {
  Op part;
  part.type = op.type;
  part.default_format = op.default_format;
  mnn::Convolution2DT conv = *op.main.AsConvolution2D();
  const bool was_wide = conv.quanParameter->shapeInt32;
  conv.common->inputCount = static_cast<int32_t>(blocks.size);
  conv.common->relu = conv.common->relu6 = false;
  conv.quanParameter->shapeInt32 = dispatch::HasWideHeader(blocks.outputs, blocks.size);
  conv.quanParameter->readType = blocks.weight.asymmetric ? static_cast<int32_t>(blocks.outputs) : 0;
  if (k > 0) conv.bias.clear();
  part.main = Param(std::move(conv));
  for (const Bulk& bulk : op.bulk) {
    if (bulk.field == BulkField::kQuanBuffer) {
      const Bytes& buffer = std::get<Bytes>(bulk.data);
      part.bulk.push_back({bulk.field, Bytes::Own(PayloadOf(blocks, buffer, was_wide, k)), 0, bulk.external});
    } else if (bulk.field == BulkField::kQuanAlpha || bulk.field == BulkField::kQuanAlphaFp16) {
      part.bulk.push_back({bulk.field, Bytes::Own(ScalesOf(blocks, k)), 0, bulk.external});
    } else if (k == 0 || bulk.field != BulkField::kBias) {
      part.bulk.push_back(bulk);
    }
  }
  // The runtime takes the number of outputs from the bias.
  if (k > 0) part.bulk.push_back({BulkField::kBias, Bytes::Own(std::vector<float>(blocks.outputs)), 0, false});
  return part;
}

void Split(Op op, const Blocks& blocks, GraphRewriter* to) {
  const std::string name = op.name;
  const auto named = [&](uint64_t k, const char* end) { return fmt::format("{}_{}{}", name, k, end); };
  Op slice;
  slice.type = OpType::Slice;
  slice.default_format = op.default_format;
  slice.name = name + "_slice";
  mnn::SliceT param;
  param.axis = 1;
  param.sourceType = mnn::NetSource::TORCH;
  for (uint64_t k = 0; k < blocks.count; ++k) {
    param.slicePoints.push_back(static_cast<int32_t>(blocks.size));
    slice.outputs.push_back(to->Tensor(named(k, "_input"), std::nullopt));
  }
  slice.main = Param(std::move(param));
  slice.inputs = op.inputs;
  const std::vector<int> channels = slice.outputs;
  to->Add(std::move(slice));

  const mnn::Convolution2DCommonT& common = *op.main.AsConvolution2D()->common;
  const bool relu6 = common.relu6, activates = common.relu || relu6;
  int sum = -1;
  for (uint64_t k = 0; k < blocks.count; ++k) {
    Op part = PartOf(op, blocks, k);
    part.inputs = {channels[k]};
    const int out = to->Tensor(named(k, ""), std::nullopt);
    part.outputs = {out};
    part.name = named(k, "");
    to->Add(std::move(part));
    if (k == 0) {
      sum = out;
    } else if (k + 1 < blocks.count || activates) {
      sum = to->Binary(B::ADD, sum, out, named(k, "_add"), std::nullopt);
    } else {
      to->AddOp(OpType::BinaryOp, GraphRewriter::BinaryParam(B::ADD), {sum, out}, op.outputs[0]);
    }
  }
  if (!activates) return;
  if (relu6) to->AddOp(OpType::ReLU6, Param(mnn::Relu6T{}), {sum}, op.outputs[0]);
  else to->AddOp(OpType::ReLU, Param(mnn::ReluT{}), {sum}, op.outputs[0]);
}

}  // namespace

Status SplitBlocks(Model* model) {
  if (model->usage == mnn::Usage::INFERENCE_STATIC) {
    model->notes.push_back("--splitBlockQuant has no effect: the sizes of all tensors of a static model are fixed");
    return {};
  }
  size_t split = 0, parts = 0;
  std::string kept;
  const auto run = [&](Graph* graph) -> Status {
    GraphRewriter rewriter(graph);
    for (Op& op : rewriter.TakeOps()) {
      std::string reason;
      QP_ASSIGN_OR_RETURN(const std::optional<Blocks> blocks, BlocksOf(op, &reason));
      if (!reason.empty() && kept.empty()) kept = fmt::format("; '{}' stays as it is, because {}", op.name, reason);
      if (!blocks) {
        rewriter.Add(std::move(op));
        continue;
      }
      ++split;
      parts += blocks->count;
      Split(std::move(op), *blocks, &rewriter);
    }
    return {};
  };
  QP_RETURN_IF_ERROR(run(&model->main));
  for (Graph& graph : model->subgraphs) QP_RETURN_IF_ERROR(run(&graph));
  model->notes.push_back(split == 0 ? "--splitBlockQuant has no effect: no 1x1 convolution is quantized in blocks" + kept
                                    : fmt::format("--splitBlockQuant: {} convolution{} became {}{}", split, split == 1 ? "" : "s", parts, kept));
  return {};
}

}  // namespace quantpress::graph
