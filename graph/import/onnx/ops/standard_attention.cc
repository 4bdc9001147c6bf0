// Attention, FlexAttention and RotaryEmbedding of the ONNX standard.
#include <cmath>
#include <limits>

#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/attention.h"
#include "graph/import/onnx/ops/loops.h"

namespace quantpress::graph::onnx {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();

// Keys behind the end of a mask are not seen.
Value PadMask(NodeContext& n, Value mask, Value keys, Dim key_count) {
  const size_t rank = n.b.Rank(mask);
  if (!n.ok() || rank == 0) return mask;
  const Dim have = n.b.shape(mask)->back();
  if (have == key_count) return mask;
  const bool boolean = n.b.type(mask) == ElementType::kBool;
  const Value fill = boolean ? n.b.ScalarInt(0, ElementType::kBool) : n.b.ScalarFloat(kMinusInfinity);
  if (IsKnown(have) && IsKnown(key_count)) {
    if (have > key_count) {
      n.Fail("a mask of shape {} for {} keys", ShapeText(n.b.shape(mask)), key_count);
      return {};
    }
    std::vector<int64_t> pads(2 * rank, 0);
    pads.back() = key_count - have;
    return n.b.Pad(mask, pads, mnn::PadValueMode::CONSTANT, fill);
  }
  const Value after = n.b.Unsqueeze(n.b.Sub(keys, n.b.DimOf(mask, rank - 1)), {0});
  const Value padded = n.b.PadDynamic(mask, n.b.Concat({n.b.IntList({0}), after}, 0), {-1}, mnn::PadValueMode::CONSTANT, fill);
  if (!n.ok()) return {};
  Shape shape = *n.b.shape(padded);
  shape.back() = key_count;
  return n.b.Opaque(padded, shape);
}

void Attention(NodeContext& n) {
  AttentionSpec spec{n.Input(0), n.Input(1), n.Input(2), n.Float("scale", 0), n.Float("softcap", 0), {}, false, {}, {}, {}};
  const Value past_key = n.OptionalInput(4), past_value = n.OptionalInput(5), lengths = n.OptionalInput(6);
  Value mask = n.OptionalInput(3);
  const int64_t q_heads = n.Int("q_num_heads", 0), kv_heads = n.Int("kv_num_heads", 0), mode = n.Int("qk_matmul_output_mode", 0);
  const size_t rank = n.b.Rank(spec.q);
  if (!n.ok()) return;
  if (rank != 3 && rank != 4) return n.Fail("queries of shape {}; expected rank 3 or 4", ShapeText(n.b.shape(spec.q)));
  if (past_key.valid() != past_value.valid()) return n.Fail("past_key and past_value come together or not at all");
  if (lengths.valid() && past_key.valid()) return n.Fail("nonpad_kv_seqlen beside past_key");
  if (n.Has("scale") && spec.scale == 0) return n.Fail("attribute 'scale' is 0");
  if (mode < 0 || mode > 3) return n.Fail("qk_matmul_output_mode is {}; expected 0 to 3", mode);
  if (rank == 3) {
    if (q_heads < 1 || kv_heads < 1) return n.Fail("tensors of rank 3 need the attributes q_num_heads and kv_num_heads");
    spec.q = SplitHeads(n.b, spec.q, q_heads);
    spec.k = SplitHeads(n.b, spec.k, kv_heads);
    spec.v = SplitHeads(n.b, spec.v, kv_heads);
  }
  Sight sight;
  if (past_key.valid()) {
    n.b.AssumeRank(past_key, 4);
    n.b.AssumeRank(past_value, 4);
    if (n.b.Rank(past_key) != 4 && n.ok()) return n.Fail("past keys of shape {}; expected rank 4", ShapeText(n.b.shape(past_key)));
    if (!n.ok()) return;
    sight.offset = n.b.DimOf(past_key, 2);
    spec.k = n.b.Concat({past_key, spec.k}, 2);
    spec.v = n.b.Concat({past_value, spec.v}, 2);
  }
  for (Value v : {spec.q, spec.k, spec.v}) {
    n.b.AssumeRank(v, 4);
    if (n.b.Rank(v) != 4 && n.ok()) return n.Fail("a tensor of shape {}; queries, keys and values have one rank", ShapeText(n.b.shape(v)));
  }
  if (!n.ok()) return;
  sight.queries = n.b.DimOf(spec.q, 2);
  sight.keys = n.b.DimOf(spec.k, 2);
  Value length;
  if (lengths.valid()) {
    length = n.b.ReshapeTo(lengths, {-1, 1, 1, 1});
    sight.offset = n.b.Sub(length, sight.queries);
  }
  sight.causal = n.Int("is_causal", 0) != 0;
  sight.left = n.Int("left_window_size", -1);
  sight.right = n.Int("right_window_size", -1);
  Value visible = VisibleKeys(n.b, sight);
  if (length.valid()) visible = AndMask(n.b, visible, n.b.Greater(length, n.b.Range(n.b.ScalarInt(0), sight.keys, n.b.ScalarInt(1))));
  if (mask.valid()) {
    mask = PadMask(n, mask, sight.keys, (*n.b.shape(spec.k))[2]);
    if (!n.ok()) return;
    if (n.b.type(mask) == ElementType::kBool) visible = AndMask(n.b, visible, mask);
    else spec.bias = mask;
  }
  if (visible.valid()) {
    spec.bias = AddBias(n.b, spec.bias, n.b.Select(visible, n.b.ScalarFloat(0), n.b.ScalarFloat(kMinusInfinity)));
  }
  // The causal mask alone leaves every query at least one key: the first.
  spec.empty_rows = mask.valid() || lengths.valid() || sight.left >= 0;
  const AttentionResult r = Attend(n.b, spec);
  n.SetOutput(0, rank == 3 ? JoinHeads(n.b, r.y) : r.y);
  n.SetOutput(1, spec.k);
  n.SetOutput(2, spec.v);
  const Value stages[] = {r.scores, r.capped, r.biased, r.probabilities};
  n.SetOutput(3, stages[mode]);
}

void FlexAttention(NodeContext& n) {
  AttentionSpec spec{n.Input(0), n.Input(1), n.Input(2), n.Float("scale", 0), 0, {}, false, {}, {}, {}};
  const auto modifier = [&](std::string_view name) -> std::function<Value(Value)> {
    if (!n.Has(name)) return {};
    const GraphView* graph = n.Subgraph(name);
    if (graph == nullptr) return {};
    if (graph->inputs.size() != 1 || graph->outputs.size() != 1) {
      n.Fail("the subgraph '{}' has {} inputs and {} outputs; expected one of each", name, graph->inputs.size(), graph->outputs.size());
      return {};
    }
    return [&n, graph, name](Value v) {
      if (!n.ok()) return Value{};
      const std::vector<Value> results = ConvertBody(n, n.b, *graph, name, &n.scope(), {v}, {0});
      return results.empty() ? Value{} : results[0];
    };
  };
  if (n.Has("scale") && spec.scale == 0) return n.Fail("attribute 'scale' is 0");
  spec.change_scores = modifier("score_mod");
  spec.change_probabilities = modifier("prob_mod");
  if (!n.ok()) return;
  n.SetOutput(0, Attend(n.b, spec).y);
}

void RotaryEmbedding(NodeContext& n) {
  const Value x = n.Input(0), positions = n.OptionalInput(3);
  Value cos = n.Input(1), sin = n.Input(2);
  const size_t rank = n.b.Rank(x);
  const int64_t heads = n.Int("num_heads", 0), rotated = n.Int("rotary_embedding_dim", 0);
  if (!n.ok()) return;
  if (rank != 3 && rank != 4) return n.Fail("a tensor of shape {}; expected rank 3 or 4", ShapeText(n.b.shape(x)));
  if (positions.valid()) {
    cos = n.b.Gather(cos, positions, 0);
    sin = n.b.Gather(sin, positions, 0);
  }
  if (n.b.Rank(cos) != 3 || n.b.Rank(sin) != 3) {
    if (n.ok()) n.Fail("angles of shape {} and {}; expected [batch, sequence, size]", ShapeText(n.b.shape(cos)), ShapeText(n.b.shape(sin)));
    return;
  }
  if (rotated != 0 && n.b.shape(cos)->back() != rotated / 2) {
    return n.Fail("rotary_embedding_dim is {}, but there are {} angles", rotated, n.b.shape(cos)->back());
  }
  const bool interleaved = n.Int("interleaved", 0) != 0;
  if (rank == 4) return n.SetOutput(0, Rotate(n.b, x, n.b.Unsqueeze(cos, {1}), n.b.Unsqueeze(sin, {1}), interleaved));
  const Dim hidden = (*n.b.shape(x))[2];
  if (heads < 1 || !IsKnown(hidden) || hidden % heads != 0) return n.Fail("num_heads is {} for a tensor of shape {}", heads, ShapeText(n.b.shape(x)));
  const Value split = n.b.ReshapeTo(x, {0, 0, heads, hidden / heads});
  n.SetOutput(0, n.b.ReshapeTo(Rotate(n.b, split, n.b.Unsqueeze(cos, {2}), n.b.Unsqueeze(sin, {2}), interleaved), {0, 0, hidden}));
}

constexpr OpRow kRows[] = {
    {"", "Attention", 23, kNewest, Attention, "as matrix products and a softmax, in float32"},
    {"ai.onnx.preview", "FlexAttention", 1, kNewest, FlexAttention, "as matrix products and a softmax, in float32"},
    {"", "RotaryEmbedding", 23, kNewest, RotaryEmbedding, "head size must be known"},
};

}  // namespace

std::span<const OpRow> StandardAttentionOps() { return kRows; }

}  // namespace quantpress::graph::onnx
