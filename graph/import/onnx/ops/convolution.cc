// Convolutions of one to three spatial axes.
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/window.h"

namespace quantpress::graph::onnx {
namespace {

template <typename... Args>
Value Refuse(NodeContext& n, fmt::format_string<Args...> format, Args&&... args) {
  n.Fail(format, std::forward<Args>(args)...);
  return {};
}

}  // namespace

// x [N, C, D, H, W] as one 2-D convolution per kernel plane, summed: the runtime's low-bit kernels are 2-D, and so the
// weights can be quantized.
Value Conv3D(NodeContext& n, Value x, Value weight, Value bias, const Window& w, int64_t group) {
  const Shape xs = *n.b.shape(x), ws = *n.b.shape(weight);
  if (!IsKnown(xs[2])) {
    n.Fail("a 3-D convolution over a depth of unknown size");
    return {};
  }
  const int64_t span = xs[2] + w.pads[0] + w.pads[3] - (w.dilation[0] * (w.kernel[0] - 1) + 1);
  if (span < 0) {
    n.Fail("a kernel of depth {} over {} elements", w.kernel[0], xs[2]);
    return {};
  }
  const int64_t depth = span / w.stride[0] + 1;
  Value planes = n.b.Transpose(x, {0, 2, 1, 3, 4});  // [N, D, C, H, W]
  planes = n.b.Pad(planes, {0, w.pads[0], 0, 0, 0, 0, w.pads[3], 0, 0, 0}, mnn::PadValueMode::CONSTANT, n.b.ScalarFloat(0));
  Window flat = w;
  for (auto* list : {&flat.kernel, &flat.stride, &flat.dilation}) list->erase(list->begin());
  flat.pads = {w.pads[1], w.pads[2], w.pads[4], w.pads[5]};
  Value sum;
  for (int64_t k = 0; k < w.kernel[0] && n.ok(); ++k) {
    const int64_t start = k * w.dilation[0];
    const Value part = n.b.Slice(planes, {start}, {start + (depth - 1) * w.stride[0] + 1}, {1}, {w.stride[0]});
    const Value rows = n.b.ReshapeTo(part, {-1, xs[1], IsKnown(xs[3]) ? xs[3] : -1, IsKnown(xs[4]) ? xs[4] : -1});
    const Value kernel = n.b.Squeeze(n.b.Slice(weight, {k}, {k + 1}, {2}), {2});
    const Value y = n.b.Conv2D(rows, kernel, k == 0 ? bias : Value{}, ToWindow2D(flat), group);
    sum = sum.valid() ? n.b.Add(sum, y) : y;
  }
  if (!n.ok()) return {};
  const Shape ys = *n.b.shape(sum);
  const Value stacked = n.b.ReshapeTo(sum, {IsKnown(xs[0]) ? xs[0] : -1, depth, ws[0], ys[2], ys[3]});
  return n.b.Transpose(stacked, {0, 2, 1, 3, 4});
}

Value Convolution(NodeContext& n, Value x, Value weight, Value bias) {
  const size_t rank = n.b.Rank(weight);
  n.b.AssumeRank(x, rank);
  const size_t input_rank = n.b.Rank(x);
  if (!n.ok()) return {};
  if (rank < 3 || rank > 5) return Refuse(n, "a convolution with {} spatial axes", static_cast<int64_t>(rank) - 2);
  if (input_rank != rank) {
    return Refuse(n, "a tensor of shape {} with weights of shape {}", ShapeText(n.b.shape(x)), ShapeText(n.b.shape(weight)));
  }
  const Shape ws = *n.b.shape(weight);
  if (!IsStatic(ws)) return Refuse(n, "weights of unknown size {}", ShapeText(ws));
  // The weight's own size rules; kernel_shape may be absent.
  const Window window = ReadWindow(n, {ws.begin() + 2, ws.end()}, n.b.shape(x));
  if (!n.ok()) return {};
  if (window.same_upper || window.same_lower) return Refuse(n, "auto_pad with a stride over an axis of unknown size");
  const int64_t group = n.Int("group", 1);
  if (rank == 5) return Conv3D(n, x, weight, bias, window, group);
  return n.b.Conv2D(x, weight, bias, ToWindow2D(window), group);
}

namespace {

void Conv(NodeContext& n) { n.SetOutput(0, Convolution(n, n.Input(0), n.Input(1), n.OptionalInput(2))); }

constexpr OpRow kRows[] = {
    {"", "Conv", 1, kNewest, Conv, "3-D: one 2-D convolution per kernel plane"},
};

}  // namespace

std::span<const OpRow> ConvolutionOps() { return kRows; }

}  // namespace quantpress::graph::onnx
