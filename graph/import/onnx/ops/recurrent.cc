// LSTM, GRU and RNN.
//
// The products with the input are one 1x1 convolution over all time steps, the product with the state is a 1x1 convolution
// inside the step: their weights are quantized like those of any layer. The steps are written one after the other where they
// are few, and are a loop of the runtime otherwise.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/loops.h"
#include "graph/import/onnx/ops/quantize.h"
#include "graph/import/onnx/ops/recurrent_activation.h"
#include "graph/import/onnx/ops/recurrent_native.h"

namespace quantpress::graph::onnx {
namespace {

// Steps may be written out while the copies of the recurrent weights stay this small, in elements.
constexpr int64_t kUnrolledSteps = 8;
constexpr int64_t kUnrolledWeights = 16384;

enum class Kind { kRnn, kGru, kLstm };

constexpr size_t GateCount(Kind kind) { return kind == Kind::kLstm ? 4 : kind == Kind::kGru ? 3 : 1; }

// State of one direction: the hidden state, and the cell of an LSTM.
struct State {
  Value h, c;
};

// One node, its inputs in time-major order.
struct Recurrent {
  Kind kind = Kind::kRnn;
  int64_t hidden = 0;
  Value x;            // [time, batch, features]
  Value lengths;      // int32 [batch, 1]; invalid: all steps count
  Value time, batch;  // scalars, int64
  std::optional<int64_t> steps;  // where known
  float clip = 0;     // 0: none
  bool input_forget = false;
  bool linear_before_reset = false;
  std::string label;
};

// What one direction of it computes with.
struct Direction {
  size_t index = 0;
  bool reverse = false;
  Value input_weight;       // [gates * hidden, features]
  Value state_weight;       // [gates * hidden, hidden]
  Value input_bias;         // [gates * hidden], or invalid
  Value state_bias;
  Value peephole[3];        // [hidden]: of the input, output and forget gates; or invalid
  std::vector<RecurrentActivation> activations;
  State initial;            // [batch, hidden]
  std::string suffix;       // of the names of its layers
};

// x [rows, K] times weight [N, K], plus bias: a convolution called `name` where the weight is constant.
Value Project(GraphBuilder& b, Value x, Value weight, Value bias, const std::string& name) {
  if (!b.ok()) return {};
  const Shape ws = *b.shape(weight);
  if (!b.IsConstant(weight) || (bias.valid() && !b.IsConstant(bias))) {
    const Value product = b.MatMul(x, weight, false, true);
    return bias.valid() ? b.Add(product, bias) : product;
  }
  const Value image = b.ReshapeTo(x, {-1, ws[1], 1, 1});
  const Value product = b.Conv2D(image, b.ReshapeTo(weight, {ws[0], ws[1], 1, 1}), bias, Window2D{}, 1);
  if (!product.valid()) return {};
  b.Rename(product, name);
  b.last_op().name = name;
  return b.ReshapeTo(product, {-1, ws[0]});
}

// Values of the graph of the node, in the graph where a step is built.
Value In(NodeContext& n, GraphBuilder& b, Value v) { return v.valid() ? b.CaptureFrom(&n.b, v) : Value{}; }

Value Limit(GraphBuilder& b, Value x, float clip) { return clip > 0 ? b.Clip(x, -clip, clip) : x; }

// Each function: what comes from the input at this step ([batch, gates * hidden]) and the state -> the next state.
State LstmStep(NodeContext& n, GraphBuilder& b, const Recurrent& r, const Direction& d, Value gates, const State& state) {
  gates = b.Add(gates, Project(b, state.h, In(n, b, d.state_weight), In(n, b, d.state_bias), r.label + "/R" + d.suffix));
  const int64_t h = r.hidden;
  const RecurrentActivation &f = d.activations[0], &g = d.activations[1], &out = d.activations[2];
  const bool peepholes = d.peephole[0].valid();
  Value i, o, forget, cell;
  if (!peepholes) {
    // Three gates in one go.
    const std::vector<Value> parts = b.Split(Limit(b, gates, r.clip), 1, {3 * h, h});
    if (!b.ok()) return {};
    const std::vector<Value> squashed = b.Split(Activate(b, f, parts[0]), 1, {h, h, h});
    if (!b.ok()) return {};
    i = squashed[0], o = squashed[1], forget = squashed[2], cell = parts[1];
  } else {
    const std::vector<Value> parts = b.Split(gates, 1, {h, h, h, h});
    if (!b.ok()) return {};
    i = Activate(b, f, Limit(b, b.Add(parts[0], b.Mul(In(n, b, d.peephole[0]), state.c)), r.clip));
    forget = Activate(b, f, Limit(b, b.Add(parts[2], b.Mul(In(n, b, d.peephole[2]), state.c)), r.clip));
    o = parts[1], cell = Limit(b, parts[3], r.clip);
  }
  if (r.input_forget) forget = b.Sub(b.ScalarLike(1, i), i);
  const Value c = b.Add(b.Mul(forget, state.c), b.Mul(i, Activate(b, g, cell)));
  if (peepholes) o = Activate(b, f, Limit(b, b.Add(o, b.Mul(In(n, b, d.peephole[1]), c)), r.clip));
  // The cell itself is not clipped before its activation: so does ONNX Runtime.
  return {b.Mul(o, Activate(b, out, c)), c};
}

State GruStep(NodeContext& n, GraphBuilder& b, const Recurrent& r, const Direction& d, Value gates, const State& state) {
  const int64_t h = r.hidden;
  const RecurrentActivation &f = d.activations[0], &g = d.activations[1];
  const Value weight = In(n, b, d.state_weight), bias = In(n, b, d.state_bias);
  const std::vector<Value> from_input = b.Split(gates, 1, {2 * h, h});
  if (!b.ok()) return {};
  const auto rows = [&](Value v, int64_t from, int64_t to) { return v.valid() ? b.Slice(v, {from}, {to}, {0}) : Value{}; };
  Value update_reset, candidate;
  if (r.linear_before_reset) {
    const std::vector<Value> from_state = b.Split(Project(b, state.h, weight, bias, r.label + "/R" + d.suffix), 1, {2 * h, h});
    if (!b.ok()) return {};
    update_reset = b.Add(from_input[0], from_state[0]);
    candidate = from_state[1];
  } else {
    update_reset = b.Add(from_input[0], Project(b, state.h, rows(weight, 0, 2 * h), rows(bias, 0, 2 * h), r.label + "/R_zr" + d.suffix));
  }
  const std::vector<Value> squashed = b.Split(Activate(b, f, Limit(b, update_reset, r.clip)), 1, {h, h});
  if (!b.ok()) return {};
  const Value z = squashed[0], reset = squashed[1];
  candidate = r.linear_before_reset
                  ? b.Mul(reset, candidate)
                  : Project(b, b.Mul(reset, state.h), rows(weight, 2 * h, 3 * h), rows(bias, 2 * h, 3 * h), r.label + "/R_h" + d.suffix);
  candidate = Activate(b, g, Limit(b, b.Add(from_input[1], candidate), r.clip));
  // (1 - z) * candidate + z * h
  return {b.Add(candidate, b.Mul(z, b.Sub(state.h, candidate))), {}};
}

State RnnStep(NodeContext& n, GraphBuilder& b, const Recurrent& r, const Direction& d, Value gates, const State& state) {
  gates = b.Add(gates, Project(b, state.h, In(n, b, d.state_weight), In(n, b, d.state_bias), r.label + "/R" + d.suffix));
  return {Activate(b, d.activations[0], Limit(b, gates, r.clip)), {}};
}

struct Stepped {
  State state;
  Value output;  // what is collected at this step
};

// One step at `position` of the input. Behind the end of its sequence the state stays and the output is 0.
Stepped Step(NodeContext& n, GraphBuilder& b, const Recurrent& r, const Direction& d, Value projected, Value position, const State& state) {
  const Value gates = b.Gather(In(n, b, projected), position, 0);
  State next = r.kind == Kind::kLstm  ? LstmStep(n, b, r, d, gates, state)
               : r.kind == Kind::kGru ? GruStep(n, b, r, d, gates, state)
                                      : RnnStep(n, b, r, d, gates, state);
  if (!r.lengths.valid()) return {next, next.h};
  const Value runs = b.Greater(In(n, b, r.lengths), b.Cast(position, ElementType::kInt32));
  const Value output = b.Select(runs, next.h, b.ScalarLike(0, next.h));
  next.h = b.Select(runs, next.h, state.h);
  if (next.c.valid()) next.c = b.Select(runs, next.c, state.c);
  return {next, output};
}

struct Result {
  Value all;   // [time, batch, hidden]
  State last;
};

Result Unroll(NodeContext& n, const Recurrent& r, const Direction& d, Value projected) {
  Result out{{}, d.initial};
  std::vector<Value> outputs;
  for (int64_t i = 0; i < *r.steps && n.ok(); ++i) {
    const Stepped step = Step(n, n.b, r, d, projected, n.b.ScalarInt(d.reverse ? *r.steps - 1 - i : i), out.last);
    out.last = step.state;
    outputs.push_back(n.b.Unsqueeze(step.output, {0}));
  }
  if (d.reverse) std::reverse(outputs.begin(), outputs.end());
  if (n.ok() && n.OutputUsed(0)) out.all = outputs.size() == 1 ? outputs[0] : n.b.Concat(outputs, 0);
  return out;
}

Result RunLoop(NodeContext& n, const Recurrent& r, const Direction& d, Value projected) {
  LoopSpec loop;
  loop.name = r.label + "/steps" + d.suffix;
  loop.trip_count = r.time;
  loop.initial = {d.initial.h};
  if (d.initial.c.valid()) loop.initial.push_back(d.initial.c);
  loop.scan_count = n.OutputUsed(0) ? 1 : 0;
  const Value last = d.reverse ? n.b.Sub(r.time, n.b.ScalarInt(1)) : Value{};
  loop.step = [&](GraphBuilder& b, Value iteration, Value, const std::vector<Value>& carried) {
    const Value position = d.reverse ? b.Sub(In(n, b, last), iteration) : iteration;
    b.MarkNonNegative(position);
    const Stepped step = Step(n, b, r, d, projected, position, {carried[0], carried.size() > 1 ? carried[1] : Value{}});
    LoopStep out;
    out.carried = {step.state.h};
    if (carried.size() > 1) out.carried.push_back(step.state.c);
    if (loop.scan_count > 0) out.scans = {step.output};
    return out;
  };
  const LoopResult done = BuildLoop(n.b, GraphMaker(n), loop);
  if (!n.ok()) return {};
  Result out;
  out.last.h = done.carried[0];
  if (done.carried.size() > 1) out.last.c = done.carried[1];
  if (loop.scan_count > 0) out.all = d.reverse ? n.b.Reverse(done.scans[0], 0) : done.scans[0];
  return out;
}

Result Run(NodeContext& n, const Recurrent& r, const Direction& d) {
  const Shape xs = *n.b.shape(r.x);
  const Shape ws = *n.b.shape(d.input_weight);
  const Value rows = Project(n.b, n.b.ReshapeTo(r.x, {-1, ws[1]}), d.input_weight, d.input_bias, r.label + "/W" + d.suffix);
  const Value shape = n.b.Concat({n.b.Slice(n.b.ShapeOf(r.x), {0}, {2}, {0}), n.b.IntList({ws[0]})}, 0);
  const Value projected = n.b.ReshapeLike(rows, {xs[0], xs[1], ws[0]}, shape);
  if (!n.ok()) return {};
  const Shape rs = *n.b.shape(d.state_weight);
  const bool few = r.steps && *r.steps >= 1 && *r.steps <= kUnrolledSteps;
  if (few && (*r.steps == 1 || *r.steps * rs[0] <= kUnrolledWeights / std::max<int64_t>(rs[1], 1))) return Unroll(n, r, d, projected);
  return RunLoop(n, r, d, projected);
}

// Entry `index` of axis 0, which goes away. Invalid stays invalid.
Value Pick(GraphBuilder& b, Value v, size_t index) {
  const auto i = static_cast<int64_t>(index);
  return v.valid() ? b.Squeeze(b.Slice(v, {i}, {i + 1}, {0}), {0}) : Value{};
}

// An initial state [directions, batch, hidden] (layout 1: batch first), or zeros.
Value InitialState(NodeContext& n, const Recurrent& r, size_t input, size_t index, bool batch_first) {
  Value v = n.OptionalInput(input);
  if (v.valid()) {
    n.b.AssumeRank(v, 3);
    if (batch_first) v = n.b.Transpose(v, {1, 0, 2});
    v = Pick(n.b, v, index);
    if (!r.lengths.valid()) return v;
    // A sequence of no steps ends with zeros, whatever it began with: so does ONNX Runtime.
    return n.b.Select(n.b.Greater(r.lengths, n.b.ScalarLike(0, r.lengths)), v, n.b.ScalarLike(0, v));
  }
  const Dim batch = (*n.b.shape(r.x))[1];
  const Value zero = n.b.ScalarLike(0, r.x);
  const Value sizes = IsKnown(batch) ? n.b.IntList({batch, r.hidden}) : n.b.Concat({n.b.ReshapeTo(r.batch, {1}), n.b.IntList({r.hidden})}, 0);
  return n.b.Expand(zero, sizes);
}

bool IsQuantized(const NodeContext& n) { return n.op() == "DynamicQuantizeLSTM"; }

// W (input 1) or R (input 2) of a direction, [gates * hidden, columns]. DynamicQuantizeLSTM holds integers the other way round, with
// scale and zero point a direction or a row: their real numbers are the weights. Nothing is rounded at run time.
Value Weights(NodeContext& n, size_t input, size_t direction) {
  const Value stored = Pick(n.b, n.Input(input), direction);
  if (!IsQuantized(n) || !n.ok()) return stored;
  Quantization q = QuantizationAt(n, input == 1 ? 8 : 10);
  q.scale = Pick(n.b, q.scale, direction);
  q.zero = Pick(n.b, q.zero, direction);
  return n.b.Transpose(Dequantize(n, stored, q), {1, 0});
}

// Weights and biases of one direction from the node's inputs.
Direction ReadDirection(NodeContext& n, const Recurrent& r, size_t index, bool reverse, bool batch_first) {
  Direction d;
  d.index = index;
  d.reverse = reverse;
  d.suffix = reverse ? "_reverse" : "";
  const auto rows = static_cast<int64_t>(GateCount(r.kind)) * r.hidden;
  d.input_weight = Weights(n, 1, index);
  d.state_weight = Weights(n, 2, index);
  if (!n.ok()) return d;
  const auto matrix = [&](Value w) { return n.b.HasRank(w) && n.b.shape(w)->size() == 2 && IsStatic(*n.b.shape(w)) && (*n.b.shape(w))[0] == rows && (*n.b.shape(w))[1] > 0; };
  if (!matrix(d.input_weight) || !matrix(d.state_weight) || (*n.b.shape(d.state_weight))[1] != r.hidden) {
    n.Fail("weights of shapes {} and {}; a direction of hidden size {} needs [{}, features] and [{}, {}]", ShapeText(n.b.shape(d.input_weight)),
           ShapeText(n.b.shape(d.state_weight)), r.hidden, rows, rows, r.hidden);
    return d;
  }
  if (const Value bias = Pick(n.b, n.OptionalInput(3), index); bias.valid()) {
    if (!n.b.HasRank(bias) || *n.b.shape(bias) != Shape{2 * rows}) {
      n.Fail("a bias of shape {}; expected {} elements a direction", ShapeText(n.b.shape(bias)), 2 * rows);
      return d;
    }
    d.input_bias = n.b.Slice(bias, {0}, {rows}, {0});
    d.state_bias = n.b.Slice(bias, {rows}, {2 * rows}, {0});
    // Only a reset between the product and its bias keeps them apart.
    if (!(r.kind == Kind::kGru && r.linear_before_reset)) {
      d.input_bias = n.b.Add(d.input_bias, d.state_bias);
      d.state_bias = {};
    }
  }
  d.initial.h = InitialState(n, r, 5, index, batch_first);
  if (r.kind != Kind::kLstm) return d;
  d.initial.c = InitialState(n, r, 6, index, batch_first);
  if (const Value p = Pick(n.b, n.OptionalInput(7), index); p.valid()) {
    if (!n.b.HasRank(p) || *n.b.shape(p) != Shape{3 * r.hidden}) {
      n.Fail("peepholes of shape {}; expected {} elements a direction", ShapeText(n.b.shape(p)), 3 * r.hidden);
      return d;
    }
    for (int64_t k = 0; k < 3; ++k) d.peephole[k] = n.b.Slice(p, {k * r.hidden}, {(k + 1) * r.hidden}, {0});
  }
  return d;
}

std::optional<Recurrent> ReadNode(NodeContext& n, Kind kind, bool batch_first) {
  Recurrent r;
  r.kind = kind;
  r.x = n.Input(0);
  const Value weight = n.Input(2);
  if (!n.ok()) return std::nullopt;
  n.b.AssumeRank(r.x, 3);
  if (!n.b.HasRank(weight) || n.b.shape(weight)->size() != 3 || !IsStatic(*n.b.shape(weight)) || n.b.Rank(r.x) != 3) {
    n.Fail("an input of shape {} and recurrent weights of shape {}; both must be 3-D, the weights of known size", ShapeText(n.b.shape(r.x)), ShapeText(n.b.shape(weight)));
    return std::nullopt;
  }
  if (batch_first) r.x = n.b.Transpose(r.x, {1, 0, 2});
  r.hidden = n.Int("hidden_size", (*n.b.shape(weight))[IsQuantized(n) ? 1 : 2]);
  r.clip = n.Float("clip", 0);
  r.input_forget = kind == Kind::kLstm && n.Int("input_forget", 0) != 0;
  r.linear_before_reset = kind == Kind::kGru && n.Int("linear_before_reset", 0) != 0;
  r.label = LabelOf(n);
  if (!n.ok()) return std::nullopt;
  if (r.hidden < 1 || r.hidden > (int64_t{1} << 24)) {
    n.Fail("attribute 'hidden_size' is {}", r.hidden);
    return std::nullopt;
  }
  const Shape xs = *n.b.shape(r.x);
  if (IsKnown(xs[0])) r.steps = xs[0];
  r.time = n.b.DimOf(r.x, 0);
  r.batch = n.b.DimOf(r.x, 1);
  if (const Value lengths = n.OptionalInput(4); lengths.valid()) {
    const auto known = n.b.ConstantInts(lengths);
    const bool full = known && r.steps && std::all_of(known->begin(), known->end(), [&](int64_t l) { return l == *r.steps; });
    if (!full) r.lengths = n.b.ReshapeTo(n.b.Cast(lengths, ElementType::kInt32), {-1, 1});
  }
  return r;
}

template <Kind kKind>
void ConvertRecurrent(NodeContext& n) {
  using F = RecurrentFunction;
  const bool batch_first = n.Int("layout", 0) != 0;
  const std::string direction = n.String("direction", "forward");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional") {
    return n.Fail("direction '{}'; expected forward, reverse or bidirectional", direction);
  }
  const size_t directions = direction == "bidirectional" ? 2 : 1;
  const auto activations = kKind == Kind::kLstm  ? ReadActivations(n, {F::kSigmoid, F::kTanh, F::kTanh}, directions)
                           : kKind == Kind::kGru ? ReadActivations(n, {F::kSigmoid, F::kTanh}, directions)
                                                 : ReadActivations(n, {F::kTanh}, directions);
  const auto r = ReadNode(n, kKind, batch_first);
  if (!r || !n.ok()) return;
  const size_t per_direction = activations.size() / directions;
  if (n.b.options().recurrent_native && !IsQuantized(n) && IsNativeRecurrent(n)) return NativeRecurrent(n, r->x, r->hidden, direction, batch_first);
  std::vector<Value> all, last_h, last_c;
  for (size_t i = 0; i < directions; ++i) {
    Direction d = ReadDirection(n, *r, i, direction == "reverse" || i == 1, batch_first);
    if (!n.ok()) return;
    const auto first = activations.begin() + static_cast<int64_t>(i * per_direction);
    d.activations.assign(first, first + static_cast<int64_t>(per_direction));
    const Result result = Run(n, *r, d);
    if (!n.ok()) return;
    if (result.all.valid()) all.push_back(n.b.Unsqueeze(result.all, {1}));
    last_h.push_back(n.b.Unsqueeze(result.last.h, {0}));
    if (result.last.c.valid()) last_c.push_back(n.b.Unsqueeze(result.last.c, {0}));
  }
  const auto join = [&](const std::vector<Value>& parts, int64_t axis) { return parts.size() == 1 ? parts[0] : n.b.Concat(parts, axis); };
  if (n.OutputUsed(0)) {
    const Value y = join(all, 1);  // [time, directions, batch, hidden]
    n.SetOutput(0, batch_first ? n.b.Transpose(y, {2, 0, 1, 3}) : y);
  }
  const auto set_state = [&](size_t output, const std::vector<Value>& parts) {
    if (!n.OutputUsed(output)) return;
    const Value y = join(parts, 0);
    n.SetOutput(output, batch_first ? n.b.Transpose(y, {1, 0, 2}) : y);
  };
  set_state(1, last_h);
  if (kKind == Kind::kLstm) set_state(2, last_c);
}

constexpr char kNote[] = "1x1 convolutions, steps written out or in a loop";

constexpr OpRow kRows[] = {
    {"", "RNN", 1, kNewest, ConvertRecurrent<Kind::kRnn>, kNote},
    {"", "GRU", 1, kNewest, ConvertRecurrent<Kind::kGru>, kNote},
    {"", "LSTM", 1, kNewest, ConvertRecurrent<Kind::kLstm>, kNote},
    {"com.microsoft", "DynamicQuantizeLSTM", 1, kNewest, ConvertRecurrent<Kind::kLstm>, "as LSTM with the real weights; activations are not rounded"},
};

}  // namespace

std::span<const OpRow> RecurrentOps() { return kRows; }

}  // namespace quantpress::graph::onnx
