// What the convolution fusions share.
#ifndef QUANTPRESS_GRAPH_PASSES_CONV_PATTERN_H_
#define QUANTPRESS_GRAPH_PASSES_CONV_PATTERN_H_

#include "graph/build/params.h"
#include "graph/ir/model.h"

namespace quantpress::graph {

// A 2-D convolution whose float weights and bias live in the op, without an activation yet; nullptr otherwise.
inline mnn::Convolution2DT* FusibleConv(Op* op) {
  if (op == nullptr || op->main.type != mnn::OpParameter::Convolution2D) return nullptr;
  switch (op->type) {
    case mnn::OpType::Convolution:
    case mnn::OpType::ConvolutionDepthwise:
    case mnn::OpType::Deconvolution:
    case mnn::OpType::DeconvolutionDepthwise:
      break;
    default:
      return nullptr;
  }
  auto* conv = TableOf<mnn::Convolution2DT>(op->main);
  const Bulk* weight = op->FindBulk(BulkField::kWeight);
  const Bulk* bias = op->FindBulk(BulkField::kBias);
  if (op->inputs.size() != 1 || !conv->common || conv->common->relu || conv->common->relu6 || !weight || !bias ||
      !std::holds_alternative<TensorSourcePtr>(weight->data) || !std::holds_alternative<TensorSourcePtr>(bias->data)) {
    return nullptr;
  }
  return conv;
}

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_PASSES_CONV_PATTERN_H_
