// Broadcasting rules of opsets before 7.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_BROADCAST_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_BROADCAST_H_

#include "graph/import/onnx/node_context.h"

namespace quantpress::graph::onnx {

// The second operand of a binary operator, shaped so that NumPy broadcasting against `a` does what the node means: before opset 7 its
// axes may start at the attribute `axis` of `a`.
Value SecondOperand(NodeContext& node, Value a);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_BROADCAST_H_
