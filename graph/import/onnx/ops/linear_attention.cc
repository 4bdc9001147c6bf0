// Layers that carry a state along the sequence: LinearAttention, CausalConvWithState; and SwiGLU, which goes with them. The standard and
// onnxruntime have them in the same form.
#include <cmath>

#include "graph/build/control_flow.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/attention.h"
#include "graph/import/onnx/ops/loops.h"
#include "graph/import/onnx/ops/window.h"

namespace quantpress::graph::onnx {
namespace {

using U = mnn::UnaryOpOperation;

// Steps up to this many are written one after another.
constexpr int64_t kUnrolledSteps = 8;

struct Recurrence {
  bool gated = false, corrected = false;
  int64_t heads = 0, groups = 0;
};

struct StepInputs {
  Value q, k, v, decay, beta;  // one step: [B, H, D], [B, G, D], [B, G, E], [B, G, D or 1], [B, G or 1, 1]
};

// -> what the step reads, [B, 1, H, E]; *state becomes the next, [B, G, D, E]. Precondition: ok().
Value Step(GraphBuilder& b, const Recurrence& r, const StepInputs& in, Value* state) {
  if (r.gated) *state = b.Mul(*state, b.Unsqueeze(b.Unary(U::EXP, in.decay), {3}));
  const Value key = b.Unsqueeze(in.k, {2});  // [B, G, 1, D]
  Value value = b.Unsqueeze(in.v, {2});      // [B, G, 1, E]
  if (r.corrected) value = b.Mul(b.Unsqueeze(in.beta, {3}), b.Sub(value, b.MatMul(key, *state)));
  *state = b.Add(*state, b.Mul(b.Unsqueeze(in.k, {3}), value));
  // Query heads that share a state are rows of one product.
  const int64_t shared = r.heads / r.groups;
  const Value rows = b.ReshapeTo(in.q, {0, r.groups, shared, -1});
  const Value read = b.MatMul(rows, *state);  // [B, G, H / G, E]
  if (!b.ok() || !read.valid()) return {};
  return b.ReshapeTo(read, {0, 1, r.heads, b.shape(read)->back()});
}

void LinearAttention(NodeContext& n) {
  const std::string rule = n.String("update_rule", "gated_delta");
  Recurrence r;
  r.gated = rule == "gated" || rule == "gated_delta";
  r.corrected = rule == "delta" || rule == "gated_delta";
  r.heads = n.Int("q_num_heads", 0);
  r.groups = n.Int("kv_num_heads", 0);
  const Value query = n.Input(0), key = n.Input(1), value = n.Input(2), decay = n.OptionalInput(4), beta = n.OptionalInput(5);
  Value state = n.OptionalInput(3);
  const float given = n.Float("scale", 0);
  for (Value v : {query, key, value, decay, beta}) {
    if (v.valid() && n.b.Rank(v) != 3 && n.ok()) return n.Fail("a tensor of shape {}; expected rank 3", ShapeText(n.b.shape(v)));
  }
  if (!n.ok()) return;
  if (!r.gated && !r.corrected && rule != "linear") return n.Fail("update_rule '{}'; expected linear, gated, delta or gated_delta", rule);
  if (n.Int("state_window", 0) != 0) return n.Fail("attribute 'state_window'");
  if (r.gated != decay.valid() || r.corrected != beta.valid()) return n.Fail("the inputs decay and beta do not go with update_rule '{}'", rule);
  const Dim width = n.b.shape(query)->back(), value_width = n.b.shape(value)->back();
  if (r.heads < 1 || r.groups < 1 || r.heads % r.groups != 0 || !IsKnown(width) || width % r.heads != 0 || !IsKnown(value_width) ||
      value_width % r.groups != 0 || n.b.shape(key)->back() != width / r.heads * r.groups) {
    return n.Fail("{} query heads and {} key heads for queries, keys and values of shapes {}, {} and {}", r.heads, r.groups,
                  ShapeText(n.b.shape(query)), ShapeText(n.b.shape(key)), ShapeText(n.b.shape(value)));
  }
  const int64_t d = width / r.heads, e = value_width / r.groups;
  const auto split = [&](Value v, int64_t heads, int64_t size) { return n.b.ReshapeTo(v, {0, 0, heads, size}); };  // [B, T, H, D]
  const float scale = given == 0 ? static_cast<float>(1.0 / std::sqrt(static_cast<double>(d))) : given;
  StepInputs all{n.b.Mul(split(query, r.heads, d), n.b.ScalarFloat(scale)), split(key, r.groups, d), split(value, r.groups, e), {}, {}};
  if (r.gated) {
    const Dim last = n.b.shape(decay)->back();
    if (last != r.groups && last != r.groups * d) return n.Fail("decay of shape {}; expected {} or {} at the end", ShapeText(n.b.shape(decay)), r.groups, r.groups * d);
    all.decay = split(decay, r.groups, last == r.groups ? 1 : d);
  }
  if (r.corrected) {
    const Dim last = n.b.shape(beta)->back();
    if (last != r.groups && last != 1) return n.Fail("beta of shape {}; expected {} or 1 at the end", ShapeText(n.b.shape(beta)), r.groups);
    all.beta = split(beta, last, 1);
  }
  if (!state.valid()) {
    const Value batch = n.b.Unsqueeze(n.b.DimOf(query, 0), {0});
    state = n.b.Fill(n.b.Concat({batch, n.b.IntList({r.groups, d, e})}, 0), n.b.ScalarFloat(0));
  }
  if (!n.ok()) return;
  const auto at = [&](GraphBuilder& b, Value v, Value position) {
    return v.valid() ? b.Gather(b.CaptureFrom(&n.b, v), position, 1) : Value{};
  };
  const auto step = [&](GraphBuilder& b, Value position, Value* s) {
    const StepInputs in{at(b, all.q, position), at(b, all.k, position), at(b, all.v, position), at(b, all.decay, position), at(b, all.beta, position)};
    return Step(b, r, in, s);
  };
  const Dim steps = (*n.b.shape(query))[1];
  Value out;
  if (IsKnown(steps) && steps > 0 && steps <= kUnrolledSteps) {
    std::vector<Value> parts;
    for (int64_t t = 0; t < steps && n.ok(); ++t) parts.push_back(step(n.b, n.b.ScalarInt(t), &state));
    out = n.b.Concat(parts, 1);
  } else {
    LoopSpec loop;
    loop.name = LabelOf(n);
    loop.trip_count = n.b.DimOf(query, 1);
    loop.initial = {state};
    loop.scan_count = 1;
    loop.step = [&](GraphBuilder& body, Value iteration, Value, const std::vector<Value>& carried) {
      body.MarkNonNegative(iteration);
      Value s = carried[0];
      const Value read = step(body, iteration, &s);
      return LoopStep{{}, {s}, {body.Squeeze(read, {1})}};
    };
    const LoopResult result = BuildLoop(n.b, GraphMaker(n), loop);
    if (!n.ok()) return;
    state = result.carried[0];
    out = n.b.Transpose(result.scans[0], {1, 0, 2, 3});  // [T, B, H, E]
  }
  n.SetOutput(0, n.b.ReshapeTo(out, {0, 0, r.heads * e}));
  n.SetOutput(1, state);
}

void CausalConvWithState(NodeContext& n) {
  const Value x = n.Input(0), weight = n.Input(1), bias = n.OptionalInput(2);
  Value past = n.OptionalInput(3);
  const std::string activation = n.String("activation", "none");
  const size_t rank = n.b.Rank(x);
  if (!n.ok()) return;
  for (std::string_view name : {"state_update_capacity", "state_channels_last", "state_window", "state_length", "input_channel_offset",
                                "channels_last", "input_channels"}) {
    if (n.Int(name, 0) != 0) return n.Fail("attribute '{}' is {}", name, n.Int(name, 0));
  }
  if (n.Int("ndim", 1) != 1 || n.Int("dilation", 1) != 1) return n.Fail("attributes ndim {} and dilation {}; expected 1 and 1", n.Int("ndim", 1), n.Int("dilation", 1));
  if (activation != "none" && activation != "silu" && activation != "swish") return n.Fail("activation '{}'; expected none, silu or swish", activation);
  if (rank != 3 || n.b.Rank(weight) != 3 || !IsStatic(*n.b.shape(weight)) || (*n.b.shape(weight))[1] != 1 || !IsKnown((*n.b.shape(x))[1])) {
    return n.Fail("a tensor of shape {} with weights of shape {}; expected [N, C, L] and [C, 1, K]", ShapeText(n.b.shape(x)), ShapeText(n.b.shape(weight)));
  }
  const int64_t channels = (*n.b.shape(x))[1], before = (*n.b.shape(weight))[2] - 1;
  Value padded = x;
  if (before > 0 && past.valid()) padded = n.b.Concat({past, x}, 2);
  else if (before > 0) padded = n.b.Pad(x, {0, 0, before, 0, 0, 0}, mnn::PadValueMode::CONSTANT, n.b.ScalarFloat(0));
  Window2D window;
  window.kernel[0] = before + 1;
  Value y = n.b.Conv2D(padded, weight, bias, window, channels);
  if (activation != "none") y = n.b.Unary(U::SILU, y);
  n.SetOutput(0, y);
  if (!n.OutputUsed(1)) return;
  if (before > 0) return n.SetOutput(1, n.b.Slice(padded, {-before}, {int64_t{1} << 30}, {2}));
  if (past.valid()) return n.SetOutput(1, past);
  Shape empty = *n.b.shape(x);
  empty[2] = 0;
  n.SetOutput(1, n.b.EmptyConstant(n.b.type(x), empty));
}

// a * sigmoid(alpha * a) * b
void SwiGlu(NodeContext& n) {
  const Value a = n.Input(0), b = n.Input(1);
  const float alpha = n.Float("alpha", 1);
  if (!n.ok()) return;
  const Value gate = alpha == 1 ? n.b.Unary(U::SILU, a) : n.b.Mul(a, n.b.Unary(U::SIGMOID, n.b.Mul(a, n.b.ScalarLike(alpha, a))));
  n.SetOutput(0, n.b.Mul(gate, b));
}

constexpr OpRow kRows[] = {
    {"", "LinearAttention", 27, kNewest, LinearAttention, "step by step; a loop where the steps are unknown or many"},
    {"com.microsoft", "LinearAttention", 1, kNewest, LinearAttention, "step by step; a loop where the steps are unknown or many"},
    {"", "CausalConvWithState", 27, kNewest, CausalConvWithState, ""},
    {"com.microsoft", "CausalConvWithState", 1, kNewest, CausalConvWithState, "channels first, without dilation"},
    {"", "SwiGLU", 28, kNewest, SwiGlu, ""},
};

}  // namespace

std::span<const OpRow> LinearAttentionOps() { return kRows; }

}  // namespace quantpress::graph::onnx
