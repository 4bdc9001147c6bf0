#include "graph/import/onnx/ops/recurrent_native.h"

#include <utility>
#include <vector>

#include "graph/build/params.h"

namespace quantpress::graph::onnx {
namespace {

bool IsLstm(NodeContext& n) { return n.node().op_type == "LSTM"; }

// Input [directions, batch, hidden]; zeros where the node has none.
Value State(NodeContext& n, size_t input, Value x, int64_t directions, int64_t hidden, bool batch_first) {
  const Value v = n.OptionalInput(input);
  if (v.valid()) return batch_first ? n.b.Transpose(v, {1, 0, 2}) : v;
  const Value sizes = n.b.Concat({n.b.IntList({directions}), n.b.ReshapeTo(n.b.DimOf(x, 1), {1}), n.b.IntList({hidden})}, 0);
  return n.b.Expand(n.b.ScalarLike(0, x), sizes);
}

}  // namespace

bool IsNativeRecurrent(NodeContext& n) {
  if (n.node().op_type == "GRU" || n.HasInput(4) || n.HasInput(7)) return false;
  return !n.Has("activations") && n.Float("clip", 0) <= 0 && n.Int("input_forget", 0) == 0;
}

void NativeRecurrent(NodeContext& n, Value x, int64_t hidden, const std::string& direction, bool batch_first) {
  const bool lstm = IsLstm(n), reverse = direction == "reverse";
  const int64_t directions = direction == "bidirectional" ? 2 : 1;
  const int64_t rows = (lstm ? 4 : 1) * hidden;
  const Value weight = n.Input(1), recurrent = n.Input(2);
  if (!n.ok()) return;
  const Shape xs = *n.b.shape(x);
  const auto& ws = n.b.shape(weight);
  if (!ws || ws->size() != 3 || (*ws)[0] != directions || (*ws)[1] != rows || *n.b.shape(recurrent) != Shape{directions, rows, hidden}) {
    return n.Fail("weights of shapes {} and {}; expected [{}, {}, features] and [{}, {}, {}]", ShapeText(ws), ShapeText(n.b.shape(recurrent)), directions,
                  rows, directions, rows, hidden);
  }
  Value bias = n.OptionalInput(3);
  if (bias.valid()) {
    if (n.b.shape(bias) != Shape{directions, 2 * rows}) return n.Fail("a bias of shape {}; expected [{}, {}]", ShapeText(n.b.shape(bias)), directions, 2 * rows);
    bias = n.b.Add(n.b.Slice(bias, {0}, {rows}, {1}), n.b.Slice(bias, {rows}, {2 * rows}, {1}));
  } else {
    bias = n.b.Floats(std::vector<float>(static_cast<size_t>(directions * rows), 0), {directions, rows});
  }
  // The operator knows no direction: the input is turned around.
  std::vector<Value> inputs = {reverse ? n.b.Reverse(x, 0) : x, weight, recurrent, bias, State(n, 5, x, directions, hidden, batch_first)};
  if (lstm) inputs.push_back(State(n, 6, x, directions, hidden, batch_first));
  mnn::LSTMT param;
  param.outputCount = static_cast<int32_t>(hidden);
  const OutputSpec state{ElementType::kFloat32, Shape{directions, xs[1], hidden}};
  std::vector<OutputSpec> specs = {{ElementType::kFloat32, Shape{xs[0], directions, xs[1], hidden}}, state};
  if (lstm) specs.push_back(state);
  const std::vector<Value> results = n.b.EmitMulti(lstm ? mnn::OpType::LSTM : mnn::OpType::RNN, Param(std::move(param)), std::move(inputs), std::move(specs));
  if (!n.ok()) return;
  for (size_t i = 0; i < results.size(); ++i) {
    if (!n.OutputUsed(i)) continue;
    const Value y = i == 0 && reverse ? n.b.Reverse(results[0], 0) : results[i];
    n.SetOutput(i, !batch_first ? y : i == 0 ? n.b.Transpose(y, {2, 0, 1, 3}) : n.b.Transpose(y, {1, 0, 2}));
  }
}

}  // namespace quantpress::graph::onnx
