// onnxruntime's normalisations that contain more than one operator of the standard.
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/layer_norm.h"

namespace quantpress::graph::onnx {
namespace {

using R = mnn::ReductionType;
using U = mnn::UnaryOpOperation;

// Normalizes input + skip + bias; the sum is output 3.
void SkipNorm(NodeContext& n, size_t beta, size_t bias, bool rms) {
  Value x = n.b.Add(n.Input(0), n.Input(1));
  if (n.HasInput(bias)) x = n.b.Add(x, n.Input(bias));
  const float epsilon = n.Float("epsilon", 1e-12f);
  const Value gamma = n.Input(2);
  if (!n.ok()) return;
  const Normalized r = rms ? RmsNorm(n, x, -1, gamma, epsilon) : LayerNorm(n, x, -1, gamma, n.OptionalInput(beta), epsilon);
  n.SetOutput(0, r.y);
  n.SetOutput(1, r.mean);
  n.SetOutput(2, r.inverse);
  n.SetOutput(3, x);
}

void SkipLayerNormalization(NodeContext& n) { SkipNorm(n, 3, 4, false); }

void SkipSimplifiedLayerNormalization(NodeContext& n) {
  if (n.OutputUsed(1)) return n.Fail("output mean");
  SkipNorm(n, 0, 3, true);
}

void EmbedLayerNormalization(NodeContext& n) {
  const Value ids = n.Input(0), segments = n.OptionalInput(1), words = n.Input(2), places = n.Input(3), mask = n.OptionalInput(7);
  Value positions = n.OptionalInput(8);
  if (n.b.Rank(ids) != 2) {
    if (n.ok()) n.Fail("input_ids of shape {}; expected rank 2", ShapeText(n.b.shape(ids)));
    return;
  }
  for (Value v : {ids, segments, positions}) n.b.MarkNonNegative(v);
  Value sum = n.b.Gather(words, ids, 0);
  if (!positions.valid()) positions = n.b.Range(n.b.ScalarInt(0), n.b.DimOf(ids, 1), n.b.ScalarInt(1));
  sum = n.b.Add(sum, n.b.Gather(places, positions, 0));
  if (segments.valid()) sum = n.b.Add(sum, n.b.Gather(n.Input(4), segments, 0));
  const float epsilon = n.Float("epsilon", 1e-12f);
  const Value gamma = n.Input(5), beta = n.Input(6);
  if (!n.ok()) return;
  // The outputs 1 and 2 are no moments here, but where they are used this decomposes a layer that could be one operator.
  n.SetOutput(0, LayerNorm(n, sum, -1, gamma, beta, epsilon).y);
  if (n.OutputUsed(1)) {
    const Value ones = mask.valid() ? n.b.Cast(n.b.Equal(mask, n.b.ScalarInt(1, n.b.type(mask))), ElementType::kInt32)
                                    : n.b.Mul(n.b.Cast(ids, ElementType::kInt32), n.b.ScalarInt(0, ElementType::kInt32));
    n.SetOutput(1, n.b.Reduce(R::SUM, ones, {1}, false));
  }
  n.SetOutput(2, sum);
}

// Groups of channels, which stand last unless channels_last is 0.
void GroupNorm(NodeContext& n) {
  Value x = n.Input(0);
  const Value gamma = n.Input(1), beta = n.Input(2);
  const int64_t groups = n.Int("groups", 0), activation = n.Int("activation", 0);
  const bool last = n.Int("channels_last", 1) != 0;
  const float epsilon = n.Float("epsilon", 1e-5f);
  if (n.b.Rank(x) != 4) {
    if (n.ok()) n.Fail("a tensor of shape {}; expected rank 4", ShapeText(n.b.shape(x)));
    return;
  }
  if (last) x = n.b.Transpose(x, {0, 3, 1, 2});
  if (!n.ok()) return;
  const Shape shape = *n.b.shape(x);
  if (groups < 1 || activation < 0 || activation > 1 || (IsKnown(shape[1]) && shape[1] % groups != 0)) {
    return n.Fail("{} groups and activation {} over {} channels", groups, activation, shape[1]);
  }
  const Value rows = n.b.ReshapeTo(x, {0, groups, -1});
  const Value centred = n.b.Sub(rows, n.b.Reduce(R::MEAN, rows, {2}, true));
  const Value variance = n.b.Reduce(R::MEAN, n.b.Unary(U::SQUARE, centred), {2}, true);
  const Value normal = n.b.Mul(centred, n.b.Unary(U::RSQRT, n.b.Add(variance, n.b.ScalarFloat(epsilon))));
  Value y = n.b.ReshapeLike(normal, shape, n.b.ShapeOf(x));
  y = n.b.Add(n.b.Mul(y, n.b.Unsqueeze(gamma, {1, 2})), n.b.Unsqueeze(beta, {1, 2}));
  if (activation == 1) y = n.b.Unary(U::SILU, y);
  n.SetOutput(0, last ? n.b.Transpose(y, {0, 2, 3, 1}) : y);
}

constexpr OpRow kRows[] = {
    {"com.microsoft", "SkipLayerNormalization", 1, kNewest, SkipLayerNormalization, ""},
    {"com.microsoft", "SkipSimplifiedLayerNormalization", 1, kNewest, SkipSimplifiedLayerNormalization, ""},
    {"com.microsoft", "EmbedLayerNormalization", 1, kNewest, EmbedLayerNormalization, ""},
    {"com.microsoft", "GroupNorm", 1, kNewest, GroupNorm, ""},
};

}  // namespace

std::span<const OpRow> FusedNormOps() { return kRows; }

}  // namespace quantpress::graph::onnx
