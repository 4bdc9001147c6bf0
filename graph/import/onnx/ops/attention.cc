#include "graph/import/onnx/ops/attention.h"

#include <cmath>
#include <limits>

namespace quantpress::graph::onnx {
namespace {

using R = mnn::ReductionType;
using U = mnn::UnaryOpOperation;

// 1 / sqrt of the last dimension.
Value DefaultScale(GraphBuilder& b, Value q) {
  const Dim size = b.shape(q)->back();
  if (IsKnown(size)) return b.ScalarFloat(static_cast<float>(1.0 / std::sqrt(static_cast<double>(std::max<Dim>(size, 1)))));
  return b.Unary(U::RSQRT, b.Cast(b.DimOf(q, 3), ElementType::kFloat32));
}

// One more column in front of the softmax, which is dropped behind it.
Value SoftmaxWithSink(GraphBuilder& b, Value scores, Value sink) {
  const Value column = b.Add(b.Mul(b.Slice(scores, {0}, {1}, {3}), b.ScalarFloat(0)), sink);
  const Value all = b.Softmax(b.Concat({column, scores}, 3), 3);
  return b.Slice(all, {1}, {std::numeric_limits<int32_t>::max()}, {3});
}

}  // namespace

Value SplitHeads(GraphBuilder& b, Value x, int64_t heads) {
  b.AssumeRank(x, 3);
  const size_t rank = b.Rank(x);
  if (!b.ok() || !x.valid()) return {};
  if (rank != 3) return b.Fail(InvalidInput("a tensor of shape {}; expected [batch, sequence, heads * size]", ShapeText(b.shape(x))));
  const Dim hidden = (*b.shape(x))[2];
  if (heads < 1 || (IsKnown(hidden) && hidden % heads != 0)) {
    return b.Fail(InvalidInput("{} heads for a tensor of shape {}", heads, ShapeText(b.shape(x))));
  }
  return b.Transpose(b.ReshapeTo(x, {0, 0, heads, IsKnown(hidden) ? hidden / heads : -1}), {0, 2, 1, 3});
}

Value JoinHeads(GraphBuilder& b, Value x) {
  if (!b.ok() || !x.valid()) return {};
  const Dim heads = (*b.shape(x))[1], size = (*b.shape(x))[3];
  return b.ReshapeTo(b.Transpose(x, {0, 2, 1, 3}), {0, 0, IsKnown(heads) && IsKnown(size) ? heads * size : -1});
}

AttentionResult Attend(GraphBuilder& b, const AttentionSpec& spec) {
  AttentionResult r;
  for (Value v : {spec.q, spec.k, spec.v}) {
    b.AssumeRank(v, 4);
    if (b.Rank(v) != 4 && b.ok()) b.Fail(InvalidInput("attention over a tensor of shape {}; expected rank 4", ShapeText(b.shape(v))));
  }
  if (!b.ok() || !spec.q.valid() || !spec.k.valid() || !spec.v.valid()) return r;
  const Dim heads = (*b.shape(spec.q))[1], groups = (*b.shape(spec.k))[1];
  const bool grouped = heads != groups;
  if (grouped && (!IsKnown(heads) || !IsKnown(groups) || groups < 1 || heads % groups != 0)) {
    b.Fail(InvalidInput("queries of shape {} and keys of shape {}; the number of query heads must be a multiple of the other",
                        ShapeText(b.shape(spec.q)), ShapeText(b.shape(spec.k))));
    return r;
  }
  // Heads that share a key are rows of one product, so keys need no copies.
  const auto gather = [&](Value v) { return grouped ? b.ReshapeTo(v, {0, groups, -1, 0}) : v; };
  const auto spread = [&](Value v) { return grouped ? b.ReshapeTo(v, {0, heads, -1, 0}) : v; };
  const Value scaled = b.Mul(spec.q, spec.scale == 0 ? DefaultScale(b, spec.q) : b.ScalarFloat(spec.scale));
  r.scores = spread(b.MatMul(gather(scaled), spec.k, false, true));
  r.capped = r.scores;
  if (spec.softcap != 0) {
    const Value cap = b.ScalarFloat(spec.softcap);
    r.capped = b.Mul(b.Unary(U::TANH, b.Div(r.scores, cap)), cap);
  }
  r.biased = spec.bias.valid() ? b.Add(r.capped, spec.bias) : r.capped;
  if (spec.change_scores) r.biased = spec.change_scores(r.biased);
  r.probabilities = spec.sink.valid() ? SoftmaxWithSink(b, r.biased, spec.sink) : b.Softmax(r.biased, 3);
  if (spec.empty_rows && spec.bias.valid()) {
    const Value highest = b.Reduce(R::MAXIMUM, spec.bias, {-1}, true);
    const Value empty = b.Greater(b.ScalarFloat(std::numeric_limits<float>::lowest()), highest);
    r.probabilities = b.Select(empty, b.ScalarFloat(0), r.probabilities);
  }
  if (spec.change_probabilities) r.probabilities = spec.change_probabilities(r.probabilities);
  r.y = spread(b.MatMul(gather(r.probabilities), spec.v));
  return r;
}

Value VisibleKeys(GraphBuilder& b, const Sight& sight) {
  if (!b.ok() || (!sight.causal && sight.left < 0 && sight.right < 0)) return {};
  const Value zero = b.ScalarInt(0), one = b.ScalarInt(1);
  Value query = b.Unsqueeze(b.Range(zero, sight.queries, one), {1});
  if (sight.offset.valid()) query = b.Add(query, sight.offset);
  const Value key = b.Range(zero, sight.keys, one);
  Value visible;
  int64_t right = sight.right;
  if (sight.causal) right = 0;
  if (right >= 0) visible = b.Greater(b.Add(query, b.ScalarInt(right + 1)), key);
  if (sight.left >= 0) visible = AndMask(b, visible, b.Greater(b.Add(key, b.ScalarInt(sight.left + 1)), query));
  return visible;
}

Value AndMask(GraphBuilder& b, Value a, Value c) {
  if (!a.valid() || !c.valid()) return a.valid() ? a : c;
  return b.LogicalAnd(a, c);
}

Value AddBias(GraphBuilder& b, Value a, Value c) {
  if (!a.valid() || !c.valid()) return a.valid() ? a : c;
  return b.Add(a, c);
}

Value Rotate(GraphBuilder& b, Value x, Value cos, Value sin, bool interleaved) {
  const size_t rank = b.Rank(x);
  if (!b.ok() || !x.valid() || !cos.valid() || !sin.valid() || b.Rank(cos) == 0) return {};
  const Dim size = b.shape(x)->back(), half = b.shape(cos)->back();
  if (!IsKnown(size) || !IsKnown(half) || half < 1 || 2 * half > size || b.shape(sin)->back() != half) {
    return b.Fail(InvalidInput("a rotation by angles of shape {} and {} of a tensor of shape {}", ShapeText(b.shape(cos)),
                               ShapeText(b.shape(sin)), ShapeText(b.shape(x))));
  }
  const auto axis = static_cast<int64_t>(rank) - 1;
  const auto part = [&](int64_t start, int64_t end, int64_t step) { return b.Slice(x, {start}, {end}, {axis}, {step}); };
  const Value first = interleaved ? part(0, 2 * half, 2) : part(0, half, 1);
  const Value second = interleaved ? part(1, 2 * half, 2) : part(half, 2 * half, 1);
  const Value real = b.Sub(b.Mul(first, cos), b.Mul(second, sin));
  const Value imaginary = b.Add(b.Mul(first, sin), b.Mul(second, cos));
  std::vector<Value> parts = {real, imaginary};
  if (interleaved) {
    const Value pairs = b.Concat({b.Unsqueeze(real, {axis + 1}), b.Unsqueeze(imaginary, {axis + 1})}, axis + 1);
    std::vector<int64_t> dims(rank, 0);
    dims.back() = 2 * half;
    parts = {b.ReshapeTo(pairs, dims)};
  }
  if (2 * half < size) parts.push_back(part(2 * half, size, 1));
  return b.Concat(std::move(parts), axis);
}

}  // namespace quantpress::graph::onnx
