// Regions of interest: RoiAlign and MaxRoiPool.
#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/sampling.h"

namespace quantpress::graph::onnx {
namespace {

struct RoiMode {
  int64_t out[2] = {1, 1};  // height, width
  int64_t sampling_ratio = 0;
  float scale = 1;
  bool half_pixel = true;
  bool max = false;
};

struct RoiAxis {
  std::vector<AxisTap> taps;  // [R, bins * samples]
  Expr samples;               // most samples per bin of any region, int64 scalar
  Expr count;                 // samples per bin of each region [R]; invalid: the same everywhere
  Expr used;                  // [R, bins * samples] samples that the region has; invalid: all
};

// Sample positions along one axis. begin, end: edges of the regions [R].
RoiAxis SampleAxis(const RoiMode& m, Expr begin, Expr end, Expr length, int64_t bins) {
  GraphBuilder& b = *begin.b;
  const double offset = m.half_pixel ? 0.5 : 0;
  const Expr start = begin * static_cast<double>(m.scale) - offset;
  Expr extent = end * static_cast<double>(m.scale) - offset - start;
  if (!m.half_pixel) extent = Max(extent, 1.0);
  const Expr bin = extent / static_cast<double>(bins);
  RoiAxis axis;
  Expr count;  // [R, 1, 1] or scalar
  if (m.sampling_ratio > 0) {
    axis.samples = {&b, b.ScalarInt(m.sampling_ratio)};
    count = ToFloat(axis.samples);
  } else {
    axis.count = Ceil(bin);
    axis.samples = ToInt({&b, b.Reduce(mnn::ReductionType::MAXIMUM, Max(axis.count, 1.0), {}, false)});
    count = WithAxes(Max(axis.count, 1.0), {1, 2});
  }
  const Expr sample = WithAxes(ToFloat(Iota(axis.samples)), {0, 1});                       // [1, 1, samples]
  const Expr place = WithAxes(ToFloat(Iota({&b, b.ScalarInt(bins)})), {0, 2});             // [1, bins, 1]
  const Expr wide = WithAxes(bin, {1, 2});
  const auto flatten = [&](Expr v) { return Expr{&b, b.Reshape(v, b.IntList({0, -1}))}; };
  const Expr y = flatten(WithAxes(start, {1, 2}) + place * wide + (sample + 0.5) * wide / count);
  const Expr valid = Indicator(y >= -1.0) * Indicator(y <= length);
  if (axis.count.v.valid()) {
    axis.used = flatten(Indicator(sample < WithAxes(axis.count, {1, 2})) + place * wide * 0.0);
  }
  const Expr inner = Max(y, 0.0), low = Min(Floor(inner), length - 1.0);
  const Expr t = Max(Min(inner, length - 1.0) - low, 0.0);
  axis.taps = {{Clamp(low, length * 0.0, length - 1.0), (1.0 - t) * valid}, {Clamp(low + 1.0, length * 0.0, length - 1.0), t * valid}};
  return axis;
}

Value Decompose(NodeContext& n, const RoiMode& m, Value x, Value rois, Value batch) {
  GraphBuilder& b = n.b;
  const SampleSource source = PrepareSource(b, x);
  const auto edge = [&](int64_t i) { return Expr{&b, b.Gather(rois, b.ScalarInt(i), 1)}; };
  RoiAxis y = SampleAxis(m, edge(1), edge(3), AxisLength(b, source, 0), m.out[0]);
  RoiAxis z = SampleAxis(m, edge(0), edge(2), AxisLength(b, source, 1), m.out[1]);
  for (AxisTap& tap : y.taps) tap = {WithAxes(tap.index, {2}), WithAxes(tap.weight, {2})};
  for (AxisTap& tap : z.taps) tap = {WithAxes(tap.index, {1}), WithAxes(tap.weight, {1})};
  const Value regions = b.Unsqueeze(b.Cast(batch, ElementType::kInt64), {1, 2});
  Value values;
  if (m.max) {
    // The largest weighted neighbour, as the reference has it, not the largest interpolated value.
    ForEachSample(b, source, regions, {y.taps, z.taps}, [&](Value v, Value weight) {
      const Value weighted = b.Mul(v, b.Unsqueeze(weight, {-1}));
      values = values.valid() ? b.Max(values, weighted) : weighted;
    });
  } else {
    values = SampleTaps(b, source, regions, {y.taps, z.taps});
  }
  if (y.used.v.valid()) {
    const Expr used = WithAxes(WithAxes(y.used, {2}) * WithAxes(z.used, {1}), {3});
    values = m.max ? Value(Where(used > 0.5, {&b, values}, {&b, b.ScalarFloat(-3.4e38f)})) : b.Mul(values, used);
  }
  // [R, bins, samples, bins, samples, C] -> [R, bins, bins, C]
  const auto list = [&](Value v) { return b.Reshape(v, b.IntList({1})); };
  const Value apart = b.Reshape(values, b.Concat({b.IntList({0, m.out[0]}), list(y.samples), b.IntList({m.out[1]}), list(z.samples), list(b.DimOf(x, 1))}, 0));
  Value pooled;
  if (m.max || m.sampling_ratio > 0) {
    pooled = b.Reduce(m.max ? mnn::ReductionType::MAXIMUM : mnn::ReductionType::MEAN, apart, {2, 4}, false);
    if (m.max && y.count.v.valid()) {
      // A region without samples is zero.
      const Expr any = WithAxes(Min(y.count, z.count), {1, 2, 3});
      pooled = Where(any > 0.5, {&b, pooled}, {&b, b.ScalarFloat(0)});
    }
  } else {
    const Expr count = Max(Max(y.count, 0.0) * Max(z.count, 0.0), 1.0);
    pooled = b.Div(b.Reduce(mnn::ReductionType::SUM, apart, {2, 4}, false), WithAxes(count, {1, 2, 3}));
  }
  return b.Transpose(pooled, {0, 3, 1, 2});
}

bool CheckRois(NodeContext& n, Value x, Value rois, int64_t columns) {
  if (n.ok() && (n.b.Rank(x) != 4 || n.b.Rank(rois) != 2 || (IsKnown((*n.b.shape(rois))[1]) && (*n.b.shape(rois))[1] != columns))) {
    n.Fail("a tensor of shape {} with regions of shape {}; expected [N, C, H, W] and [R, {}]", ShapeText(n.b.shape(x)), ShapeText(n.b.shape(rois)), columns);
  }
  return n.ok();
}

void RoiAlign(NodeContext& n) {
  const Value x = n.Input(0), rois = n.Input(1), batch = n.Input(2);
  RoiMode m;
  m.out[0] = n.Int("output_height", 1);
  m.out[1] = n.Int("output_width", 1);
  m.sampling_ratio = n.Int("sampling_ratio", 0);
  m.scale = n.Float("spatial_scale", 1);
  // The half pixel came with opset 16.
  m.half_pixel = n.String("coordinate_transformation_mode", n.opset() < 16 ? "output_half_pixel" : "half_pixel") == "half_pixel";
  const std::string mode = n.String("mode", "avg");
  m.max = mode == "max";
  if (!CheckRois(n, x, rois, 4)) return;
  if (mode != "avg" && mode != "max") return n.Fail("mode '{}'; expected avg or max", mode);
  if (m.out[0] < 1 || m.out[1] < 1 || m.out[0] > 65536 || m.out[1] > 65536 || m.sampling_ratio < 0 || m.sampling_ratio > 4096) {
    return n.Fail("an output of {} x {} with a sampling_ratio of {}", m.out[0], m.out[1], m.sampling_ratio);
  }
  if (m.max) return n.SetOutput(0, Decompose(n, m, x, rois, batch));
  mnn::RoiParametersT param;
  param.pooledHeight = static_cast<int32_t>(m.out[0]);
  param.pooledWidth = static_cast<int32_t>(m.out[1]);
  param.spatialScale = m.scale;
  param.samplingRatio = static_cast<int32_t>(m.sampling_ratio);
  param.aligned = m.half_pixel;
  param.poolType = mnn::PoolType::AVEPOOL;
  const Shape out = {(*n.b.shape(rois))[0], (*n.b.shape(x))[1], m.out[0], m.out[1]};
  const Value pooled = n.b.Emit(mnn::OpType::ROIAlign, Param(param), {x, rois, n.b.Cast(batch, ElementType::kInt32)}, {n.b.type(x), out});
  if (!m.half_pixel || m.sampling_ratio > 0) return n.SetOutput(0, pooled);
  // A region without any extent has no samples: the runtime divides by their number, and ONNX says zero.
  const auto edge = [&](int64_t i) { return Expr{&n.b, n.b.Gather(rois, n.b.ScalarInt(i), 1)}; };
  const Expr extent = WithAxes(Min(edge(2) - edge(0), edge(3) - edge(1)), {1, 2, 3});
  n.SetOutput(0, n.b.Select(extent > 0.0, pooled, n.b.ScalarLike(0, pooled)));
}

void MaxRoiPool(NodeContext& n) {
  const Value x = n.Input(0), rois = n.Input(1);
  const std::vector<int64_t> pooled = n.Ints("pooled_shape");
  const float scale = n.Float("spatial_scale", 1);
  if (!CheckRois(n, x, rois, 5)) return;
  if (pooled.size() != 2 || pooled[0] < 1 || pooled[1] < 1 || pooled[0] > 65536 || pooled[1] > 65536) return n.Fail("a pooled_shape of {} entries", pooled.size());
  mnn::RoiParametersT param;
  param.pooledHeight = static_cast<int32_t>(pooled[0]);
  param.pooledWidth = static_cast<int32_t>(pooled[1]);
  param.spatialScale = scale;
  param.poolType = mnn::PoolType::MAXPOOL;
  const Shape out = {(*n.b.shape(rois))[0], (*n.b.shape(x))[1], pooled[0], pooled[1]};
  n.SetOutput(0, n.b.Emit(mnn::OpType::ROIPooling, Param(param), {x, rois}, {n.b.type(x), out}));
}

constexpr OpRow kRows[] = {
    {"", "RoiAlign", 10, kNewest, RoiAlign, "average: the runtime's own; max: gathers"},
    {"", "MaxRoiPool", 1, kNewest, MaxRoiPool, ""},
};

}  // namespace

std::span<const OpRow> RoiOps() { return kRows; }

}  // namespace quantpress::graph::onnx
