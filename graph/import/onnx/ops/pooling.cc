// Pooling.
#include <algorithm>
#include <functional>

#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/pooling_taps.h"

namespace quantpress::graph::onnx {
namespace {

// Reads the window; an error where kernel and input do not go together.
Window PoolWindow(NodeContext& n, Value x) {
  const std::vector<int64_t> kernel = n.Ints("kernel_shape");
  if (!kernel.empty()) n.b.AssumeRank(x, kernel.size() + 2);
  const size_t rank = n.b.Rank(x);
  if (n.ok() && (kernel.empty() || kernel.size() + 2 != rank)) {
    n.Fail("a kernel of {} axes over a tensor of rank {}", kernel.size(), rank);
  }
  if (!n.ok()) return {};
  Window w = ReadWindow(n, kernel, n.b.shape(x));
  if (w.same_upper || w.same_lower) n.Fail("auto_pad with a stride over an axis of unknown size");
  for (int64_t p : w.pads) {
    if (p < 0) n.Fail("a padding of {}; paddings are not negative", p);
  }
  return w;
}

bool IsDilated(const Window& w) {
  return std::any_of(w.dilation.begin(), w.dilation.end(), [](int64_t d) { return d != 1; });
}

// The runtime's own pooling over one or two spatial axes. What ceil_mode reads behind the padding becomes padding, so that
// the runtime's shape rule, which differs, is not asked.
Value NativePool(NodeContext& n, Value x, Window w, const Shape& out, mnn::PoolType type, bool ceil_mode, bool include_pad) {
  const Shape in = *n.b.shape(x);
  const size_t axes = w.kernel.size();
  bool known = true;
  for (size_t i = 0; i < axes; ++i) {
    known = known && IsKnown(in[i + 2]);
    if (!IsKnown(in[i + 2])) continue;
    const int64_t reach = (out[i + 2] - 1) * w.stride[i] + w.kernel[i];
    w.pads[i + axes] = std::max(w.pads[i + axes], reach - in[i + 2] - w.pads[i]);
  }
  for (size_t i = 0; ceil_mode && !known && i < axes; ++i) {
    // The runtime keeps a last window that starts in the padding; with these sizes there is none.
    if (w.pads[i + axes] + w.stride[i] > w.kernel[i]) {
      n.Fail("ceil_mode with this window over an axis of unknown size");
      return {};
    }
  }
  const Window2D window = ToWindow2D(w);
  mnn::PoolT param;
  param.type = type;
  param.kernelY = static_cast<int32_t>(window.kernel[0]);
  param.kernelX = static_cast<int32_t>(window.kernel[1]);
  param.strideY = static_cast<int32_t>(window.stride[0]);
  param.strideX = static_cast<int32_t>(window.stride[1]);
  param.padY = static_cast<int32_t>(window.pads[0]);
  param.padX = static_cast<int32_t>(window.pads[1]);
  for (int64_t p : window.pads) param.pads.push_back(static_cast<int32_t>(p));
  param.padType = mnn::PoolPadType::CAFFE;
  param.ceilModel = ceil_mode && !known;
  param.countType = include_pad ? mnn::AvgPoolCountType::INCLUDE_PADDING : mnn::AvgPoolCountType::EXCLUDE_PADDING;
  return n.b.Emit(mnn::OpType::Pooling, Param(std::move(param)), {x}, {n.b.type(x), out});
}

void MaxPool(NodeContext& n) {
  Value x = n.Input(0);
  const Window w = PoolWindow(n, x);
  if (!n.ok()) return;
  const ElementType type = n.b.type(x);
  if (!IsFloat(type)) x = n.b.Cast(x, ElementType::kFloat32);
  const bool ceil_mode = n.Int("ceil_mode", 0) != 0;
  const Shape out = PooledShape(n, *n.b.shape(x), w, ceil_mode);
  if (!n.ok()) return;
  Value result, indices;
  if (n.OutputUsed(1)) {
    result = MaxOfTaps(n, x, w, out, n.Int("storage_order", 0) != 0, &indices);
  } else if (w.kernel.size() > 2 || IsDilated(w)) {
    result = MaxOfTaps(n, x, w, out, false, nullptr);
  } else {
    result = NativePool(n, x, w, out, mnn::PoolType::MAXPOOL, ceil_mode, false);
  }
  n.SetOutput(0, n.b.Cast(result, type));
  n.SetOutput(1, indices);
}

void AveragePool(NodeContext& n) {
  const Value x = n.Input(0);
  Window w = PoolWindow(n, x);
  if (!n.ok()) return;
  const Shape in = *n.b.shape(x);
  const bool ceil_mode = n.Int("ceil_mode", 0) != 0, include_pad = n.Int("count_include_pad", 0) != 0;
  const Shape out = PooledShape(n, in, w, ceil_mode);
  if (!n.ok()) return;
  const bool spatial_known = IsStatic({in.begin() + 2, in.end()});
  bool overhang = false;
  for (size_t i = 0; spatial_known && i < w.kernel.size(); ++i) {
    overhang = overhang || (out[i + 2] - 1) * w.stride[i] + w.kernel[i] > in[i + 2] + w.pads[i] + w.pads[i + w.kernel.size()];
  }
  // Padding counts, but what ceil_mode reads behind it does not: the runtime cannot tell them apart.
  if (w.kernel.size() > 2 || IsDilated(w) || (include_pad && overhang)) {
    const Value sum = SumOfTaps(n, x, w, out);
    if (!n.ok()) return;
    return n.SetOutput(0, n.b.Div(sum, TapCounts(n, in, w, out, include_pad)));
  }
  const auto half = static_cast<int64_t>(w.kernel.size());
  if (include_pad && !std::equal(w.pads.begin(), w.pads.begin() + half, w.pads.begin() + half)) {
    // The runtime counts uneven padding wrongly: zeros that are there count rightly.
    std::vector<int64_t> pads(2 * in.size(), 0);
    for (size_t i = 0; i < w.kernel.size(); ++i) {
      pads[i + 2] = w.pads[i];
      pads[in.size() + i + 2] = w.pads[i + w.kernel.size()];
    }
    const Value padded = n.b.Pad(x, pads, mnn::PadValueMode::CONSTANT, n.b.ScalarFloat(0));
    w.pads.assign(w.pads.size(), 0);
    if (!n.ok()) return;
    return n.SetOutput(0, NativePool(n, padded, w, out, mnn::PoolType::AVEPOOL, ceil_mode, false));
  }
  if (include_pad && ceil_mode && !spatial_known) return n.Fail("ceil_mode with count_include_pad over axes of unknown size");
  n.SetOutput(0, NativePool(n, x, w, out, mnn::PoolType::AVEPOOL, ceil_mode, include_pad));
}

// (sum |x|^p)^(1/p)
Value PowerSum(NodeContext& n, Value x, float p, const std::function<Value(Value)>& sum) {
  using U = mnn::UnaryOpOperation;
  const Value magnitude = n.b.Unary(U::ABS, x);
  if (p == 1) return sum(magnitude);
  if (p == 2) return n.b.Unary(U::SQRT, sum(n.b.Unary(U::SQUARE, x)));
  const Value powers = n.b.Binary(mnn::BinaryOpOperation::POW, magnitude, n.b.ScalarFloat(p));
  return n.b.Binary(mnn::BinaryOpOperation::POW, sum(powers), n.b.ScalarFloat(1 / p));
}

float LpExponent(NodeContext& n) {
  // A float before opset 2, an integer from then on.
  const float p = n.opset() < 2 ? n.Float("p", 2) : static_cast<float>(n.Int("p", 2));
  if (n.ok() && !(p > 0)) n.Fail("p is {}; it must be positive", p);
  return p;
}

void LpPool(NodeContext& n) {
  const Value x = n.Input(0);
  const Window w = PoolWindow(n, x);
  const float p = LpExponent(n);
  if (!n.ok()) return;
  const Shape out = PooledShape(n, *n.b.shape(x), w, n.Int("ceil_mode", 0) != 0);
  if (!n.ok()) return;
  n.SetOutput(0, PowerSum(n, x, p, [&](Value v) { return SumOfTaps(n, v, w, out); }));
}

std::vector<int64_t> SpatialAxes(NodeContext& n, Value x) {
  std::vector<int64_t> axes;
  const size_t rank = n.b.Rank(x);
  for (size_t i = 2; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  return axes;
}

// A reduction over the spatial axes: exact for every rank, which the runtime's global pooling is not.
template <mnn::ReductionType kType>
void GlobalPool(NodeContext& n) {
  const Value x = n.Input(0);
  const std::vector<int64_t> axes = SpatialAxes(n, x);
  n.SetOutput(0, axes.empty() ? x : n.b.Reduce(kType, x, axes, true));
}

void GlobalLpPool(NodeContext& n) {
  const Value x = n.Input(0);
  const std::vector<int64_t> axes = SpatialAxes(n, x);
  const float p = LpExponent(n);
  if (!n.ok()) return;
  n.SetOutput(0, PowerSum(n, x, p, [&](Value v) {
    return axes.empty() ? v : n.b.Reduce(mnn::ReductionType::SUM, v, axes, true);
  }));
}

void MaxUnpool(NodeContext& n) {
  const Value x = n.Input(0), indices = n.Input(1);
  const Window w = PoolWindow(n, x);
  if (!n.ok()) return;
  const Shape in = *n.b.shape(x);
  if (!IsStatic(in)) return n.Fail("a tensor of unknown size {}", ShapeText(in));
  const size_t axes = w.kernel.size();
  Shape natural = in;
  for (size_t i = 0; i < axes; ++i) {
    natural[i + 2] = (in[i + 2] - 1) * w.stride[i] + w.kernel[i] - w.pads[i] - w.pads[i + axes];
  }
  Shape out = natural;
  if (n.HasInput(2)) out = n.ConstantInts(2, "output_shape");
  if (!n.ok()) return;
  if (out.size() != in.size()) return n.Fail("an output_shape of {} entries for a tensor of rank {}", out.size(), in.size());
  const auto total = ElementCount(out), plane_total = ElementCount(natural);
  if (!total || !plane_total) return n.Fail("an output of shape {}", ShapeText(out));
  // Indices count in the unpooled tensor; with output_shape they count in the tensor of that shape.
  const Value flat = n.b.Emit(mnn::OpType::ScatterNd, {}, {
      n.b.ReshapeTo(n.b.Cast(indices, ElementType::kInt32), {-1, 1}), n.b.ReshapeTo(x, {-1}),
      n.b.Ints({*total}, {1}, ElementType::kInt32)}, {n.b.type(x), Shape{*total}});
  n.SetOutput(0, n.b.ReshapeTo(flat, out));
}

constexpr OpRow kRows[] = {
    {"", "MaxPool", 1, kNewest, MaxPool, "dilation, indices and 3-D: as slices"},
    {"", "AveragePool", 1, kNewest, AveragePool, "dilation and 3-D: as slices"},
    {"", "LpPool", 1, kNewest, LpPool, "as slices"},
    {"", "GlobalAveragePool", 1, kNewest, GlobalPool<mnn::ReductionType::MEAN>, "as a reduction"},
    {"", "GlobalMaxPool", 1, kNewest, GlobalPool<mnn::ReductionType::MAXIMUM>, "as a reduction"},
    {"", "GlobalLpPool", 1, kNewest, GlobalLpPool, "as a reduction"},
    {"", "MaxUnpool", 9, kNewest, MaxUnpool, "as ScatterNd; static sizes"},
};

}  // namespace

std::span<const OpRow> PoolingOps() { return kRows; }

}  // namespace quantpress::graph::onnx
