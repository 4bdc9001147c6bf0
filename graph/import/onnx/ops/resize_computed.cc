#include "graph/import/onnx/ops/resize_computed.h"

#include <utility>

namespace quantpress::graph::onnx {
namespace {

Value AsList(GraphBuilder& b, Value scalar) { return b.Reshape(scalar, b.IntList({1})); }

// Where the elements of the result lie on the axis [out].
Expr Source(const ResizeMode& mode, const ComputedAxis& a) {
  const Expr at = ToFloat(Iota(a.out)), out = ToFloat(a.out);
  const bool scaled = a.scale.v.valid();
  // in / out last, so that whole numbers come out whole.
  const auto unscale = [&](Expr x) { return scaled ? x / a.scale : x * a.in / out; };
  const Expr real_out = scaled ? a.scale * a.in : out;
  if (mode.coordinates == "align_corners") return Where(IsEqual(real_out, 1.0), at * 0.0, at * (a.in - 1.0) / (real_out - 1.0));
  if (mode.coordinates == "asymmetric") return unscale(at);
  if (mode.coordinates == "tf_crop_and_resize") {
    const Expr last = a.in - 1.0, extent = a.roi_end - a.roi_start;
    const Expr middle = (a.roi_start + a.roi_end) / 2.0 * last;
    return Where(IsEqual(out, 1.0), at * 0.0 + middle, a.roi_start * last + at * extent * last / (out - 1.0));
  }
  const Expr half = unscale(at + 0.5) - 0.5;
  if (mode.coordinates == "pytorch_half_pixel") return Where(IsEqual(out, 1.0), at * 0.0 - 0.5, half);
  if (mode.coordinates == "half_pixel_symmetric") return half + a.in / 2.0 * (1.0 - out / real_out);
  return half;
}

Expr NearestIndex(const ResizeMode& mode, Expr source) {
  const Expr low = Floor(source);
  if (mode.nearest == "round_prefer_floor") return low + Indicator(source - low > 0.5);
  if (mode.nearest == "round_prefer_ceil") return low + Indicator(source - low >= 0.5);
  return mode.nearest == "ceil" ? Ceil(source) : low;
}

// The interpolation filter; it is zero at its ends.
Expr Filter(const ResizeMode& mode, Expr distance) {
  const Expr x = Abs(distance);
  if (mode.mode == "linear") return Max(1.0 - x, 0.0);
  const double c = mode.cubic_a;
  const Expr near = ((x * (c + 2) - (c + 3)) * x) * x + 1.0, far = ((x * c - 5 * c) * x + 8 * c) * x - 4 * c;
  return Where(x <= 1.0, near, far * Indicator(x < 2.0));
}

// x [..., in] times the transpose of matrix [out, in].
Value TimesRows(GraphBuilder& b, Value x, Value matrix, Value in, Value out) {
  const size_t rank = b.Rank(x);
  const Value flat = b.Reshape(x, b.Concat({b.IntList({1, -1}), AsList(b, in)}, 0));
  const Value product = b.MatMul(flat, b.Unsqueeze(matrix, {0}), false, true);
  std::vector<Value> shape;
  if (rank > 1) shape.push_back(b.Slice(b.ShapeOf(x), {0}, {static_cast<int64_t>(rank) - 1}, {0}));
  shape.push_back(AsList(b, out));
  return b.Reshape(product, b.Concat(std::move(shape), 0));
}

}  // namespace

Value ResizeComputed(GraphBuilder& b, const ResizeMode& mode, Value x, size_t axis, const ComputedAxis& a, Value* inside) {
  const size_t rank = b.Rank(x);
  Expr source = Source(mode, a);
  const Expr zero = a.in * 0.0, last = a.in - 1.0;
  if (inside != nullptr) *inside = Indicator(source >= 0.0) * Indicator(source <= last);
  if (mode.mode == "nearest") {
    const Expr index = Clamp(NearestIndex(mode, source), zero, last);
    return b.Gather(x, ToInt(index), static_cast<int64_t>(axis));
  }
  // Neighbours beyond the ends are the end elements again: the axis is continued by `margin` elements on either side, or, where two
  // neighbours decide, the place itself is moved inside.
  const bool continued = !mode.exclude_outside && (mode.antialias || mode.mode == "cubic");
  Expr squeeze{&b, b.ScalarFloat(1)};
  if (mode.antialias) squeeze = Min(a.scale.v.valid() ? a.scale : ToFloat(a.out) / a.in, 1.0);
  Expr position = Iota(ToInt(a.in)), margin{&b, b.ScalarInt(0)};
  if (continued) {
    margin = ToInt(Ceil((mode.mode == "cubic" ? 2.0 : 1.0) / squeeze)) + 1.0;
    position = Iota(ToInt(a.in) + margin * 2.0) - margin;
  } else if (!mode.exclude_outside) {
    source = Clamp(source, zero, last);
  }
  Expr weights = Filter(mode, (WithAxes(ToFloat(position), {0}) - WithAxes(source, {1})) * squeeze);  // [out, in + 2 margin]
  if (mode.antialias || mode.exclude_outside) {
    weights = weights / Expr{&b, b.Reduce(mnn::ReductionType::SUM, weights, {1}, true)};
  }
  std::vector<int64_t> perm;
  for (size_t i = 0; i < rank; ++i) perm.push_back(static_cast<int64_t>(i));
  std::swap(perm[axis], perm[rank - 1]);
  const bool moved = axis + 1 != rank;
  if (moved) x = b.Transpose(x, perm);
  if (continued) x = b.Gather(x, ToInt(Clamp(ToFloat(position), zero, last)), -1);
  x = TimesRows(b, x, weights, ToInt(a.in) + margin * 2.0, a.out);
  return moved ? b.Transpose(x, perm) : x;
}

}  // namespace quantpress::graph::onnx
