// DeformConv: samples at shifted positions, then a 1x1 convolution over channels times kernel elements.
#include "graph/fold/fold.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/sampling.h"
#include "graph/import/onnx/ops/window.h"

namespace quantpress::graph::onnx {
namespace {

// The two neighbours of a position; those outside count as zero.
std::vector<AxisTap> LinearTaps(Expr at, Expr length) {
  const Expr base = Floor(at), t = at - base;
  const auto tap = [&](Expr index, Expr weight) {
    return AxisTap{Clamp(index, length * 0.0, length - 1.0), weight * Indicator(index >= 0.0) * Indicator(index <= length - 1.0)};
  };
  return {tap(base, 1.0 - t), tap(base + 1.0, t)};
}

void DeformConv(NodeContext& n) {
  GraphBuilder& b = n.b;
  const Value x = n.Input(0), weight = n.Input(1), offset = n.Input(2), bias = n.OptionalInput(3), mask = n.OptionalInput(4);
  const size_t rank = b.Rank(x);
  if (!n.ok()) return;
  if (rank != 4 || b.Rank(weight) != 4 || b.Rank(offset) != 4) {
    return n.Fail("a tensor of shape {} with weights of shape {}; expected two spatial axes", ShapeText(b.shape(x)), ShapeText(b.shape(weight)));
  }
  const Shape xs = *b.shape(x), ws = *b.shape(weight);
  if (!IsStatic(ws) || !IsKnown(xs[1])) return n.Fail("a tensor of shape {} with weights of shape {}; channels and kernel must be known", ShapeText(xs), ShapeText(ws));
  const int64_t groups = n.Int("offset_group", 1), kernel = ws[2] * ws[3];
  const Window w = ReadWindow(n, {ws[2], ws[3]}, xs);
  if (!n.ok()) return;
  constexpr int64_t kMax = int64_t{1} << 24;
  for (int64_t number : {w.stride[0], w.stride[1], w.dilation[0], w.dilation[1], w.pads[0], w.pads[1], w.pads[2], w.pads[3]}) {
    if (number < -kMax || number > kMax) return n.Fail("a stride, dilation or padding of {}", number);
  }
  if (groups < 1 || xs[1] % groups != 0 || kernel < 1 || kernel > 4096) return n.Fail("{} offset groups for a tensor of shape {}", groups, ShapeText(xs));
  const std::vector<Size> sizes = SizesOf(b, x), places = SizesOf(b, offset);
  const Size per_group = Fixed(xs[1] / groups), k = Fixed(kernel);
  const std::vector<Size> rows = {sizes[0], Fixed(groups)};
  const Value grouped = ReshapeToProducts(b, x, {rows, {per_group}, {sizes[2]}, {sizes[3]}});
  const SampleSource source = PrepareSource(b, grouped);
  const Value shifts = ReshapeToProducts(b, offset, {rows, {k}, {Fixed(2)}, {places[2]}, {places[3]}});
  std::vector<std::vector<AxisTap>> taps;
  for (size_t i = 0; i < 2; ++i) {
    std::vector<int64_t> from(static_cast<size_t>(kernel));
    for (int64_t e = 0; e < kernel; ++e) from[static_cast<size_t>(e)] = (i == 0 ? e / ws[3] : e % ws[3]) * w.dilation[i] - w.pads[i];
    const Expr start{&b, b.Cast(b.Ints(std::move(from), {kernel, 1, 1}), ElementType::kFloat32)};
    Expr position = ToFloat(Iota({&b, ToScalar(b, places[i + 2])})) * static_cast<double>(w.stride[i]);
    position = WithAxes(position, {i == 0 ? 1 : 0});
    const Expr shift{&b, b.Gather(shifts, b.ScalarInt(static_cast<int64_t>(i)), 2)};
    taps.push_back(LinearTaps(shift + (start + position), AxisLength(b, source, i)));
  }
  Value columns = SampleTaps(b, source, BatchIndex(b, SizeOf(b, grouped, 0), 4), taps);  // [N * groups, kernel, h, w, C / groups]
  if (mask.valid()) columns = b.Mul(columns, b.Unsqueeze(ReshapeToProducts(b, mask, {rows, {k}, {places[2]}, {places[3]}}), {4}));
  const Value unfolded = ReshapeToProducts(b, b.Transpose(columns, {0, 4, 1, 2, 3}), {{sizes[0]}, {sizes[1], k}, {places[2]}, {places[3]}});
  const Value flat = b.ReshapeTo(weight, {ws[0], ws[1] * kernel, 1, 1});
  n.SetOutput(0, b.Conv2D(unfolded, flat, bias, Window2D{}, n.Int("group", 1)));
}

constexpr OpRow kRows[] = {
    {"", "DeformConv", 19, kNewest, DeformConv, "gathers and a 1x1 convolution; two spatial axes"},
};

}  // namespace

std::span<const OpRow> DeformConvOps() { return kRows; }

}  // namespace quantpress::graph::onnx
