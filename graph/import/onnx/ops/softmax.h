// Softmax forms that several operators use.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_SOFTMAX_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_SOFTMAX_H_

#include "graph/build/graph_builder.h"

namespace quantpress::graph::onnx {

// x - max - log(sum(exp(x - max))) along one axis.
Value LogSoftmaxAlong(GraphBuilder& builder, Value x, int64_t axis);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_SOFTMAX_H_
