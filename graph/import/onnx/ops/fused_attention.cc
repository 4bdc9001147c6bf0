// onnxruntime's attention operators over heads of one number: Attention, MultiHeadAttention, and its RotaryEmbedding.
#include <limits>

#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/attention.h"

namespace quantpress::graph::onnx {
namespace {

struct Lengths {
  Value queries, keys, past;  // int64 scalars; past: keys before the first query, may be invalid
};

// What a mask of any form adds to the scores: nothing, or `filter`. Broadcastable to [B, H, S, T].
Value MaskBias(NodeContext& n, Value mask, Dim batch, const Lengths& lengths, float filter) {
  const size_t rank = n.b.Rank(mask);
  if (!n.ok()) return {};
  const Value zero = n.b.ScalarInt(0, n.b.type(mask));
  const auto bias = [&](Value seen) { return n.b.Select(seen, n.b.ScalarFloat(0), n.b.ScalarFloat(filter)); };
  if (rank == 2) return bias(n.b.Unsqueeze(n.b.Greater(mask, zero), {1, 2}));  // [B, T]
  if (rank == 3) return bias(n.b.Unsqueeze(n.b.Greater(mask, zero), {1}));     // [B, S, T]
  const Dim count = rank == 1 ? (*n.b.shape(mask))[0] : -1;
  const Value keys = n.b.Range(n.b.ScalarInt(0), lengths.keys, n.b.ScalarInt(1));
  const auto column = [&](Value v) { return n.b.ReshapeTo(v, {-1, 1, 1, 1}); };
  if (rank == 1 && count == batch) return bias(n.b.Greater(column(mask), keys));
  if (rank == 1 && count == n.b.symbols()->Mul(2, batch)) {
    // The first keys behind what is seen, then the first that are seen.
    const Value rows = n.b.ReshapeTo(mask, {2, -1});
    const Value end = column(n.b.Gather(rows, n.b.ScalarInt(0), 0)), start = column(n.b.Gather(rows, n.b.ScalarInt(1), 0));
    return bias(n.b.LogicalAnd(n.b.Greater(end, keys), n.b.Greater(n.b.Add(keys, n.b.ScalarInt(1)), start)));
  }
  n.Fail("a mask of shape {} for a batch of {}; expected [batch], [2 * batch], [batch, keys] or [batch, queries, keys]",
         ShapeText(n.b.shape(mask)), ShapeText(Shape{batch}));
  return {};
}

// Adds everything that changes the scores to the spec. Precondition: queries and keys are set.
void SetBias(NodeContext& n, AttentionSpec* spec, Value mask, Value added, bool causal, Value past) {
  const float filter = n.Float("mask_filter_value", -10000.0f);
  if (!n.ok()) return;
  const Lengths lengths{n.b.DimOf(spec->q, 2), n.b.DimOf(spec->k, 2), past};
  if (mask.valid()) spec->bias = MaskBias(n, mask, (*n.b.shape(spec->q))[0], lengths, filter);
  if (causal) {
    Sight sight;
    sight.queries = lengths.queries;
    sight.keys = lengths.keys;
    sight.offset = past;
    sight.causal = true;
    // A key that comes later is out of sight, masked or not.
    const Value later = n.b.Select(VisibleKeys(n.b, sight), n.b.ScalarFloat(0), n.b.ScalarFloat(std::numeric_limits<float>::lowest()));
    spec->bias = spec->bias.valid() ? n.b.Min(spec->bias, later) : later;
  }
  spec->bias = AddBias(n.b, spec->bias, added);
}

void Attention(NodeContext& n) {
  const Value x = n.Input(0), weights = n.Input(1), bias = n.OptionalInput(2), past = n.OptionalInput(4);
  const int64_t heads = n.Int("num_heads", 0);
  const std::vector<int64_t> given = n.Ints("qkv_hidden_sizes");
  if (!n.ok()) return;
  if (n.Int("do_rotary", 0) != 0 || n.Int("past_present_share_buffer", 0) != 0) return n.Fail("attributes do_rotary and past_present_share_buffer; expected 0");
  if (n.b.Rank(x) != 3 || n.b.Rank(weights) != 2) {
    return n.Fail("a tensor of shape {} with weights of shape {}; expected ranks 3 and 2", ShapeText(n.b.shape(x)), ShapeText(n.b.shape(weights)));
  }
  const Dim width = (*n.b.shape(weights))[1];
  std::vector<int64_t> sizes = given;
  if (sizes.empty() && IsKnown(width)) sizes = {width / 3, width / 3, width - width / 3 * 2};
  if (sizes.size() != 3 || sizes[0] != sizes[1] || sizes[0] < 1 || sizes[2] < 1 || sizes[0] > width || sizes[2] > width ||
      2 * sizes[0] + sizes[2] != width || heads < 1) {
    return n.Fail("{} heads and hidden sizes {} with weights of shape {}", heads, fmt::join(sizes, ","), ShapeText(n.b.shape(weights)));
  }
  Value all = n.b.MatMul(x, weights);
  if (bias.valid()) all = n.b.Add(all, bias);
  const std::vector<Value> parts = n.b.Split(all, 2, sizes);
  if (!n.ok()) return;
  AttentionSpec spec;
  spec.q = SplitHeads(n.b, parts[0], heads);
  spec.k = SplitHeads(n.b, parts[1], heads);
  spec.v = SplitHeads(n.b, parts[2], heads);
  spec.scale = n.Float("scale", 0);
  Value before;
  if (past.valid()) {
    n.b.AssumeRank(past, 5);
    if (n.b.Rank(past) != 5 || !n.ok()) return n.Fail("a past of shape {}; expected rank 5", ShapeText(n.b.shape(past)));
    before = n.b.DimOf(past, 3);
    spec.k = n.b.Concat({n.b.Gather(past, n.b.ScalarInt(0), 0), spec.k}, 2);
    spec.v = n.b.Concat({n.b.Gather(past, n.b.ScalarInt(1), 0), spec.v}, 2);
  }
  SetBias(n, &spec, n.OptionalInput(3), n.OptionalInput(5), n.Int("unidirectional", 0) != 0, before);
  n.SetOutput(0, JoinHeads(n.b, Attend(n.b, spec).y));
  if (n.OutputUsed(1)) n.SetOutput(1, n.b.Concat({n.b.Unsqueeze(spec.k, {0}), n.b.Unsqueeze(spec.v, {0})}, 0));
}

void MultiHeadAttention(NodeContext& n) {
  const Value query = n.Input(0), key = n.OptionalInput(1), value = n.OptionalInput(2), bias = n.OptionalInput(3);
  const Value past_key = n.OptionalInput(6), past_value = n.OptionalInput(7);
  const int64_t heads = n.Int("num_heads", 0);
  const size_t rank = n.b.Rank(query);
  if (!n.ok()) return;
  if (heads < 1) return n.Fail("num_heads is {}", heads);
  if (n.HasInput(8) || n.HasInput(9)) return n.Fail("inputs past_sequence_length and cache_indirection");
  if (n.OutputUsed(3)) return n.Fail("output qk");
  if (past_key.valid() != past_value.valid()) return n.Fail("past_key and past_value come together or not at all");
  AttentionSpec spec;
  spec.scale = n.Float("scale", 0);
  // Heads in front of the sequence, from [B, S, N, count, D] at place `i` of axis 3.
  const auto packed = [&](Value v, int64_t i) { return n.b.Transpose(n.b.Gather(v, n.b.ScalarInt(i), 3), {0, 2, 1, 3}); };
  Value biases[3];
  const auto with_bias = [&](Value v, int i) { return biases[i].valid() ? n.b.Add(v, biases[i]) : v; };
  if (rank == 5) {
    if (bias.valid()) return n.Fail("a bias beside packed queries, keys and values");
    spec.q = packed(query, 0);
    spec.k = packed(query, 1);
    spec.v = packed(query, 2);
  } else {
    if (rank != 3 || !key.valid()) return n.Fail("queries of shape {} {} keys", ShapeText(n.b.shape(query)), key.valid() ? "with" : "without");
    const size_t key_rank = n.b.Rank(key);
    const Dim hidden = (*n.b.shape(query))[2];
    if (bias.valid()) {
      const Dim total = n.b.Rank(bias) == 1 ? (*n.b.shape(bias))[0] : -1;
      if (!n.ok() || !IsKnown(hidden) || !IsKnown(total) || total <= 2 * hidden) {
        return n.Fail("a bias of shape {} for queries of shape {}", ShapeText(n.b.shape(bias)), ShapeText(n.b.shape(query)));
      }
      const std::vector<Value> parts = n.b.Split(bias, 0, {hidden, hidden, total - 2 * hidden});
      for (size_t i = 0; i < parts.size(); ++i) biases[i] = parts[i];
    }
    spec.q = SplitHeads(n.b, with_bias(query, 0), heads);
    if (key_rank == 5) {
      if (bias.valid()) return n.Fail("a bias beside packed keys and values");
      spec.k = packed(key, 0);
      spec.v = packed(key, 1);
    } else if (key_rank == 4 && value.valid()) {  // heads in front already, bias included
      spec.k = key;
      spec.v = value;
    } else if (key_rank == 3 && value.valid()) {
      spec.k = SplitHeads(n.b, with_bias(key, 1), heads);
      spec.v = SplitHeads(n.b, with_bias(value, 2), heads);
    } else {
      return n.Fail("keys of shape {} {} values", ShapeText(n.b.shape(key)), value.valid() ? "with" : "without");
    }
  }
  Value before;
  if (past_key.valid()) {
    n.b.AssumeRank(past_key, 4);
    n.b.AssumeRank(past_value, 4);
    if (n.b.Rank(past_key) != 4 || !n.ok()) return n.Fail("past keys of shape {}; expected rank 4", ShapeText(n.b.shape(past_key)));
    before = n.b.DimOf(past_key, 2);
    spec.k = n.b.Concat({past_key, spec.k}, 2);
    spec.v = n.b.Concat({past_value, spec.v}, 2);
  }
  if (!n.ok()) return;
  SetBias(n, &spec, n.OptionalInput(4), n.OptionalInput(5), n.Int("unidirectional", 0) != 0, before);
  n.SetOutput(0, JoinHeads(n.b, Attend(n.b, spec).y));
  n.SetOutput(1, spec.k);
  n.SetOutput(2, spec.v);
}

void RotaryEmbedding(NodeContext& n) {
  const Value x = n.Input(0), given = n.Input(1);
  Value cos = n.Input(2), sin = n.Input(3);
  const size_t rank = n.b.Rank(x), position_rank = n.b.Rank(given);
  const int64_t heads = n.Int("num_heads", 0);
  if (!n.ok()) return;
  if (n.Int("is_packed_batching", 0) != 0 || n.Float("scale", 1) != 1) return n.Fail("attributes is_packed_batching and scale; expected 0 and 1");
  if ((rank != 3 && rank != 4) || (position_rank != 1 && position_rank != 2) || n.b.Rank(cos) != 2 || n.b.Rank(sin) != 2) {
    return n.Fail("a tensor of shape {} at positions of shape {} with angles of shape {}", ShapeText(n.b.shape(x)), ShapeText(n.b.shape(given)),
                  ShapeText(n.b.shape(cos)));
  }
  // One position is that of the first element of every sequence.
  Value positions = given;
  if (position_rank == 1) {
    const Value length = n.b.DimOf(x, rank == 4 ? 2 : 1);
    positions = n.b.Unsqueeze(n.b.Add(n.b.Range(n.b.ScalarInt(0), length, n.b.ScalarInt(1)), n.b.Cast(given, ElementType::kInt64)), {0});
  }
  n.b.MarkNonNegative(positions);
  // [B or 1, S, R] with an axis for the heads, which stand before or behind the sequence.
  const int64_t head_axis = rank == 4 ? 1 : 2;
  cos = n.b.Unsqueeze(n.b.Gather(cos, positions, 0), {head_axis});
  sin = n.b.Unsqueeze(n.b.Gather(sin, positions, 0), {head_axis});
  const bool interleaved = n.Int("interleaved", 0) != 0;
  if (rank == 4 || !n.ok()) return n.SetOutput(0, Rotate(n.b, x, cos, sin, interleaved));
  const Dim hidden = (*n.b.shape(x))[2], half = n.b.shape(cos)->back();
  const Dim size = heads > 0 && IsKnown(hidden) ? hidden / heads : IsKnown(half) ? 2 * half : -1;
  if (!IsKnown(hidden) || size < 1 || hidden % size != 0) return n.Fail("num_heads is {} for a tensor of shape {}", heads, ShapeText(n.b.shape(x)));
  const Value split = n.b.ReshapeTo(x, {0, 0, hidden / size, size});
  n.SetOutput(0, n.b.ReshapeTo(Rotate(n.b, split, cos, sin, interleaved), {0, 0, hidden}));
}

constexpr OpRow kRows[] = {
    {"com.microsoft", "Attention", 1, kNewest, Attention, "masks of rank 1 to 3; no shared past buffer"},
    {"com.microsoft", "MultiHeadAttention", 1, kNewest, MultiHeadAttention, "masks of rank 1 to 3; no shared past buffer"},
    {"com.microsoft", "RotaryEmbedding", 1, kNewest, RotaryEmbedding, "head size must be known"},
};

}  // namespace

std::span<const OpRow> FusedAttentionOps() { return kRows; }

}  // namespace quantpress::graph::onnx
