// Functions that came with a later runtime than the model is for, in the terms of older ones: SILU(x) is x *
// sigmoid(x), HARDSWISH(x) is x * relu6(x + 3) / 6.
#include "graph/passes/graph_rewriter.h"
#include "graph/passes/match.h"
#include "graph/passes/passes.h"
#include "graph/target_version.h"

namespace quantpress::graph {
namespace {

using B = mnn::BinaryOpOperation;
using U = mnn::UnaryOpOperation;

bool IsTooNew(const Op& op, const TargetVersion& target) {
  return (target < kSiluVersion && IsUnary(&op, U::SILU)) || (target < kHardSwishVersion && IsUnary(&op, U::HARDSWISH));
}

}  // namespace

Status LowerForTarget(Graph& graph, const ImportOptions& options) {
  if (std::none_of(graph.ops.begin(), graph.ops.end(), [&](const Op& op) { return IsTooNew(op, options.target); }))
    return absl::OkStatus();
  GraphRewriter rewriter(&graph);
  for (Op& op : rewriter.TakeOps()) {
    if (!IsTooNew(op, options.target)) {
      rewriter.Add(std::move(op));
      continue;
    }
    const int x = op.inputs[0], y = op.outputs[0];
    const auto place = static_cast<size_t>(y);
    const GraphRewriter::Shape shape = place < graph.shapes.size() ? graph.shapes[place] : std::nullopt;
    const auto name = [&](const char* part) { return op.name + "__" + part; };
    if (IsUnary(&op, U::SILU)) {
      const int gate = rewriter.Emit(mnn::OpType::UnaryOp, UnaryParam(U::SIGMOID), {x}, name("sigmoid"), shape);
      rewriter.AddOp(mnn::OpType::BinaryOp, GraphRewriter::BinaryParam(B::MUL), {x, gate}, y);
      continue;
    }
    const int three = rewriter.Constant(name("three"), {}, {3.0f}),
              sixth = rewriter.Constant(name("sixth"), {}, {1.0f / 6});
    const int sum = rewriter.Binary(B::ADD, x, three, name("sum"), shape);
    const int clip = rewriter.Emit(mnn::OpType::ReLU6, Param(mnn::Relu6T{}), {sum}, name("clip"), shape);
    const int product = rewriter.Binary(B::MUL, x, clip, name("product"), shape);
    rewriter.AddOp(mnn::OpType::BinaryOp, GraphRewriter::BinaryParam(B::MUL), {product, sixth}, y);
  }
  return absl::OkStatus();
}

}  // namespace quantpress::graph
