// GridSample and AffineGrid.
#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/sampling.h"

namespace quantpress::graph::onnx {
namespace {

struct GridMode {
  std::string mode;     // nearest, linear, cubic
  std::string padding;  // zeros, border, reflection
  bool align_corners = false;
};

// Mirrors x at both ends of [low, high] until it lies inside.
Expr Reflect(Expr x, Expr low, Expr high) {
  const Expr range = Max(high - low, 1e-6);
  const Expr from = x - low;
  const Expr phase = from - Floor(from / (range * 2.0)) * (range * 2.0);
  return low + Min(phase, range * 2.0 - phase);
}

// Cubic convolution weights for a = -0.75 of the neighbours at distance 1 + t, t, 1 - t, 2 - t.
std::vector<Expr> CubicWeights(Expr t) {
  constexpr double a = -0.75;
  const auto near = [](Expr x) { return ((x * (a + 2) - (a + 3)) * x) * x + 1.0; };
  const auto far = [](Expr x) { return ((x * a - 5 * a) * x + 8 * a) * x - 4 * a; };
  return {far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)};
}

// Neighbours along one axis for grid coordinates in [-1, 1].
std::vector<AxisTap> GridTaps(const GridMode& m, Expr grid, Expr length) {
  Expr x = m.align_corners ? (grid + 1.0) / 2.0 * (length - 1.0) : ((grid + 1.0) * length - 1.0) / 2.0;
  const Expr low = m.align_corners ? length * 0.0 : length * 0.0 - 0.5;
  const Expr high = m.align_corners ? length - 1.0 : length - 0.5;
  const bool zeros = m.padding == "zeros", reflection = m.padding == "reflection";
  if (m.mode == "nearest") x = RoundHalfEven(x);
  // Cubic weights are those of the place itself, as PyTorch and onnxruntime have it; only the neighbours are clamped.
  if (m.padding == "border" && m.mode != "cubic") x = Clamp(x, length * 0.0, length - 1.0);
  if (reflection) x = Reflect(x, low, high);
  // One neighbour at a whole position, with what padding makes of it.
  const auto tap = [&](Expr at, Expr weight) {
    if (zeros) {
      const Expr inside = Indicator(at >= 0.0) * Indicator(at <= length - 1.0);
      weight = weight.v.valid() ? weight * inside : inside;
    } else if (reflection) {
      at = Floor(Reflect(at, low, high));
    }
    return AxisTap{Clamp(at, length * 0.0, length - 1.0), weight};
  };
  if (m.mode == "nearest") return {tap(reflection ? RoundHalfEven(x) : x, {})};
  const Expr base = Floor(x), t = x - base;
  if (m.mode == "linear") return {tap(base, 1.0 - t), tap(base + 1.0, t)};
  std::vector<AxisTap> taps;
  const std::vector<Expr> weights = CubicWeights(t);
  for (size_t k = 0; k < 4; ++k) taps.push_back(tap(base + (static_cast<double>(k) - 1.0), weights[k]));
  return taps;
}

void GridSample(NodeContext& n) {
  GraphBuilder& b = n.b;
  const Value x = n.Input(0), grid = n.Input(1);
  const size_t rank = b.Rank(x);
  GridMode m;
  m.mode = n.String("mode", "linear");
  if (m.mode == "bilinear") m.mode = "linear";
  if (m.mode == "bicubic") m.mode = "cubic";
  m.padding = n.String("padding_mode", "zeros");
  m.align_corners = n.Int("align_corners", 0) != 0;
  if (!n.ok()) return;
  if (m.mode != "nearest" && m.mode != "linear" && m.mode != "cubic") return n.Fail("mode '{}'; expected nearest, linear or cubic", m.mode);
  if (m.padding != "zeros" && m.padding != "border" && m.padding != "reflection") {
    return n.Fail("padding_mode '{}'; expected zeros, border or reflection", m.padding);
  }
  if (rank < 3 || rank > 6 || b.Rank(grid) != rank) {
    return n.Fail("a tensor of shape {} with a grid of shape {}", ShapeText(b.shape(x)), ShapeText(b.shape(grid)));
  }
  const size_t axes = rank - 2;
  const Dim last = b.shape(grid)->back();
  if (IsKnown(last) && last != static_cast<int64_t>(axes)) return n.Fail("a grid of shape {} for {} spatial axes", ShapeText(b.shape(grid)), axes);
  if (rank == 4 && IsFloat(b.type(x)) && m.mode == "linear" && m.padding != "reflection") {
    mnn::GridSampleT param;
    param.mode = mnn::SampleMode::BILINEAR;
    param.paddingMode = m.padding == "zeros" ? mnn::BorderMode::ZEROS : mnn::BorderMode::CLAMP;
    param.alignCorners = m.align_corners;
    Shape out = *b.shape(x);
    for (size_t i = 0; i < axes; ++i) out[i + 2] = (*b.shape(grid))[i + 1];
    return n.SetOutput(0, b.Emit(mnn::OpType::GridSample, Param(param), {x, grid}, {b.type(x), out}));
  }
  const ElementType type = b.type(x);
  // Weights make it arithmetic on floats; without any, elements of every type are only moved.
  const bool moves = m.mode == "nearest" && m.padding != "zeros";
  const SampleSource source = PrepareSource(b, moves ? x : b.Cast(x, ElementType::kFloat32));
  const std::vector<Size> places = SizesOf(b, grid);
  const std::vector<Size> points(places.begin() + 1, places.end() - 1);
  const Value flat = ReshapeToProducts(b, b.Cast(grid, ElementType::kFloat32), {{places[0]}, points, {Fixed(static_cast<int64_t>(axes))}});
  std::vector<std::vector<AxisTap>> taps;
  for (size_t i = 0; i < axes; ++i) {
    // The grid names the last axis first.
    const Value coordinate = b.Gather(flat, b.ScalarInt(static_cast<int64_t>(axes - 1 - i)), 2);
    taps.push_back(GridTaps(m, {&b, coordinate}, AxisLength(b, source, i)));
  }
  const Value y = b.Cast(SampleTaps(b, source, BatchIndex(b, source.sizes[0], 2), taps), type);
  std::vector<Size> out = {places[0], SizeOf(b, x, 1)};
  out.insert(out.end(), points.begin(), points.end());
  n.SetOutput(0, ReshapeToSizes(b, b.Transpose(y, {0, 2, 1}), out));
}

// theta [N, k, k + 1] times the homogeneous coordinates of every output position.
void AffineGrid(NodeContext& n) {
  GraphBuilder& b = n.b;
  const Value theta = n.Input(0), size = n.Input(1);
  if (b.Rank(theta) != 3 && n.ok()) n.Fail("theta of shape {}; expected [N, 2, 3] or [N, 3, 4]", ShapeText(b.shape(theta)));
  if (!n.ok()) return;
  const Dim k = (*b.shape(theta))[1];
  if (k != 2 && k != 3) return n.Fail("theta of shape {}; expected [N, 2, 3] or [N, 3, 4]", ShapeText(b.shape(theta)));
  const bool align = n.Int("align_corners", 0) != 0;
  const auto axes = static_cast<size_t>(k);
  // Column j of theta as [N, 1, ..., 1, k].
  const auto column = [&](int64_t j) {
    std::vector<int64_t> inserted;
    for (int64_t i = 0; i < k; ++i) inserted.push_back(i + 1);
    return b.Unsqueeze(b.Gather(theta, b.ScalarInt(j), 2), inserted);
  };
  Value sum = column(k);
  for (size_t i = 0; i < axes; ++i) {
    const Value length = b.Gather(size, b.ScalarInt(static_cast<int64_t>(i) + 2), 0);
    const Expr count = ToFloat({&b, length}), position = ToFloat(Iota({&b, length}));
    const Expr along = align ? position * 2.0 / Max(count - 1.0, 1.0) - 1.0 : (position * 2.0 + 1.0) / count - 1.0;
    std::vector<int64_t> inserted = {0};
    for (size_t j = 0; j <= axes; ++j) {
      if (j != i) inserted.push_back(static_cast<int64_t>(j) + 1);
    }
    // The first column belongs to the last axis.
    sum = b.Add(sum, b.Mul(b.Unsqueeze(along, inserted), column(static_cast<int64_t>(axes - 1 - i))));
  }
  n.SetOutput(0, sum);
}

constexpr OpRow kRows[] = {
    {"", "GridSample", 16, kNewest, GridSample, "the runtime's own where linear without reflection, else gathers"},
    {"", "AffineGrid", 20, kNewest, AffineGrid, ""},
};

}  // namespace

std::span<const OpRow> GridSampleOps() { return kRows; }

}  // namespace quantpress::graph::onnx
