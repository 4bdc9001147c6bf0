// onnxruntime's GroupQueryAttention: causal attention over a cache that may be longer than what it holds, with sequences of a batch that
// may be of different lengths.
#include <limits>

#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/attention.h"

namespace quantpress::graph::onnx {
namespace {

using R = mnn::ReductionType;

struct Cache {
  Value filled;  // keys that each sequence has before this node, int64 [B, 1, 1, 1]; invalid: none
  Value index;   // where each place of the new cache comes from: a row of [past, new], int64 [B, G, T]
  Value held;    // which places hold something, float [B, 1, T, 1]
};

// How the old cache [B, G, P, D] and the new keys [B, G, S, D] make the new cache, of max(P, total) places.
Cache PlanCache(NodeContext& n, Value past, Value fresh, Value seqlens, Value total) {
  Cache c;
  const Value zero = n.b.ScalarInt(0), one = n.b.ScalarInt(1);
  const Value capacity = n.b.DimOf(past, 2), added = n.b.DimOf(fresh, 2), batch = n.b.DimOf(fresh, 0), groups = n.b.DimOf(fresh, 1);
  // seqlens holds the index of each sequence's last key. A first prompt that is padded behind gives a negative difference.
  const Value before = n.b.Sub(n.b.Add(n.b.Cast(n.b.ReshapeTo(seqlens, {-1, 1, 1}), ElementType::kInt64), one), added);
  const Value filled = n.b.Max(before, zero);  // [B, 1, 1]
  c.filled = n.b.Unsqueeze(filled, {3});
  const Value place = n.b.Range(zero, n.b.Max(capacity, n.b.Cast(total, ElementType::kInt64)), one);
  const Value length = n.b.Add(capacity, added);
  const Value moved = n.b.Min(n.b.Add(n.b.Sub(place, filled), capacity), n.b.Sub(length, one));
  const Value old = n.b.Greater(filled, place);  // [B, 1, T]
  const Value row = n.b.Select(old, n.b.Add(place, n.b.Mul(filled, zero)), moved);
  // Rows of all caches under one another.
  const Value first = n.b.MulExact(n.b.Range(zero, n.b.Mul(batch, groups), one), length);
  const Value starts = n.b.Reshape(first, n.b.Concat({n.b.Unsqueeze(batch, {0}), n.b.Unsqueeze(groups, {0}), n.b.IntList({1})}, 0));
  c.index = n.b.Add(starts, row);
  n.b.MarkNonNegative(c.index);
  c.held = n.b.Unsqueeze(n.b.Cast(n.b.Greater(n.b.Add(filled, added), place), ElementType::kFloat32), {3});
  return c;
}

Value Append(NodeContext& n, const Cache& cache, Value past, Value fresh) {
  if (!n.ok()) return {};
  const Dim size = n.b.shape(fresh)->back();
  const Value rows = n.b.ReshapeTo(n.b.Concat({past, fresh}, 2), {-1, size});
  return n.b.Mul(n.b.Gather(rows, cache.index, 0), cache.held);
}

// Each head's elements over their root mean square, times `weight`.
Value HeadNorm(NodeContext& n, Value x, Value weight, float epsilon) {
  if (!weight.valid()) return x;
  const Value power = n.b.Reduce(R::MEAN, n.b.Unary(mnn::UnaryOpOperation::SQUARE, x), {-1}, true);
  const Value inverse = n.b.Unary(mnn::UnaryOpOperation::RSQRT, n.b.Add(power, n.b.ScalarFloat(epsilon)));
  return n.b.Mul(n.b.Mul(x, inverse), weight);
}

// False, with an error, for what is not converted.
bool IsSupported(NodeContext& n) {
  const auto refuse = [&](std::string_view what) {
    n.Fail("{}", what);
    return false;
  };
  if (n.Int("sliding_window_cache", 0) != 0) return refuse("attribute sliding_window_cache; expected 0");
  if (n.Int("kv_cache_bit_width", 0) != 0 || n.HasInput(12) || n.HasInput(13)) return refuse("a quantized cache");
  for (std::string_view name : {"k_quant_type", "v_quant_type"}) {
    if (n.String(name, "NONE") != "NONE") return refuse("a quantized cache");
  }
  if (n.HasInput(16)) return refuse("input query_seqlens");
  if (n.Int("causal", 1) != 1) return refuse("attribute causal; expected 1");
  if (n.OutputUsed(3)) return refuse("output output_qk");
  if (n.HasInput(3) != n.HasInput(4)) return refuse("past_key and past_value come together or not at all");
  return n.ok();
}

void GroupQueryAttention(NodeContext& n) {
  Value q = n.Input(0), k = n.OptionalInput(1), v = n.OptionalInput(2);
  const Value past_key = n.OptionalInput(3), past_value = n.OptionalInput(4), seqlens = n.Input(5), total = n.Input(6);
  const int64_t heads = n.Int("num_heads", 0), groups = n.Int("kv_num_heads", 0);
  if (!IsSupported(n)) return;
  if (heads < 1 || groups < 1 || heads % groups != 0) return n.Fail("{} heads in {} groups", heads, groups);
  if (k.valid() != v.valid()) return n.Fail("keys and values come together or not at all");
  if (n.b.Rank(q) != 3) {
    if (n.ok()) n.Fail("queries of shape {}; expected rank 3", ShapeText(n.b.shape(q)));
    return;
  }
  if (!k.valid()) {  // packed behind the queries
    const Dim width = (*n.b.shape(q))[2];
    if (!IsKnown(width) || width % (heads + 2 * groups) != 0) return n.Fail("{} and {} heads in a tensor of shape {}", heads, groups, ShapeText(n.b.shape(q)));
    const int64_t size = width / (heads + 2 * groups);
    const std::vector<Value> parts = n.b.Split(q, 2, {heads * size, groups * size, groups * size});
    if (!n.ok()) return;
    q = parts[0];
    k = parts[1];
    v = parts[2];
  }
  const float shared_epsilon = n.Float("qk_norm_epsilon", 1e-6f);
  AttentionSpec spec;
  spec.q = HeadNorm(n, SplitHeads(n.b, q, heads), n.OptionalInput(14), n.Float("q_norm_epsilon", shared_epsilon));
  spec.k = HeadNorm(n, SplitHeads(n.b, k, groups), n.OptionalInput(15), n.Float("k_norm_epsilon", shared_epsilon));
  spec.v = SplitHeads(n.b, v, groups);
  spec.scale = n.Float("scale", 0);
  spec.softcap = n.Float("softcap", 0);
  if (past_key.valid()) {
    n.b.AssumeRank(past_key, 4);
    n.b.AssumeRank(past_value, 4);
  }
  if (!n.ok()) return;
  if (past_key.valid() && (n.b.Rank(past_key) != 4 || n.b.Rank(past_value) != 4)) return n.Fail("past keys of shape {}; expected rank 4", ShapeText(n.b.shape(past_key)));
  Sight sight;
  sight.causal = true;
  sight.queries = n.b.DimOf(spec.q, 2);
  const bool has_past = past_key.valid() && (*n.b.shape(past_key))[2] != 0;
  Cache cache;
  if (has_past) cache = PlanCache(n, past_key, spec.k, seqlens, total);
  sight.offset = cache.filled;
  if (n.Int("do_rotary", 0) != 0) {
    const Value cos = n.Input(7), sin = n.Input(8);
    Value positions = n.OptionalInput(9);
    if (!positions.valid()) {
      positions = n.b.Range(n.b.ScalarInt(0), sight.queries, n.b.ScalarInt(1));
      if (has_past) positions = n.b.Add(n.b.ReshapeTo(cache.filled, {-1, 1}), positions);
      else positions = n.b.Unsqueeze(positions, {0});
    }
    n.b.MarkNonNegative(positions);
    const Value c = n.b.Unsqueeze(n.b.Gather(cos, positions, 0), {1}), s = n.b.Unsqueeze(n.b.Gather(sin, positions, 0), {1});
    const bool interleaved = n.Int("rotary_interleaved", 0) != 0;
    spec.q = Rotate(n.b, spec.q, c, s, interleaved);
    spec.k = Rotate(n.b, spec.k, c, s, interleaved);
  }
  if (has_past) {
    spec.k = Append(n, cache, past_key, spec.k);
    spec.v = Append(n, cache, past_value, spec.v);
  }
  if (!n.ok()) return;
  sight.keys = n.b.DimOf(spec.k, 2);
  if (const int64_t window = n.Int("local_window_size", -1); window > 0) sight.left = window - 1;
  spec.bias = n.b.Select(VisibleKeys(n.b, sight), n.b.ScalarFloat(0), n.b.ScalarFloat(-std::numeric_limits<float>::infinity()));
  if (const Value added = n.OptionalInput(10); added.valid()) {
    const size_t rank = n.b.Rank(added);
    if (!n.ok() || rank != 4) return n.Fail("an attention bias of shape {}; expected rank 4", ShapeText(n.b.shape(added)));
    // It ends where the keys end; the cache may have more places.
    Value whole = added;
    if (n.b.shape(added)->back() != (*n.b.shape(spec.k))[2]) {
      const Value after = n.b.Unsqueeze(n.b.Sub(sight.keys, n.b.DimOf(added, 3)), {0});
      whole = n.b.PadDynamic(added, n.b.Concat({n.b.IntList({0}), after}, 0), {3}, mnn::PadValueMode::CONSTANT, n.b.ScalarFloat(0));
    }
    spec.bias = n.b.Add(spec.bias, whole);
  }
  if (const Value sink = n.OptionalInput(11); sink.valid()) spec.sink = n.b.ReshapeTo(sink, {1, heads, 1, 1});
  else if (n.Int("smooth_softmax", 0) > 0) spec.sink = n.b.ScalarFloat(0);
  n.SetOutput(0, JoinHeads(n.b, Attend(n.b, spec).y));
  n.SetOutput(1, spec.k);
  n.SetOutput(2, spec.v);
}

constexpr OpRow kRows[] = {
    {"com.microsoft", "GroupQueryAttention", 1, kNewest, GroupQueryAttention, "float caches; causal"},
};

}  // namespace

std::span<const OpRow> GroupQueryAttentionOps() { return kRows; }

}  // namespace quantpress::graph::onnx
