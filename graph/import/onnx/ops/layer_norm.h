// Normalisation over trailing axes, shared by the operators that contain it; in normalization.cc.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_LAYER_NORM_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_LAYER_NORM_H_

#include "graph/import/onnx/node_context.h"

namespace quantpress::graph::onnx {

// The mean and the inverse deviation are invalid where the node's outputs 1 and 2, which hold them in every such operator, are unused.
struct Normalized {
  Value y, mean, inverse;
};

// (x - mean) / sqrt(variance + epsilon) * gamma + beta over the axes from `first_axis` on; beta may be invalid.
Normalized LayerNorm(NodeContext& node, Value x, int64_t first_axis, Value gamma, Value beta, float epsilon);

// x / sqrt(mean of squares + epsilon) * gamma. There is no mean.
Normalized RmsNorm(NodeContext& node, Value x, int64_t first_axis, Value gamma, float epsilon);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_LAYER_NORM_H_
