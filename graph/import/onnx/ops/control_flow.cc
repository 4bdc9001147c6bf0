// If, Loop and Scan.
//
// A branch whose condition is known is converted in place. A loop whose passes are known and few is unrolled: its values stay
// constants where they are, and shapes may change from pass to pass. Everything else becomes a subgraph of the runtime.
#include "graph/import/onnx/importer.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/loops.h"

namespace quantpress::graph::onnx {
namespace {

// Items of sequences one by one, so that they can be results of a branch.
std::vector<Value> Flatten(GraphBuilder& b, const std::vector<Value>& values) {
  std::vector<Value> flat;
  for (Value v : values) {
    if (!b.IsSequence(v)) {
      flat.push_back(v);
    } else {
      const std::vector<Value> items = Flatten(b, b.info(v).items);
      flat.insert(flat.end(), items.begin(), items.end());
    }
  }
  return flat;
}

void If(NodeContext& n) {
  const Value condition = n.Input(0);
  const GraphView* branches[] = {n.Subgraph("then_branch"), n.Subgraph("else_branch")};
  if (!n.ok()) return;
  std::vector<size_t> wanted;
  for (size_t i = 0; i < n.output_count(); ++i) {
    if (n.OutputUsed(i)) wanted.push_back(i);
  }
  for (const GraphView* branch : branches) {
    if (branch->outputs.size() < n.output_count()) return n.Fail("a branch with {} outputs for a node with {}", branch->outputs.size(), n.output_count());
  }
  if (const auto known = n.b.ConstantInts(condition); known && known->size() == 1) {
    const bool taken = (*known)[0] != 0;
    const std::vector<Value> results =
        ConvertBody(n, n.b, *branches[taken ? 0 : 1], taken ? "then_branch" : "else_branch", &n.scope(), {}, wanted);
    for (size_t k = 0; k < results.size(); ++k) n.SetOutput(wanted[k], results[k]);
    return;
  }
  // Lengths of sequences, which both branches must agree on.
  std::vector<std::optional<size_t>> lengths[2];
  ElementType item_types[2] = {};
  const auto convert = [&](int i) {
    return [&, i](GraphBuilder& b) {
      const std::vector<Value> results = ConvertBody(n, b, *branches[i], i == 0 ? "then_branch" : "else_branch", &n.scope(), {}, wanted);
      for (Value v : results) {
        lengths[i].push_back(b.IsSequence(v) ? std::optional<size_t>(b.info(v).items.size()) : std::nullopt);
        if (b.IsSequence(v)) item_types[i] = b.type(v);
      }
      return Flatten(b, results);
    };
  };
  // Branches keep the names of the source, as in the stock converter: recipes find their layers so.
  const auto named_branch = [&, make = GraphMaker(n), next = size_t{0}](const std::string& name) mutable {
    const std::string_view own = branches[next++]->name;
    return make(own.empty() ? name : std::string(own));
  };
  const std::vector<Value> results = BuildIf(n.b, LabelOf(n), named_branch, condition, convert(0), convert(1));
  if (!n.ok()) return;
  if (lengths[0] != lengths[1]) return n.Fail("the branches give sequences of different lengths");
  size_t next = 0;
  for (size_t k = 0; k < wanted.size(); ++k) {
    if (!lengths[0][k]) {
      n.SetOutput(wanted[k], results[next++]);
      continue;
    }
    const auto first = results.begin() + static_cast<int64_t>(next);
    n.SetOutput(wanted[k], n.b.MakeSequence({first, first + static_cast<int64_t>(*lengths[0][k])}, item_types[0]));
    next += *lengths[0][k];
  }
}

void Loop(NodeContext& n) {
  const GraphView* body = n.Subgraph("body");
  if (!n.ok()) return;
  OnnxLoop loop;
  loop.body = body;
  const auto scalar = [&](size_t i) {
    const Value v = n.OptionalInput(i);
    return n.b.HasRank(v) && n.b.shape(v)->size() == 1 ? n.b.ReshapeTo(v, {}) : v;
  };
  loop.trip_count = scalar(0);
  loop.condition = scalar(1);
  if (const auto always = n.b.ConstantInts(loop.condition); always && always->size() == 1 && (*always)[0] != 0) loop.condition = {};
  for (size_t i = 2; i < n.input_count(); ++i) loop.initial.push_back(n.Input(i));
  const size_t count = loop.initial.size();
  if (!n.ok()) return;
  if (body->outputs.size() < 1 + count || body->inputs.size() < 2 + count || n.output_count() + 1 > body->outputs.size()) {
    return n.Fail("a body of {} inputs and {} outputs for {} carried values and {} outputs", body->inputs.size(), body->outputs.size(), count, n.output_count());
  }
  // The condition, all carried values, and the collected outputs that somebody reads.
  std::vector<size_t> wanted, collected;
  for (size_t i = 0; i <= count; ++i) wanted.push_back(i);
  for (size_t i = count; i < n.output_count(); ++i) {
    if (!n.OutputUsed(i)) continue;
    wanted.push_back(i + 1);
    collected.push_back(i);
  }
  loop.scan_axes.assign(collected.size(), 0);
  loop.scan_reversed.assign(collected.size(), false);
  loop.pass = [&](GraphBuilder& b, Scope* scope, Value iteration, Value condition, const std::vector<Value>& carried) {
    std::vector<Value> inputs = {iteration, condition};
    inputs.insert(inputs.end(), carried.begin(), carried.end());
    const std::vector<Value> results = ConvertBody(n, b, *body, "body", scope, inputs, wanted);
    LoopStep step;
    if (results.size() != wanted.size()) return step;
    step.condition = results[0];
    if (b.HasRank(step.condition) && b.shape(step.condition)->size() == 1) step.condition = b.ReshapeTo(step.condition, {});
    step.carried.assign(results.begin() + 1, results.begin() + 1 + static_cast<int64_t>(count));
    step.scans.assign(results.begin() + 1 + static_cast<int64_t>(count), results.end());
    return step;
  };
  std::vector<Value> carried, scans;
  if (!ConvertLoop(n, loop, &carried, &scans)) return;
  for (size_t i = 0; i < carried.size(); ++i) n.SetOutput(i, carried[i]);
  for (size_t k = 0; k < scans.size(); ++k) n.SetOutput(collected[k], scans[k]);
}

struct ScanShape {
  size_t states = 0, inputs = 0, outputs = 0;
  std::vector<int64_t> input_axes, output_axes;
  std::vector<bool> input_reversed, output_reversed;
};

// Runs a scan over `sequences` from `states`; results are the final states, then the collected outputs.
std::vector<Value> RunScan(NodeContext& n, const GraphView& body, const ScanShape& shape, const std::vector<Value>& states,
                           const std::vector<Value>& sequences) {
  OnnxLoop loop;
  loop.body = &body;
  loop.initial = states;
  std::vector<size_t> axes;
  for (size_t k = 0; k < sequences.size(); ++k) {
    const size_t rank = n.b.Rank(sequences[k]);
    if (!n.ok()) return {};
    const auto axis = NormalizeAxis(shape.input_axes[k], rank);
    if (!axis) {
      n.Fail("axis {} lies outside an input of rank {}", shape.input_axes[k], rank);
      return {};
    }
    axes.push_back(*axis);
  }
  loop.trip_count = n.b.DimOf(sequences[0], axes[0]);
  loop.scan_axes = shape.output_axes;
  loop.scan_reversed = shape.output_reversed;
  std::vector<size_t> wanted;
  for (size_t i = 0; i < shape.states + shape.outputs; ++i) wanted.push_back(i);
  loop.pass = [&](GraphBuilder& b, Scope* scope, Value iteration, Value, const std::vector<Value>& carried) {
    std::vector<Value> inputs = carried;
    for (size_t k = 0; k < sequences.size(); ++k) {
      Value position = iteration;
      if (shape.input_reversed[k]) {
        position = b.Sub(b.Sub(b.CaptureFrom(&n.b, loop.trip_count), b.ScalarInt(1)), iteration);
      }
      b.MarkNonNegative(position);
      inputs.push_back(b.Gather(b.CaptureFrom(&n.b, sequences[k]), position, static_cast<int64_t>(axes[k])));
    }
    const std::vector<Value> results = ConvertBody(n, b, body, "body", scope, inputs, wanted);
    LoopStep step;
    if (results.size() != wanted.size()) return step;
    step.carried.assign(results.begin(), results.begin() + static_cast<int64_t>(shape.states));
    step.scans.assign(results.begin() + static_cast<int64_t>(shape.states), results.end());
    return step;
  };
  std::vector<Value> carried, scans;
  if (!ConvertLoop(n, loop, &carried, &scans)) return {};
  carried.insert(carried.end(), scans.begin(), scans.end());
  return carried;
}

// Before opset 9 everything had a batch axis in front, and the entries of a batch were scanned one by one.
void ScanBatches(NodeContext& n, const GraphView& body, const ScanShape& shape, const std::vector<Value>& states,
                 const std::vector<Value>& sequences) {
  const Dim batch = n.b.HasRank(sequences[0]) && !n.b.shape(sequences[0])->empty() ? (*n.b.shape(sequences[0]))[0] : -1;
  if (!IsKnown(batch) || batch < 1 || batch > 256) return n.Fail("a batch of unknown size, or more than 256");
  std::vector<std::vector<Value>> parts(shape.states + shape.outputs);
  for (int64_t i = 0; i < batch; ++i) {
    const auto entry = [&](const std::vector<Value>& all) {
      std::vector<Value> out;
      for (Value v : all) out.push_back(n.b.Gather(v, n.b.ScalarInt(i), 0));
      return out;
    };
    const std::vector<Value> results = RunScan(n, body, shape, entry(states), entry(sequences));
    if (results.size() != parts.size()) return;
    for (size_t k = 0; k < parts.size(); ++k) parts[k].push_back(n.b.Unsqueeze(results[k], {0}));
  }
  for (size_t k = 0; k < parts.size(); ++k) n.SetOutput(k, n.b.Concat(parts[k], 0));
}

void Scan(NodeContext& n) {
  const GraphView* body = n.Subgraph("body");
  const bool batched = n.opset() < 9;
  const size_t first = batched ? 1 : 0;
  ScanShape shape;
  const int64_t inputs = n.Int("num_scan_inputs", 0);
  if (!n.ok()) return;
  if (inputs < 1 || static_cast<size_t>(inputs) + first > n.input_count()) return n.Fail("num_scan_inputs is {} of {} inputs", inputs, n.input_count());
  if (batched && n.HasInput(0)) return n.Fail("sequence_lens; sequences of one length are supported");
  shape.inputs = static_cast<size_t>(inputs);
  shape.states = n.input_count() - first - shape.inputs;
  if (body->inputs.size() < shape.states + shape.inputs || body->outputs.size() < std::max(shape.states, n.output_count())) {
    return n.Fail("a body of {} inputs and {} outputs for {} states and {} sequences", body->inputs.size(), body->outputs.size(), shape.states, shape.inputs);
  }
  shape.outputs = body->outputs.size() - shape.states;
  const auto list = [&](std::string_view name, size_t size) {
    std::vector<int64_t> values = n.Ints(name, std::vector<int64_t>(size, 0));
    if (values.size() != size) n.Fail("'{}' has {} entries; expected {}", name, values.size(), size);
    values.resize(size, 0);
    return values;
  };
  const auto flags = [&](std::string_view name, size_t size) {
    const std::vector<int64_t> values = list(name, size);
    return std::vector<bool>(values.begin(), values.end());
  };
  shape.input_axes = list("scan_input_axes", shape.inputs);
  shape.output_axes = list("scan_output_axes", shape.outputs);
  shape.input_reversed = flags(batched ? "directions" : "scan_input_directions", shape.inputs);
  shape.output_reversed = flags("scan_output_directions", shape.outputs);
  std::vector<Value> states, sequences;
  for (size_t i = 0; i < shape.states; ++i) states.push_back(n.Input(first + i));
  for (size_t i = 0; i < shape.inputs; ++i) sequences.push_back(n.Input(first + shape.states + i));
  if (!n.ok()) return;
  if (batched) return ScanBatches(n, *body, shape, states, sequences);
  const std::vector<Value> results = RunScan(n, *body, shape, states, sequences);
  for (size_t k = 0; k < results.size(); ++k) n.SetOutput(k, results[k]);
}

constexpr OpRow kRows[] = {
    {"", "If", 1, kNewest, If, "a condition that is known selects its branch at conversion time"},
    {"", "Loop", 1, kNewest, Loop, "unrolled where the passes are known and few; carried sequences only then"},
    {"", "Scan", 8, kNewest, Scan, "unrolled where the passes are known and few"},
};

}  // namespace

std::span<const OpRow> ControlFlowOps() { return kRows; }

}  // namespace quantpress::graph::onnx
