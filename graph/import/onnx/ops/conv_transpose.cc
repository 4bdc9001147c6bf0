// Transposed convolutions: the runtime's Deconvolution where weights are constant and there is one group or one per channel;
// else a convolution of the input with zeros between its elements and the kernel mirrored, which is the definition.
#include <algorithm>

#include "graph/build/conv_common.h"
#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/window.h"

namespace quantpress::graph::onnx {
namespace {

struct Transposed {
  Window window;
  std::vector<int64_t> output_padding;
  int64_t group = 1;
  Shape out;
};

// Resolves output_shape and auto_pad into pads.
Transposed ReadTransposed(NodeContext& n, const Shape& xs, const Shape& ws) {
  Transposed t;
  const size_t axes = ws.size() - 2;
  t.group = n.Int("group", 1);
  const std::string auto_pad = n.String("auto_pad", "NOTSET");
  // ReadWindow would resolve auto_pad for a forward convolution, so the pads are worked out here.
  t.window.kernel.assign(ws.begin() + 2, ws.end());
  t.window.stride = n.Ints("strides", std::vector<int64_t>(axes, 1));
  t.window.dilation = n.Ints("dilations", std::vector<int64_t>(axes, 1));
  t.window.pads = n.Ints("pads", std::vector<int64_t>(2 * axes, 0));
  t.output_padding = n.Ints("output_padding", std::vector<int64_t>(axes, 0));
  const std::vector<int64_t> wanted = n.Ints("output_shape");
  if (!n.ok()) return t;
  if (t.window.stride.size() != axes || t.window.dilation.size() != axes || t.window.pads.size() != 2 * axes ||
      t.output_padding.size() != axes || (!wanted.empty() && wanted.size() != axes && wanted.size() != axes + 2)) {
    n.Fail("attributes for another number of spatial axes than {}", axes);
    return t;
  }
  constexpr int64_t kLimit = int64_t{1} << 24;
  for (size_t i = 0; i < axes; ++i) {
    for (int64_t v : {t.window.kernel[i], t.window.stride[i], t.window.dilation[i]}) {
      if (v < 1 || v > kLimit) n.Fail("kernel {}, stride {}, dilation {}; all must be positive", t.window.kernel[i], t.window.stride[i], t.window.dilation[i]);
    }
    for (int64_t v : {t.window.pads[i], t.window.pads[i + axes], t.output_padding[i]}) {
      if (v < 0 || v > kLimit) n.Fail("a padding of {}", v);
    }
  }
  if (t.group < 1 || xs[1] == 0 || ws[0] % t.group != 0 || (IsKnown(xs[1]) && xs[1] != ws[0])) {
    n.Fail("a tensor of shape {} with weights of shape {} in {} groups", ShapeText(xs), ShapeText(ws), t.group);
  }
  if (!n.ok()) return t;
  t.out = xs;
  t.out[1] = ws[1] * t.group;
  const bool same = auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER";
  for (size_t i = 0; i < axes; ++i) {
    int64_t* const pads = t.window.pads.data();
    const int64_t reach = t.window.dilation[i] * (t.window.kernel[i] - 1) + 1;
    const Dim d = xs[i + 2];
    if (auto_pad == "VALID") pads[i] = pads[i + axes] = 0;
    if (!wanted.empty() || same) {
      if (!wanted.empty() && !IsKnown(d)) {
        n.Fail("output_shape over an axis of unknown size");
        return t;
      }
      const int64_t stride = t.window.stride[i];
      // With SAME the output is stride times the input, so the input's size cancels.
      const int64_t total = wanted.empty() ? reach + t.output_padding[i] - stride
                                           : stride * (d - 1) + t.output_padding[i] + reach - wanted[wanted.size() - axes + i];
      if (total < 0) {
        // More output than the kernel reaches: zeros behind.
        pads[i] = pads[i + axes] = 0;
        t.output_padding[i] -= total;
      } else {
        pads[i] = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
        pads[i + axes] = total - pads[i];
      }
    }
    // Output that is added behind takes back what the padding cuts off there.
    const int64_t back = std::min(t.output_padding[i], pads[i + axes]);
    pads[i + axes] -= back;
    t.output_padding[i] -= back;
    t.out[i + 2] = IsKnown(d) ? t.window.stride[i] * (d - 1) + t.output_padding[i] + reach - pads[i] - pads[i + axes] : n.b.symbols()->Fresh();
    if (IsKnown(d) && t.out[i + 2] < 1) n.Fail("an output of {} elements along spatial axis {}", t.out[i + 2], i);
  }
  return t;
}

Value Native(NodeContext& n, Value x, Value weight, Value bias, const Transposed& t) {
  const int64_t ic = n.b.constant(weight)->shape[0], oc = t.out[1];
  mnn::Convolution2DT param;
  param.common = ConvCommon(ToWindow2D(t.window), t.group, ic, oc);
  param.common->outPads = {static_cast<int32_t>(t.output_padding[0]),
                           static_cast<int32_t>(t.output_padding.size() > 1 ? t.output_padding[1] : 0)};
  std::vector<Bulk> bulk;
  bulk.push_back({BulkField::kWeight, n.b.constant(weight)->data});
  bulk.push_back({BulkField::kBias, bias.valid() ? n.b.constant(bias)->data : FloatSource(std::vector<float>(static_cast<size_t>(oc), 0.0f))});
  const mnn::OpType type = t.group > 1 ? mnn::OpType::DeconvolutionDepthwise : mnn::OpType::Deconvolution;
  return n.b.Emit(type, Param(std::move(param)), {x}, {n.b.type(x), t.out}, std::move(bulk));
}

// Zeros between the elements of every spatial axis.
Value Spread(NodeContext& n, Value x, const Window& w) {
  for (size_t i = 0; i < w.stride.size(); ++i) {
    if (w.stride[i] == 1) continue;
    const size_t axis = i + 2;
    const Shape s = *n.b.shape(x);
    if (!IsKnown(s[axis])) {
      n.Fail("a strided transposed convolution in this form over an axis of unknown size");
      return {};
    }
    std::vector<int64_t> pads(2 * (s.size() + 1), 0);
    pads[s.size() + 1 + axis + 1] = w.stride[i] - 1;
    const Value apart = n.b.Pad(n.b.Unsqueeze(x, {static_cast<int64_t>(axis) + 1}), pads, mnn::PadValueMode::CONSTANT, n.b.ScalarFloat(0));
    Shape joined = s;
    joined[axis] = s[axis] * w.stride[i];
    x = n.b.Slice(n.b.ReshapeLike(apart, joined, n.b.IntList({})), {0}, {joined[axis] - w.stride[i] + 1}, {static_cast<int64_t>(axis)});
  }
  return x;
}

Value AsConvolution(NodeContext& n, Value x, Value weight, Value bias, const Transposed& t) {
  const Shape ws = *n.b.shape(weight);
  const size_t axes = ws.size() - 2;
  // [g * icg, ocg, k...] -> [g * ocg, icg, k...], mirrored along every spatial axis.
  std::vector<int64_t> split = {t.group, ws[0] / t.group, ws[1]}, perm = {0, 2, 1}, joined = {t.out[1], ws[0] / t.group};
  std::vector<int64_t> starts, ends, where, steps;
  for (size_t i = 0; i < axes; ++i) {
    split.push_back(ws[i + 2]);
    perm.push_back(static_cast<int64_t>(i) + 3);
    joined.push_back(ws[i + 2]);
    starts.push_back(ws[i + 2] - 1);
    ends.push_back(-(int64_t{1} << 31));
    where.push_back(static_cast<int64_t>(i) + 2);
    steps.push_back(-1);
  }
  Value kernel = n.b.ReshapeTo(n.b.Transpose(n.b.ReshapeTo(weight, split), perm), joined);
  kernel = n.b.Slice(kernel, starts, ends, where, steps);
  Value spread = Spread(n, x, t.window);
  Window forward = t.window;
  std::vector<int64_t> pads(2 * (axes + 2), 0);
  for (size_t i = 0; i < axes; ++i) {
    const int64_t reach = t.window.dilation[i] * (t.window.kernel[i] - 1);
    pads[i + 2] = reach - t.window.pads[i];
    pads[i + axes + 4] = reach - t.window.pads[i + axes] + t.output_padding[i];
    forward.stride[i] = 1;
  }
  forward.pads.assign(2 * axes, 0);
  spread = n.b.Pad(spread, pads, mnn::PadValueMode::CONSTANT, n.b.ScalarFloat(0));
  if (!n.ok()) return {};
  if (axes == 3) return Conv3D(n, spread, kernel, bias, forward, t.group);
  return n.b.Conv2D(spread, kernel, bias, ToWindow2D(forward), t.group);
}

void ConvTranspose(NodeContext& n) {
  const Value x = n.Input(0), weight = n.Input(1), bias = n.OptionalInput(2);
  const size_t rank = n.b.Rank(weight);
  n.b.AssumeRank(x, rank);
  if (!n.ok()) return;
  if (rank < 3 || rank > 5 || n.b.Rank(x) != rank) {
    return n.Fail("a tensor of shape {} with weights of shape {}", ShapeText(n.b.shape(x)), ShapeText(n.b.shape(weight)));
  }
  const Shape ws = *n.b.shape(weight);
  if (!IsStatic(ws)) return n.Fail("weights of unknown size {}", ShapeText(ws));
  const Transposed t = ReadTransposed(n, *n.b.shape(x), ws);
  if (!n.ok()) return;
  const bool constant = n.b.IsConstant(weight) && (!bias.valid() || n.b.IsConstant(bias));
  const bool depthwise = t.group == ws[0] && ws[1] == 1;
  // The runtime pads the output only by less than the stride.
  const bool padded = std::any_of(t.output_padding.begin(), t.output_padding.end(), [](int64_t p) { return p > 0; });
  if (constant && rank <= 4 && (t.group == 1 || depthwise) && !padded) return n.SetOutput(0, Native(n, x, weight, bias, t));
  if (constant && rank <= 4 && t.group > 1 && !padded) {
    // One transposed convolution per group.
    const int64_t icg = ws[0] / t.group;
    const std::vector<Value> parts = n.b.Split(x, 1, std::vector<int64_t>(static_cast<size_t>(t.group), icg));
    std::vector<Value> results;
    Transposed one = t;
    one.group = 1;
    one.out[1] = ws[1];
    for (int64_t g = 0; g < t.group && n.ok(); ++g) {
      const Value b = bias.valid() ? n.b.Slice(bias, {g * ws[1]}, {(g + 1) * ws[1]}, {0}) : Value{};
      results.push_back(Native(n, parts[static_cast<size_t>(g)], n.b.Slice(weight, {g * icg}, {(g + 1) * icg}, {0}), b, one));
      if (!results.back().valid()) return;
      const std::string name = fmt::format("{}__group__{}", n.OutputName(0), g);
      n.b.Rename(results.back(), name);
      n.b.last_op().name = name;
    }
    return n.SetOutput(0, n.b.Concat(std::move(results), 1));
  }
  n.SetOutput(0, AsConvolution(n, x, weight, bias, t));
}

constexpr OpRow kRows[] = {
    {"", "ConvTranspose", 1, kNewest, ConvTranspose, "Deconvolution, or a convolution of the spread input"},
};

}  // namespace

std::span<const OpRow> ConvTransposeOps() { return kRows; }

}  // namespace quantpress::graph::onnx
