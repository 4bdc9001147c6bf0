// LSTM and RNN as the runtime's own operators: one kernel for all steps, with float weights.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_RECURRENT_NATIVE_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_RECURRENT_NATIVE_H_

#include <cstdint>
#include <string>

#include "graph/import/onnx/node_context.h"

namespace quantpress::graph::onnx {

// Whether they compute this node: an LSTM or RNN with the default activations, without clipping, peepholes, joined gates
// or sequence lengths.
bool IsNativeRecurrent(NodeContext& n);

// Sets the node's outputs. x: [time, batch, features]; `direction`: as the attribute of that name.
void NativeRecurrent(NodeContext& n, Value x, int64_t hidden, const std::string& direction, bool batch_first);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_RECURRENT_NATIVE_H_
