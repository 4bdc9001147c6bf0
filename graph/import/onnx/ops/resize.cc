// Resize and Upsample. The runtime's Interp where it computes what ONNX says; else one gather or one matrix product per axis, with
// constant weights where the sizes are known.
#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/resize_axis.h"
#include "graph/import/onnx/ops/resize_computed.h"

namespace quantpress::graph::onnx {
namespace {

using Ctm = mnn::CoordinateTransformationMode;

constexpr int64_t kMaxMatrix = int64_t{1} << 24;

struct ResizePlan {
  ResizeMode mode;
  std::vector<std::optional<AxisResize>> axes;  // per axis; nullopt: not known at conversion time, see `computed`
  std::vector<ComputedAxis> computed;           // per axis
  float extrapolation = 0;
};

// y along `axis` = matrix [out, in] times x.
Value ApplyMatrix(NodeContext& n, Value x, size_t axis, const AxisResize& a, std::vector<float> matrix) {
  const size_t rank = n.b.Rank(x);
  std::vector<int64_t> perm(rank);
  for (size_t i = 0; i < rank; ++i) perm[i] = static_cast<int64_t>(i);
  std::swap(perm[axis], perm[rank - 1]);
  if (rank == 1) return n.b.Squeeze(ApplyMatrix(n, n.b.Unsqueeze(x, {0}), 1, a, std::move(matrix)), {0});
  const bool moved = axis + 1 != rank;
  if (moved) x = n.b.Transpose(x, perm);
  // Rank 3, so that it stays a product and is not taken for a layer's weight.
  const Value weights = n.b.Floats(std::move(matrix), {1, a.out, a.in});
  Value flat = n.b.ReshapeTo(x, {1, -1, a.in});
  Shape shape = *n.b.shape(x);
  shape.back() = a.out;
  Value out = n.b.ReshapeLike(n.b.MatMul(flat, weights, false, true), shape, n.b.ShapeOf(x));
  return moved ? n.b.Transpose(out, perm) : out;
}

void Decompose(NodeContext& n, Value x, const ResizePlan& plan) {
  const ElementType type = n.b.type(x);
  const size_t rank = n.b.Rank(x);
  const bool nearest = plan.mode.mode == "nearest";
  if (!nearest) x = n.b.Cast(x, ElementType::kFloat32);
  const bool crop = plan.mode.coordinates == "tf_crop_and_resize";
  Value mask;
  for (size_t i = 0; i < rank && n.ok(); ++i) {
    Value inside;
    if (!plan.axes[i]) {
      x = ResizeComputed(n.b, plan.mode, x, i, plan.computed[i], crop ? &inside : nullptr);
    } else {
      const AxisResize& a = *plan.axes[i];
      if (a.in == a.out && a.scale == 1 && (!crop || (a.roi_start == 0 && a.roi_end == 1))) continue;
      if (a.in < 1 || a.out < 1 || a.in > kMaxMatrix || a.out > kMaxMatrix || a.in * a.out > kMaxMatrix) {
        return n.Fail("a resize from {} to {} elements", a.in, a.out);
      }
      x = nearest ? n.b.Gather(x, n.b.IntList(NearestIndices(plan.mode, a)), static_cast<int64_t>(i))
                  : ApplyMatrix(n, x, i, a, InterpolationMatrix(plan.mode, a));
      if (crop) inside = n.b.Floats(InsideMask(plan.mode, a), {a.out});
    }
    if (!inside.valid()) continue;
    std::vector<int64_t> others;
    for (size_t j = i + 1; j < rank; ++j) others.push_back(static_cast<int64_t>(j - i));
    inside = n.b.Unsqueeze(inside, others);
    mask = mask.valid() ? n.b.Mul(mask, inside) : inside;
  }
  if (mask.valid()) x = n.b.Select(n.b.Cast(mask, ElementType::kBool), x, n.b.ScalarLike(static_cast<double>(plan.extrapolation), x));
  n.SetOutput(0, n.b.Cast(x, type));
}

// Whether Interp computes exactly this: pictures of rank 4, resized along the last two axes only.
bool IsNative(NodeContext& n, Value x, const ResizePlan& plan, const std::vector<float>& scales) {
  const ResizeMode& m = plan.mode;
  if (n.b.Rank(x) != 4 || !IsFloat(n.b.type(x)) || m.antialias || m.exclude_outside) return false;
  for (size_t i = 0; i < 4; ++i) {
    const bool spatial = i >= 2;
    if (!plan.axes[i]) {
      // Of unknown size: scales by whole numbers are safe everywhere.
      if (scales.size() != 4 || (spatial ? scales[i] < 1 || scales[i] != std::floor(scales[i]) : scales[i] != 1)) return false;
    } else if (spatial) {
      const AxisResize& a = *plan.axes[i];
      if (a.out < a.in || a.scale * static_cast<double>(a.in) != static_cast<double>(a.out)) return false;
    } else if (plan.axes[i]->in != plan.axes[i]->out || plan.axes[i]->scale != 1) {
      return false;
    }
  }
  if (m.mode == "nearest") {
    return (m.coordinates == "asymmetric" && m.nearest == "floor") || (m.coordinates == "half_pixel" && m.nearest == "round_prefer_floor");
  }
  return m.mode == "linear" && (m.coordinates == "asymmetric" || m.coordinates == "half_pixel" ||
                                m.coordinates == "pytorch_half_pixel" || m.coordinates == "align_corners");
}

void EmitInterp(NodeContext& n, Value x, const ResizePlan& plan, const std::vector<float>& scales) {
  mnn::InterpT param;
  const ResizeMode& m = plan.mode;
  param.ctm = m.coordinates == "align_corners"        ? Ctm::AlignCorners
              : m.coordinates == "half_pixel"         ? Ctm::HalfPixels
              : m.coordinates == "pytorch_half_pixel" ? Ctm::PytorchHalfPixels
                                                      : Ctm::Asymmetric;
  param.alignCorners = param.ctm == Ctm::AlignCorners;
  param.halfPixelCenters = param.ctm == Ctm::HalfPixels;
  param.cubicCoeffA = static_cast<float>(m.cubic_a);
  param.resizeType = m.mode == "linear" ? 2 : m.nearest == "floor" ? 1 : 4;
  Shape out = *n.b.shape(x);
  bool all_known = true;
  for (size_t i = 2; i < 4; ++i) {
    out[i] = plan.axes[i] ? plan.axes[i]->out : n.b.symbols()->Fresh();
    all_known = all_known && plan.axes[i];
  }
  // Sizes are exact; scales keep a model with free sizes free.
  Value second;
  if (all_known) {
    std::vector<int64_t> sizes(out.begin(), out.end());
    for (size_t i = 0; i < 2; ++i) sizes[i] = IsKnown(sizes[i]) ? sizes[i] : 1;
    second = IsStatic(out) ? n.b.Ints(std::move(sizes), {4}, ElementType::kInt32)
                           : n.b.Ints({out[2], out[3]}, {2}, ElementType::kInt32);
  } else {
    second = n.b.Floats(scales, {4});
  }
  const Value v = n.b.Emit(mnn::OpType::Interp, Param(param), {x, second}, {n.b.type(x), out});
  if (v.valid()) n.b.last_op().default_format = mnn::MNN_DATA_FORMAT::NCHW;
  n.SetOutput(0, v);
}

// The axes that `scales`, `sizes` and `roi` talk about.
std::vector<size_t> ListedAxes(NodeContext& n, size_t rank) {
  std::vector<size_t> listed;
  if (!n.Has("axes")) {
    for (size_t i = 0; i < rank; ++i) listed.push_back(i);
    return listed;
  }
  for (int64_t a : n.Ints("axes")) {
    const auto axis = NormalizeAxis(a, rank);
    if (!axis) n.Fail("axis {} lies outside a tensor of rank {}", a, rank);
    listed.push_back(axis.value_or(0));
  }
  return listed;
}

ResizeMode ReadMode(NodeContext& n) {
  ResizeMode m;
  m.mode = n.String("mode", "nearest");
  const bool old = n.opset() < 11;
  m.coordinates = n.String("coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
  m.nearest = n.String("nearest_mode", old ? "floor" : "round_prefer_floor");
  m.cubic_a = static_cast<double>(n.Float("cubic_coeff_a", -0.75f));
  m.antialias = n.Int("antialias", 0) != 0;
  m.exclude_outside = n.Int("exclude_outside", 0) != 0;
  if (m.mode == "bilinear" || m.mode == "trilinear") m.mode = "linear";
  if (m.mode != "nearest" && m.mode != "linear" && m.mode != "cubic") n.Fail("mode '{}'; expected nearest, linear or cubic", m.mode);
  static constexpr std::string_view kCoordinates[] = {"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize"};
  if (std::find(std::begin(kCoordinates), std::end(kCoordinates), m.coordinates) == std::end(kCoordinates)) {
    n.Fail("coordinate_transformation_mode '{}'", m.coordinates);
  }
  return m;
}

void SetSizes(NodeContext& n, const std::vector<size_t>& listed, const Shape& in, std::vector<int64_t> sizes, ResizePlan* plan) {
  const std::string policy = n.String("keep_aspect_ratio_policy", "stretch");
  if (sizes.size() != listed.size()) return n.Fail("{} sizes for {} axes", sizes.size(), listed.size());
  bool all_known = true;
  double common = policy == "not_larger" ? std::numeric_limits<double>::max() : 0;
  for (size_t k = 0; k < listed.size(); ++k) {
    const Dim d = in[listed[k]];
    all_known = all_known && IsKnown(d);
    if (sizes[k] < 0 || d == 0) return n.Fail("a resize from {} to {} elements", d, sizes[k]);
    const double ratio = static_cast<double>(sizes[k]) / static_cast<double>(d);
    if (policy == "not_larger") common = std::min(common, ratio);
    if (policy == "not_smaller") common = std::max(common, ratio);
  }
  for (size_t k = 0; k < listed.size(); ++k) {
    const size_t i = listed[k];
    if (!IsKnown(in[i]) || (policy != "stretch" && !all_known)) {
      plan->axes[i].reset();
      continue;
    }
    AxisResize& a = plan->axes[i].emplace();
    a.in = in[i];
    a.scale = policy == "stretch" ? static_cast<double>(sizes[k]) / static_cast<double>(a.in) : common;
    a.out = policy == "stretch" ? sizes[k] : static_cast<int64_t>(std::floor(common * static_cast<double>(a.in) + 0.5));
  }
}

void SetScales(NodeContext& n, const std::vector<size_t>& listed, const Shape& in, const std::vector<float>& scales, ResizePlan* plan) {
  if (scales.size() != listed.size()) return n.Fail("{} scales for {} axes", scales.size(), listed.size());
  for (size_t k = 0; k < listed.size(); ++k) {
    const size_t i = listed[k];
    if (!(scales[k] > 0) || scales[k] > 1e6f) return n.Fail("a scale of {}; scales are positive", scales[k]);
    if (!IsKnown(in[i])) {
      if (scales[k] != 1) plan->axes[i].reset();
      continue;
    }
    AxisResize& a = plan->axes[i].emplace();
    a.in = in[i];
    a.scale = static_cast<double>(scales[k]);
    a.out = static_cast<int64_t>(std::floor(static_cast<double>(static_cast<float>(a.in) * scales[k])));
  }
}

// What a run has to compute for the listed axes that are not known now.
void ComputeAxes(NodeContext& n, Value x, const std::vector<size_t>& listed, Value scales, Value sizes, Value roi, ResizePlan* plan) {
  GraphBuilder& b = n.b;
  const auto element = [&](Value list, size_t k) { return Expr{&b, b.Gather(list, b.ScalarInt(static_cast<int64_t>(k)), 0)}; };
  const std::string policy = sizes.valid() ? n.String("keep_aspect_ratio_policy", "stretch") : "stretch";
  if (policy != "stretch" && policy != "not_larger" && policy != "not_smaller") n.Fail("keep_aspect_ratio_policy '{}'", policy);
  Expr common;
  for (size_t k = 0; policy != "stretch" && k < listed.size(); ++k) {
    const Expr ratio = ToFloat(element(sizes, k)) / ToFloat({&b, b.DimOf(x, listed[k])});
    common = k == 0 ? ratio : policy == "not_larger" ? Min(common, ratio) : Max(common, ratio);
  }
  for (size_t k = 0; k < listed.size() && n.ok(); ++k) {
    if (plan->axes[listed[k]]) continue;
    ComputedAxis& a = plan->computed[listed[k]];
    a.in = ToFloat({&b, b.DimOf(x, listed[k])});
    if (policy != "stretch") {
      a.scale = common;
      a.out = ToInt(Floor(common * a.in + 0.5));
    } else if (sizes.valid()) {
      a.out = ToInt(element(sizes, k));
    } else {
      a.scale = ToFloat(element(scales, k));
      a.out = ToInt(Floor(a.in * a.scale));
    }
    if (plan->mode.coordinates != "tf_crop_and_resize") continue;
    a.roi_start = ToFloat(element(roi, k));
    a.roi_end = ToFloat(element(roi, k + listed.size()));
  }
}

// Axes that computed sizes leave as they are.
bool IsKept(const std::optional<std::vector<Dim>>& sizes, size_t k, Dim in) { return sizes && k < sizes->size() && (*sizes)[k] == in; }

void ResizeWith(NodeContext& n, Value x, Value scales, Value sizes, Value roi) {
  const size_t rank = n.b.Rank(x);
  ResizePlan plan;
  plan.mode = ReadMode(n);
  plan.extrapolation = n.Float("extrapolation_value", 0);
  const std::vector<size_t> listed = ListedAxes(n, rank);
  const Value amounts = sizes.valid() ? sizes : scales;
  const bool crop = plan.mode.coordinates == "tf_crop_and_resize";
  if (!n.ok()) return;
  if (crop && !roi.valid()) return n.Fail("tf_crop_and_resize without a roi");
  const Shape in = *n.b.shape(x);
  plan.axes.resize(rank);
  plan.computed.resize(rank);
  std::vector<float> full_scales;
  for (size_t i = 0; i < rank; ++i) {
    // An axis of unknown size that is not resized: any equal pair of sizes says so.
    plan.axes[i] = AxisResize{IsKnown(in[i]) ? in[i] : 1, IsKnown(in[i]) ? in[i] : 1, 1, 0, 1};
  }
  if (!n.b.IsConstant(amounts)) {
    n.b.AssumeRank(amounts, 1);
    const bool stretch = scales.valid() && !sizes.valid() ? true : n.String("keep_aspect_ratio_policy", "stretch") == "stretch";
    const auto elements = sizes.valid() && stretch ? n.b.Elements(sizes) : std::nullopt;
    for (size_t k = 0; k < listed.size(); ++k) {
      if (!IsKept(elements, k, in[listed[k]])) plan.axes[listed[k]].reset();
    }
  } else if (sizes.valid()) {
    if (const auto constant = n.b.ConstantInts(sizes)) SetSizes(n, listed, in, *constant, &plan);
  } else if (const auto constant = n.b.ConstantFloats(scales)) {
    SetScales(n, listed, in, *constant, &plan);
    full_scales.assign(rank, 1.0f);
    for (size_t k = 0; k < listed.size() && k < constant->size(); ++k) full_scales[listed[k]] = (*constant)[k];
  }
  const auto box = crop ? n.b.ConstantFloats(roi) : std::nullopt;
  if (box && box->size() != 2 * listed.size()) return n.Fail("a roi of {} numbers; expected a start and an end for each axis", box->size());
  for (size_t k = 0; crop && k < listed.size(); ++k) {
    auto& axis = plan.axes[listed[k]];
    const bool whole = box && (*box)[k] == 0 && (*box)[k + listed.size()] == 1;
    if (!box || !IsKnown(in[listed[k]])) {
      if (!axis || !whole) axis.reset();
    } else if (axis) {
      axis->roi_start = static_cast<double>((*box)[k]);
      axis->roi_end = static_cast<double>((*box)[k + listed.size()]);
    }
  }
  if (n.ok() && !crop && IsNative(n, x, plan, full_scales)) return EmitInterp(n, x, plan, full_scales);
  ComputeAxes(n, x, listed, scales, sizes, roi, &plan);
  if (n.ok()) Decompose(n, x, plan);
}

// Sizes that are computed at run time: only what Interp does rightly for any sizes.
bool DynamicSizes(NodeContext& n, Value x, Value sizes) {
  if (!sizes.valid() || n.b.IsConstant(sizes) || n.b.Rank(x) != 4 || n.Has("axes")) return false;
  ResizePlan plan;
  plan.mode = ReadMode(n);
  const std::string& c = plan.mode.coordinates;
  const bool linear = plan.mode.mode == "linear" && (c == "half_pixel" || c == "align_corners" || c == "asymmetric" || c == "pytorch_half_pixel");
  const bool nearest = plan.mode.mode == "nearest" && c == "asymmetric" && plan.mode.nearest == "floor";
  if ((!linear && !nearest) || plan.mode.antialias || n.String("keep_aspect_ratio_policy", "stretch") != "stretch") return false;
  plan.axes.resize(4);
  mnn::InterpT param;
  param.ctm = c == "align_corners" ? Ctm::AlignCorners : c == "half_pixel" ? Ctm::HalfPixels : c == "pytorch_half_pixel" ? Ctm::PytorchHalfPixels : Ctm::Asymmetric;
  param.alignCorners = param.ctm == Ctm::AlignCorners;
  param.halfPixelCenters = param.ctm == Ctm::HalfPixels;
  param.resizeType = linear ? 2 : 1;
  Shape out = *n.b.shape(x);
  const auto elements = n.b.Elements(sizes);
  for (size_t i = 2; i < 4; ++i) out[i] = elements && elements->size() == 4 ? (*elements)[i] : n.b.symbols()->Fresh();
  const Value v = n.b.Emit(mnn::OpType::Interp, Param(param), {x, n.b.Cast(sizes, ElementType::kInt32)}, {n.b.type(x), out});
  if (v.valid()) n.b.last_op().default_format = mnn::MNN_DATA_FORMAT::NCHW;
  n.SetOutput(0, v);
  return true;
}

void Resize(NodeContext& n) {
  const Value x = n.Input(0);
  if (n.opset() < 11) return ResizeWith(n, x, n.Input(1), {}, {});
  Value sizes = n.OptionalInput(3);
  Value scales = n.OptionalInput(2);
  // An empty tensor says "absent" in opset 11.
  const auto empty = [&](Value v) { return n.b.IsConstant(v) && n.b.constant(v)->count() == 0; };
  if (sizes.valid() && empty(sizes)) sizes = {};
  if (!sizes.valid() && (!scales.valid() || empty(scales))) return n.Fail("neither scales nor sizes");
  if (DynamicSizes(n, x, sizes)) return;
  ResizeWith(n, x, scales, sizes, n.OptionalInput(1));
}

// Nearest by floor, or linear, with coordinates x / scale.
void Upsample(NodeContext& n) {
  const Value x = n.Input(0);
  Value scales;
  if (n.opset() >= 9) {
    scales = n.Input(1);
  } else if (n.Has("scales")) {
    std::vector<float> values = n.Floats("scales");
    const auto count = static_cast<int64_t>(values.size());
    scales = n.b.Floats(std::move(values), {count});
  } else {
    scales = n.b.Floats({1, 1, n.Float("height_scale", 1), n.Float("width_scale", 1)}, {4});
  }
  ResizeWith(n, x, scales, {}, {});
}

constexpr OpRow kRows[] = {
    {"", "Resize", 10, kNewest, Resize, "Interp where it is exact, else one gather or matrix product per axis; scales and sizes may be computed"},
    {"", "Upsample", 1, 9, Upsample, "as Resize with asymmetric coordinates"},
};

}  // namespace

std::span<const OpRow> ResizeOps() { return kRows; }

}  // namespace quantpress::graph::onnx
