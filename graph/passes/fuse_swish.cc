// x * sigmoid(x) -> SILU, and x * clip(x + 3, 0, 6) / 6 -> HARDSWISH: one pass over the data instead of two or four.
#include "graph/passes/match.h"
#include "graph/passes/passes.h"

namespace quantpress::graph {
namespace {

using B = mnn::BinaryOpOperation;
using U = mnn::UnaryOpOperation;

// x where t = clip(x + shift, 0, high).
std::optional<int> ClippedSum(GraphIndex& index, int t, double shift, float high) {
  const Op* clip = index.Producer(t);
  if (clip == nullptr || clip->type != mnn::OpType::ReLU6) return std::nullopt;
  const auto* limits = TableOf<mnn::Relu6T>(clip->main);
  if (limits == nullptr || limits->minValue != 0 || limits->maxValue != high) return std::nullopt;
  const Op* sum = index.Producer(clip->inputs[0]);
  return IsBinary(sum, B::ADD) ? BesideScalar(index, *sum, shift) : std::nullopt;
}

// x where t = clip(x + 3, 0, 6) / 6 or clip(x / 6 + 1 / 2, 0, 1).
std::optional<int> HardSigmoidOf(GraphIndex& index, int t) {
  if (const auto clip = ScaledBy(index, t, 1.0 / 6)) return ClippedSum(index, *clip, 3, 6);
  const auto line = ClippedSum(index, t, 0.5, 1);
  return line ? ScaledBy(index, *line, 1.0 / 6) : std::nullopt;
}

// What a product is, with the value that it applies to.
std::optional<std::pair<U, int>> Match(GraphIndex& index, const Op& op) {
  if (IsBinary(&op, B::MUL)) {
    for (size_t side = 0; side < 2; ++side) {
      const int x = op.inputs[side], gate = op.inputs[1 - side];
      const Op* sigmoid = index.Producer(gate);
      if (IsUnary(sigmoid, U::SIGMOID) && sigmoid->inputs[0] == x) return std::pair(U::SILU, x);
      if (HardSigmoidOf(index, gate) == x) return std::pair(U::HARDSWISH, x);
    }
  }
  // (x * clip(x + 3, 0, 6)) / 6
  if (op.outputs.size() != 1) return std::nullopt;
  const auto scaled = ScaledBy(index, op.outputs[0], 1.0 / 6);
  const Op* product = scaled ? index.Producer(*scaled) : nullptr;
  if (!IsBinary(product, B::MUL)) return std::nullopt;
  for (size_t side = 0; side < 2; ++side) {
    if (ClippedSum(index, product->inputs[1 - side], 3, 6) == product->inputs[side]) return std::pair(U::HARDSWISH, product->inputs[side]);
  }
  return std::nullopt;
}

}  // namespace

Status FuseSwish(Graph& graph, const ImportOptions& options) {
  if (options.for_training) return absl::OkStatus();
  GraphIndex index(&graph);
  for (Op& op : graph.ops) {
    if (op.type != mnn::OpType::BinaryOp) continue;
    if (const auto match = Match(index, op)) index.Become(&op, mnn::OpType::UnaryOp, UnaryParam(match->first), {match->second});
  }
  return absl::OkStatus();
}

}  // namespace quantpress::graph
