// Activation functions of LSTM, GRU and RNN, named by their attribute 'activations'.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_RECURRENT_ACTIVATION_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_RECURRENT_ACTIVATION_H_

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "graph/import/onnx/node_context.h"

namespace quantpress::graph::onnx {

enum class RecurrentFunction {
  kSigmoid, kTanh, kRelu, kAffine, kLeakyRelu, kThresholdedRelu, kScaledTanh, kHardSigmoid, kElu, kSoftsign, kSoftplus,
};

struct RecurrentActivation {
  RecurrentFunction function = RecurrentFunction::kTanh;
  float alpha = 0, beta = 0;
  bool operator==(const RecurrentActivation&) const = default;
};

// The activations of all directions, one direction after the other; `defaults` are those of one direction. Values of
// 'activation_alpha' and 'activation_beta' go, in order, to the functions that have such a parameter.
std::vector<RecurrentActivation> ReadActivations(NodeContext& n, std::initializer_list<RecurrentFunction> defaults, size_t directions);

Value Activate(GraphBuilder& b, const RecurrentActivation& activation, Value x);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_RECURRENT_ACTIVATION_H_
