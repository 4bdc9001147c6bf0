#include <limits>

#include "graph/build/conv_common.h"
#include "graph/build/graph_builder.h"
#include "graph/build/params.h"
#include "graph/fold/fold.h"

namespace quantpress::graph {

std::unique_ptr<mnn::Convolution2DCommonT> ConvCommon(const Window2D& window, int64_t group, int64_t inputs, int64_t outputs) {
  auto common = std::make_unique<mnn::Convolution2DCommonT>();
  common->kernelY = static_cast<int32_t>(window.kernel[0]);
  common->kernelX = static_cast<int32_t>(window.kernel[1]);
  common->strideY = static_cast<int32_t>(window.stride[0]);
  common->strideX = static_cast<int32_t>(window.stride[1]);
  common->dilateY = static_cast<int32_t>(window.dilation[0]);
  common->dilateX = static_cast<int32_t>(window.dilation[1]);
  common->padY = static_cast<int32_t>(window.pads[0]);
  common->padX = static_cast<int32_t>(window.pads[1]);
  for (int64_t p : window.pads) common->pads.push_back(static_cast<int32_t>(p));
  common->padMode = mnn::PadMode::CAFFE;
  common->group = static_cast<int32_t>(group);
  common->inputCount = static_cast<int32_t>(inputs);
  common->outputCount = static_cast<int32_t>(outputs);
  return common;
}

namespace {

Dim WindowOutput(Dim in, int64_t kernel, int64_t stride, int64_t dilation, int64_t before, int64_t after,
                 SymbolTable* symbols) {
  if (!IsKnown(in)) return symbols->Fresh();
  const int64_t span = in + before + after - (dilation * (kernel - 1) + 1);
  return span < 0 ? -1 : span / stride + 1;
}

bool Fits(int64_t v) { return v >= 0 && v <= std::numeric_limits<int32_t>::max() / 4; }

}  // namespace

Value GraphBuilder::Conv2D(Value x, Value weight, Value bias, const Window2D& window, int64_t group) {
  if (!x.valid() || !weight.valid() || !ok()) return {};
  const size_t rank = Rank(x), weight_rank = Rank(weight);
  if (!ok()) return {};
  if (rank < 3 || rank > 4 || weight_rank != rank) {
    return Fail(InvalidInput("a convolution of shape {} with weights of shape {}; both must be 3-D or 4-D",
                             ShapeText(shape(x)), ShapeText(shape(weight))));
  }
  const Shape xs = *shape(x), ws = *shape(weight);
  if (!IsStatic(ws)) return Fail(Unsupported("convolution weights of unknown size {}", ShapeText(ws)));
  const int64_t oc = ws[0], icg = ws[1];
  for (int i = 0; i < 2; ++i) {
    if (window.stride[i] < 1 || window.dilation[i] < 1 || window.kernel[i] < 1 || !Fits(window.stride[i]) ||
        !Fits(window.dilation[i]) || !Fits(window.kernel[i])) {
      return Fail(InvalidInput("a convolution with kernel {}, stride {}, dilation {}; all must be positive",
                               window.kernel[i], window.stride[i], window.dilation[i]));
    }
  }
  for (int64_t p : window.pads) {
    if (!Fits(p)) return Fail(InvalidInput("a convolution with a padding of {}; paddings are not negative", p));
  }
  int64_t ic = 0;
  if (group < 1 || oc % group != 0 || !Fits(oc) || __builtin_mul_overflow(icg, group, &ic) || !Fits(ic) || icg < 1 ||
      (IsKnown(xs[1]) && xs[1] != ic)) {
    return Fail(InvalidInput("a convolution of shape {} with weights of shape {} in {} groups", ShapeText(xs),
                             ShapeText(ws), group));
  }
  Shape out = xs;
  out[1] = oc;
  for (size_t i = 2; i < rank; ++i) {
    const size_t d = i - 2;
    out[i] = WindowOutput(xs[i], window.kernel[d], window.stride[d], window.dilation[d], window.pads[d],
                          window.pads[d + 2], symbols_);
    if (IsKnown(xs[i]) && out[i] < 0) {
      return Fail(InvalidInput("a convolution window of {} over {} elements", window.kernel[d], xs[i]));
    }
  }
  const bool constant_weight = IsConstant(weight) && (!bias.valid() || IsConstant(bias));
  // One channel to one channel is depthwise too, and the runtime is three times as fast with it (kernels larger than 1).
  const bool depthwise = constant_weight && group == ic && group == oc && (group > 1 || window.kernel[0] * window.kernel[1] > 1);
  // The runtime computes grouped convolutions with computed weights wrongly.
  if (group > 1 && (!constant_weight || (!depthwise && !options_.group_conv_native))) {
    std::vector<Value> parts = Split(x, 1, std::vector<int64_t>(static_cast<size_t>(group), icg));
    std::vector<Value> results;
    const int64_t ocg = oc / group;
    for (int64_t g = 0; g < group && ok(); ++g) {
      const Value w = Slice(weight, {g * ocg}, {(g + 1) * ocg}, {0});
      const Value b = bias.valid() ? Slice(bias, {g * ocg}, {(g + 1) * ocg}, {0}) : Value{};
      results.push_back(Conv2D(parts[static_cast<size_t>(g)], w, b, window, 1));
      if (!results.back().valid()) return {};
      const std::string name = UniqueName(fmt::format("{}__group__{}", prefix_, g));
      Rename(results.back(), name);
      last_op().name = name;
    }
    return Concat(std::move(results), 1);
  }
  mnn::Convolution2DT param;
  param.common = ConvCommon(window, group, ic, oc);
  std::vector<Bulk> bulk;
  std::vector<Value> inputs = {x};
  if (constant_weight) {
    bulk.push_back({BulkField::kWeight, constant(weight)->data});
    bulk.push_back({BulkField::kBias, bias.valid() ? constant(bias)->data
                                                   : FloatSource(std::vector<float>(static_cast<size_t>(oc), 0.0f))});
    if (bias.valid() && constant(bias)->count() != static_cast<uint64_t>(oc)) {
      return Fail(InvalidInput("a bias of {} elements for {} output channels", constant(bias)->count(), oc));
    }
  } else {
    inputs.push_back(weight);
    if (bias.valid()) inputs.push_back(bias);
  }
  const mnn::OpType op = depthwise ? mnn::OpType::ConvolutionDepthwise : mnn::OpType::Convolution;
  return Emit(op, Param(std::move(param)), std::move(inputs), {info(x).type, std::move(out)}, std::move(bulk));
}

}  // namespace quantpress::graph
