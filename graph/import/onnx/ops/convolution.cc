// Convolutions.
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/window.h"

namespace quantpress::graph::onnx {
namespace {

void Conv(NodeContext& n) {
  Value x = n.Input(0);
  const Value weight = n.Input(1), bias = n.OptionalInput(2);
  const size_t rank = n.b.Rank(weight);
  if (!n.ok()) return;
  if (rank < 3 || rank > 4) return n.Fail("a convolution with {} spatial axes", static_cast<int64_t>(rank) - 2);
  const Shape ws = *n.b.shape(weight);
  // The weight's own size rules; kernel_shape may be absent.
  const Window window = ReadWindow(n, {ws.begin() + 2, ws.end()}, n.b.shape(x));
  if (!n.ok()) return;
  if (window.same_upper || window.same_lower) return n.Fail("auto_pad with a stride over an axis of unknown size");
  n.SetOutput(0, n.b.Conv2D(x, weight, bias, ToWindow2D(window), n.Int("group", 1)));
}

constexpr OpRow kRows[] = {
    {"", "Conv", 1, kNewest, Conv, ""},
};

}  // namespace

std::span<const OpRow> ConvolutionOps() { return kRows; }

}  // namespace quantpress::graph::onnx
