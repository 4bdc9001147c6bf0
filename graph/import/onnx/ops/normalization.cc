// Normalisation over channels, groups and trailing axes.
#include <cmath>

#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/layer_norm.h"

namespace quantpress::graph::onnx {
namespace {

using B = mnn::BinaryOpOperation;
using R = mnn::ReductionType;
using U = mnn::UnaryOpOperation;

std::vector<int64_t> AxesFrom(size_t first, size_t rank) {
  std::vector<int64_t> axes;
  for (size_t i = first; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  return axes;
}

// A [C] tensor as [C, 1, 1...] so that it broadcasts along axis 1 of a tensor of rank `rank`.
Value PerChannel(NodeContext& n, Value v, size_t rank) {
  if (rank <= 2) return v;
  return n.b.Unsqueeze(v, AxesFrom(1, rank - 1));
}

struct Moments {
  Value mean, centred, variance;
};

// Mean and biased variance over `axes`, dimensions kept.
Moments MomentsOf(NodeContext& n, Value x, const std::vector<int64_t>& axes) {
  Moments m;
  m.mean = n.b.Reduce(R::MEAN, x, axes, true);
  m.centred = n.b.Sub(x, m.mean);
  m.variance = n.b.Reduce(R::MEAN, n.b.Unary(U::SQUARE, m.centred), axes, true);
  return m;
}

Value InverseRoot(NodeContext& n, Value variance, float epsilon) {
  return n.b.Unary(U::RSQRT, n.b.Add(variance, n.b.ScalarFloat(epsilon)));
}

// x * scale[c] + shift[c] with scale = gamma / sqrt(var + epsilon), shift = beta - gamma * mean / sqrt(var + epsilon). The order is that of the
// stock converter: in low-memory mode the runtime rounds activations to 8 bits, and a last bit of a bias decides some of them.
void ConstantBatchNorm(NodeContext& n, Value x, const std::vector<float>& gamma, const std::vector<float>& beta,
                       const std::vector<float>& mean, const std::vector<float>& var, float epsilon) {
  const size_t rank = n.b.Rank(x), channels = gamma.size();
  if (rank < 2 || beta.size() != channels || mean.size() != channels || var.size() != channels ||
      (IsKnown((*n.b.shape(x))[1]) && (*n.b.shape(x))[1] != static_cast<int64_t>(channels))) {
    return n.Fail("scale, bias, mean and variance of {}, {}, {} and {} elements for a tensor of shape {}", channels, beta.size(),
                  mean.size(), var.size(), ShapeText(n.b.shape(x)));
  }
  if (n.options().for_training && rank == 4) {
    mnn::BatchNormT norm;
    norm.channels = static_cast<int32_t>(channels);
    norm.slopeData = gamma;
    norm.biasData = beta;
    norm.meanData = mean;
    norm.varData = var;
    norm.epsilon = epsilon;
    return n.SetOutput(0, n.b.Emit(mnn::OpType::BatchNorm, Param(std::move(norm)), {x}, {n.b.type(x), n.b.shape(x)}));
  }
  mnn::ScaleT param;
  param.channels = static_cast<int32_t>(channels);
  for (size_t c = 0; c < channels; ++c) {
    const float deviation = std::sqrt(var[c] + epsilon);
    param.scaleData.push_back(gamma[c] / deviation);
    param.biasData.push_back(beta[c] - gamma[c] * mean[c] / deviation);
  }
  if (rank == 4) {
    return n.SetOutput(0, n.b.Emit(mnn::OpType::Scale, Param(std::move(param)), {x}, {n.b.type(x), n.b.shape(x)}));
  }
  std::vector<int64_t> shape(rank - 1, 1);
  shape[0] = static_cast<int64_t>(channels);
  n.SetOutput(0, n.b.Add(n.b.Mul(x, n.b.Floats(param.scaleData, shape)), n.b.Floats(param.biasData, shape)));
}

void BatchNormalization(NodeContext& n) {
  const Value x = n.Input(0), scale = n.Input(1), bias = n.Input(2), mean = n.Input(3), var = n.Input(4);
  const size_t rank = n.b.Rank(x);
  const float epsilon = n.Float("epsilon", 1e-5f);
  if (!n.ok()) return;
  const auto apply = [&](Value m, Value v) {
    const Value normal = n.b.Mul(n.b.Sub(x, PerChannel(n, m, rank)), InverseRoot(n, PerChannel(n, v, rank), epsilon));
    return n.b.Add(n.b.Mul(normal, PerChannel(n, scale, rank)), PerChannel(n, bias, rank));
  };
  // Before opset 14 more than one used output means training.
  if (n.Int("training_mode", 0) != 0 || (n.opset() < 14 && n.OutputUsed(1))) {
    std::vector<int64_t> axes = {0};
    for (int64_t a : AxesFrom(2, rank)) axes.push_back(a);
    const Value batch_mean = n.b.Reduce(R::MEAN, x, axes, false);
    const Value centred = n.b.Sub(x, PerChannel(n, batch_mean, rank));
    const Value batch_var = n.b.Reduce(R::MEAN, n.b.Unary(U::SQUARE, centred), axes, false);
    n.SetOutput(0, apply(batch_mean, batch_var));
    const float keep = n.Float("momentum", 0.9f);
    const auto running = [&](Value old, Value now) {
      return n.b.Add(n.b.Mul(old, n.b.ScalarFloat(keep)), n.b.Mul(now, n.b.ScalarFloat(1 - keep)));
    };
    if (n.OutputUsed(1)) n.SetOutput(1, running(mean, batch_mean));
    if (n.OutputUsed(2)) n.SetOutput(2, running(var, batch_var));
    if (n.OutputUsed(3) || n.OutputUsed(4)) n.Fail("the saved mean and variance outputs");
    return;
  }
  const auto g = n.b.ConstantFloats(scale), b = n.b.ConstantFloats(bias), m = n.b.ConstantFloats(mean), v = n.b.ConstantFloats(var);
  if (g && b && m && v) return ConstantBatchNorm(n, x, *g, *b, *m, *v, epsilon);
  n.SetOutput(0, apply(mean, var));
}

void InstanceNormalization(NodeContext& n) {
  const Value x = n.Input(0);
  const size_t rank = n.b.Rank(x);
  if (!n.ok()) return;
  if (rank < 3) return n.Fail("a tensor of rank {}; expected at least 3", rank);
  const Moments m = MomentsOf(n, x, AxesFrom(2, rank));
  const Value normal = n.b.Mul(m.centred, InverseRoot(n, m.variance, n.Float("epsilon", 1e-5f)));
  n.SetOutput(0, n.b.Add(n.b.Mul(normal, PerChannel(n, n.Input(1), rank)), PerChannel(n, n.Input(2), rank)));
}

// The runtime's op over trailing axes: gamma and beta are constants of the axes' element count.
Value FusedLayerNorm(NodeContext& n, Value x, size_t axes, float epsilon, std::vector<float> gamma, std::vector<float> beta, bool rms) {
  mnn::LayerNormT param;
  for (size_t i = axes; i > 0; --i) param.axis.push_back(-static_cast<int32_t>(i));
  param.epsilon = epsilon;
  param.gamma = std::move(gamma);
  param.beta = std::move(beta);
  param.useRMSNorm = rms;
  return n.b.Emit(mnn::OpType::LayerNorm, Param(std::move(param)), {x}, {n.b.type(x), n.b.shape(x)});
}

// Elements of the trailing axes if gamma (and beta, where there is one) are constants of exactly that many.
bool CanFuse(NodeContext& n, Value x, size_t axis, Value gamma, Value beta) {
  const Shape& s = *n.b.shape(x);
  const auto count = ElementCount({s.begin() + static_cast<int64_t>(axis), s.end()});
  return axis + 1 == s.size() && count && n.b.IsConstant(gamma) && n.b.constant(gamma)->count() == static_cast<uint64_t>(*count) &&
         (!beta.valid() || (n.b.IsConstant(beta) && n.b.constant(beta)->count() == static_cast<uint64_t>(*count)));
}

}  // namespace

Normalized LayerNorm(NodeContext& n, Value x, int64_t first_axis, Value gamma, Value beta, float epsilon) {
  const size_t rank = n.b.Rank(x);
  const auto axis = NormalizeAxis(first_axis, rank);
  if (n.ok() && !axis) n.Fail("axis {} lies outside a tensor of rank {}", first_axis, rank);
  if (!n.ok()) return {};
  if (!n.OutputUsed(1) && !n.OutputUsed(2) && CanFuse(n, x, *axis, gamma, beta)) {
    std::vector<float> g = *n.b.ConstantFloats(gamma);
    std::vector<float> b = beta.valid() ? *n.b.ConstantFloats(beta) : std::vector<float>(g.size(), 0.0f);
    return {FusedLayerNorm(n, x, 1, epsilon, std::move(g), std::move(b), false), {}, {}};
  }
  const Moments m = MomentsOf(n, x, AxesFrom(*axis, rank));
  const Value inverse = InverseRoot(n, m.variance, epsilon);
  Value y = n.b.Mul(n.b.Mul(m.centred, inverse), gamma);
  if (beta.valid()) y = n.b.Add(y, beta);
  return {y, m.mean, inverse};
}

Normalized RmsNorm(NodeContext& n, Value x, int64_t first_axis, Value gamma, float epsilon) {
  const size_t rank = n.b.Rank(x);
  const auto axis = NormalizeAxis(first_axis, rank);
  if (n.ok() && !axis) n.Fail("axis {} lies outside a tensor of rank {}", first_axis, rank);
  if (!n.ok()) return {};
  if (!n.OutputUsed(1) && !n.OutputUsed(2) && CanFuse(n, x, *axis, gamma, {})) {
    std::vector<float> g = *n.b.ConstantFloats(gamma);
    std::vector<float> zeros(g.size(), 0.0f);
    return {FusedLayerNorm(n, x, 1, epsilon, std::move(g), std::move(zeros), true), {}, {}};
  }
  const Value power = n.b.Reduce(R::MEAN, n.b.Unary(U::SQUARE, x), AxesFrom(*axis, rank), true);
  const Value inverse = InverseRoot(n, power, epsilon);
  return {n.b.Mul(n.b.Mul(x, inverse), gamma), {}, inverse};
}

namespace {

void LayerNormalization(NodeContext& n) {
  const Normalized r = LayerNorm(n, n.Input(0), n.Int("axis", -1), n.Input(1), n.OptionalInput(2), n.Float("epsilon", 1e-5f));
  n.SetOutput(0, r.y);
  n.SetOutput(1, r.mean);
  n.SetOutput(2, r.inverse);
}

void RmsNormalization(NodeContext& n) {
  const Normalized r = RmsNorm(n, n.Input(0), n.Int("axis", -1), n.Input(1), n.Float("epsilon", 1e-5f));
  n.SetOutput(0, r.y);
  n.SetOutput(1, r.inverse);
}

void GroupNormalization(NodeContext& n) {
  const Value x = n.Input(0);
  Value scale = n.Input(1), bias = n.Input(2);
  const size_t rank = n.b.Rank(x);
  const int64_t groups = n.Int("num_groups", 1);
  if (!n.ok()) return;
  const Shape shape = *n.b.shape(x);
  if (rank < 2 || groups < 1 || (IsKnown(shape[1]) && shape[1] % groups != 0)) {
    return n.Fail("{} groups over a tensor of shape {}", groups, ShapeText(shape));
  }
  const Value rows = n.b.ReshapeTo(x, {0, groups, -1});
  const Moments m = MomentsOf(n, rows, {2});
  Value normal = n.b.Mul(m.centred, InverseRoot(n, m.variance, n.Float("epsilon", 1e-5f)));
  // Opset 18 has one scale per group, opset 21 one per channel.
  if (n.opset() < 21) {
    scale = n.b.ReshapeTo(scale, {groups, 1});
    bias = n.b.ReshapeTo(bias, {groups, 1});
    return n.SetOutput(0, n.b.ReshapeLike(n.b.Add(n.b.Mul(normal, scale), bias), shape, n.b.ShapeOf(x)));
  }
  normal = n.b.ReshapeLike(normal, shape, n.b.ShapeOf(x));
  n.SetOutput(0, n.b.Add(n.b.Mul(normal, PerChannel(n, scale, rank)), PerChannel(n, bias, rank)));
}

// x / (bias + alpha / size * sum of squares over `size` neighbouring channels)^beta, as a padded window sum.
void Lrn(NodeContext& n) {
  const Value x = n.Input(0);
  const size_t rank = n.b.Rank(x);
  const int64_t size = n.Int("size", 1);
  if (!n.ok()) return;
  if (rank < 3 || size < 1 || size > 4096 || !IsKnown((*n.b.shape(x))[1])) {
    return n.Fail("size {} over a tensor of shape {}", size, ShapeText(n.b.shape(x)));
  }
  const int64_t channels = (*n.b.shape(x))[1], before = (size - 1) / 2;
  std::vector<int64_t> pads(2 * rank, 0);
  pads[1] = before;
  pads[rank + 1] = size - 1 - before;
  const Value squares = n.b.Pad(n.b.Unary(U::SQUARE, x), pads, mnn::PadValueMode::CONSTANT, n.b.ScalarFloat(0));
  Value sum;
  for (int64_t i = 0; i < size; ++i) {
    const Value part = n.b.Slice(squares, {i}, {i + channels}, {1});
    sum = sum.valid() ? n.b.Add(sum, part) : part;
  }
  const float alpha = n.Float("alpha", 1e-4f), beta = n.Float("beta", 0.75f), bias = n.Float("bias", 1);
  const Value base = n.b.Add(n.b.Mul(sum, n.b.ScalarFloat(alpha / static_cast<float>(size))), n.b.ScalarFloat(bias));
  n.SetOutput(0, n.b.Mul(x, n.b.Binary(B::POW, base, n.b.ScalarFloat(-beta))));
}

void LpNormalization(NodeContext& n) {
  const Value x = n.Input(0);
  const int64_t p = n.Int("p", 2), axis = n.Int("axis", -1);
  if (!n.ok()) return;
  if (p != 1 && p != 2) return n.Fail("p is {}; expected 1 or 2", p);
  const Value sum = n.b.Reduce(R::SUM, p == 1 ? n.b.Unary(U::ABS, x) : n.b.Unary(U::SQUARE, x), {axis}, true);
  const Value norm = p == 1 ? sum : n.b.Unary(U::SQRT, sum);
  // A vector of zeros stays zero.
  const Value safe = n.b.Select(n.b.Equal(norm, n.b.ScalarFloat(0)), n.b.ScalarFloat(1), norm);
  n.SetOutput(0, n.b.Div(x, safe));
}

void MeanVarianceNormalization(NodeContext& n) {
  const Value x = n.Input(0);
  const Moments m = MomentsOf(n, x, n.Ints("axes", {0, 2, 3}));
  n.SetOutput(0, n.b.Div(m.centred, n.b.Add(n.b.Unary(U::SQRT, m.variance), n.b.ScalarFloat(1e-9f))));
}

constexpr OpRow kRows[] = {
    {"", "BatchNormalization", 1, kNewest, BatchNormalization, ""},
    {"", "InstanceNormalization", 1, kNewest, InstanceNormalization, ""},
    // Graph optimizers wrote both before the standard had them.
    {"", "SimplifiedLayerNormalization", 1, kNewest, RmsNormalization, "the runtime's LayerNorm over the last axis, else decomposed"},
    {"", "LayerNormalization", 1, kNewest, LayerNormalization, "the runtime's LayerNorm over the last axis, else decomposed"},
    {"", "RMSNormalization", 23, kNewest, RmsNormalization, "the runtime's LayerNorm over the last axis, else decomposed"},
    {"", "GroupNormalization", 18, kNewest, GroupNormalization, ""},
    {"", "LRN", 1, kNewest, Lrn, "as a window sum over channels"},
    {"", "LpNormalization", 1, kNewest, LpNormalization, ""},
    {"", "MeanVarianceNormalization", 9, kNewest, MeanVarianceNormalization, ""},
};

}  // namespace

std::span<const OpRow> NormalizationOps() { return kRows; }

}  // namespace quantpress::graph::onnx
