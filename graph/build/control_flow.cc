// How the runtime runs them: If takes the first graph where its condition is above zero, and pairs inputs and outputs by
// tensor names. While without a condition graph gives its body the number of the pass, the condition, the carried values
// and what the body captures, in this order; the body returns the condition, the carried values, the captured ones
// unchanged, and what is stacked along axis 0. A loop that stacks something and makes no pass crashes, so such a loop
// stands in a branch of an If unless it makes at least one.
#include "graph/build/control_flow.h"

#include <algorithm>

#include "graph/build/params.h"

namespace quantpress::graph {
namespace {

// A pass may be converted this often until shapes settle; after that nothing is assumed about them.
constexpr int kMaxAttempts = 6;

std::unique_ptr<mnn::StringVecT> Names(std::vector<std::string> names) {
  auto list = std::make_unique<mnn::StringVecT>();
  list->data = std::move(names);
  return list;
}

// What is known of a tensor that is `a` or `b`.
std::optional<Shape> MergeShapes(const std::optional<Shape>& a, const std::optional<Shape>& b, SymbolTable* symbols) {
  if (!a || !b || a->size() != b->size()) return std::nullopt;
  Shape out = *a;
  for (size_t i = 0; i < out.size(); ++i) {
    if (out[i] != (*b)[i]) out[i] = symbols->Fresh();
  }
  return out;
}

// Int8 and uint8 are held as int32 across the borders of a subgraph, as computed ones are everywhere.
std::vector<Value> WidenAll(GraphBuilder& b, std::vector<Value> values) {
  for (Value& v : values) v = b.Widen(v);
  return values;
}

// Makes `results` outputs of the builder's graph.
Status FinishGraph(GraphBuilder& b, const std::vector<Value>& results) {
  for (Value v : results) {
    if (!v.valid() && b.ok()) return InvalidInput("a result of subgraph '{}' is missing", b.graph()->name);
    b.graph()->outputs.push_back(b.Tensor(v));
  }
  if (!b.ok()) return b.TakeStatus();
  b.RecordShapes();
  return absl::OkStatus();
}

std::string TensorName(GraphBuilder& b, Value v) { return b.graph()->tensors[static_cast<size_t>(b.Tensor(v))]; }

}  // namespace

std::vector<Value> BuildIf(GraphBuilder& b, const std::string& name, const NewGraphFunction& new_graph, Value condition,
                           const BranchFunction& then, const BranchFunction& otherwise) {
  if (!condition.valid() || !b.ok()) return {};
  mnn::IfParamT param;
  const BranchFunction* const functions[] = {&then, &otherwise};
  std::vector<std::unique_ptr<GraphBuilder>> builders;
  std::vector<Value> results[2];
  for (int i = 0; i < 2; ++i) {
    Graph* graph = new_graph(fmt::format("{}/{}", name, i == 0 ? "then" : "else"));
    builders.push_back(std::make_unique<GraphBuilder>(graph, b.symbols(), b.options(), &b));
    GraphBuilder& branch = *builders.back();
    branch.SetNamePrefix(graph->name);
    results[i] = WidenAll(branch, (*functions[i])(branch));
    if (Status status = FinishGraph(branch, results[i]); !status.ok()) {
      b.Fail(std::move(status));
      return {};
    }
    (i == 0 ? param.then_graph : param.else_graph) = graph->name;
  }
  if (results[0].size() != results[1].size()) {
    b.Fail(InvalidInput("the branches give {} and {} results", results[0].size(), results[1].size()));
    return {};
  }
  // Inputs: the condition, then every captured value with the names that it has in the branches.
  std::vector<Value> inputs = {condition};
  param.aliases_inputs.push_back(Names({}));
  for (const auto& builder : builders) {
    for (const auto& [outer, inner] : builder->captures()) {
      const std::string inner_name = TensorName(*builder, inner);
      const auto known = std::find(inputs.begin() + 1, inputs.end(), outer);
      if (known != inputs.end()) {
        param.aliases_inputs[static_cast<size_t>(known - inputs.begin())]->data.push_back(inner_name);
        continue;
      }
      inputs.push_back(outer);
      param.aliases_inputs.push_back(Names({inner_name}));
    }
    for (const auto& [outer, inner] : builder->captures()) builder->graph()->inputs.push_back(builder->Tensor(inner));
  }
  std::vector<OutputSpec> outputs;
  for (size_t k = 0; k < results[0].size(); ++k) {
    const ValueInfo a = builders[0]->info(results[0][k]), c = builders[1]->info(results[1][k]);
    if (a.stored != c.stored) {
      b.Fail(InvalidInput("result {} is {} in one branch and {} in the other", k, ElementTypeName(a.type), ElementTypeName(c.type)));
      return {};
    }
    outputs.push_back({a.type, MergeShapes(a.shape, c.shape, b.symbols()), a.stored});
    param.aliases_outputs.push_back(Names({TensorName(*builders[0], results[0][k]), TensorName(*builders[1], results[1][k])}));
  }
  return b.EmitMulti(mnn::OpType::If, Param(std::move(param)), std::move(inputs), std::move(outputs));
}

namespace {

// One carried value: what may be assumed of it in every pass.
struct Carried {
  ElementType type;
  ElementType stored;
  std::optional<Shape> shape;
  std::vector<bool> open;  // dimensions of which nothing is assumed
};

// Widens what is assumed until `result`, what a pass makes of it, fits. True if it fitted already.
bool Settle(Carried* carried, const std::optional<Shape>& result, SymbolTable* symbols) {
  if (!carried->shape) return true;
  if (!result || result->size() != carried->shape->size()) {
    carried->shape.reset();
    return false;
  }
  bool settled = true;
  for (size_t i = 0; i < result->size(); ++i) {
    Dim& d = (*carried->shape)[i];
    if (d == (*result)[i] || carried->open[i]) continue;
    d = symbols->Fresh();
    carried->open[i] = true;
    settled = false;
  }
  return settled;
}

// Builds the While itself; the number of passes does not matter where nothing is stacked.
LoopResult EmitWhile(GraphBuilder& b, const NewGraphFunction& new_graph, const LoopSpec& loop) {
  LoopResult out;
  const std::vector<Value> initial = WidenAll(b, loop.initial);
  std::vector<Carried> carried;
  for (Value v : initial) {
    if (b.IsSequence(v) || b.IsNothing(v) || b.IsParts(v)) {
      b.Fail(Unsupported("a sequence that is carried from one pass of the loop to the next"));
      return out;
    }
    const ValueInfo& info = b.info(v);
    carried.push_back({info.type, info.stored, info.shape, std::vector<bool>(info.shape ? info.shape->size() : 0, false)});
  }
  if (!b.ok()) return out;
  for (int attempt = 0;; ++attempt) {
    Graph graph;
    graph.name = loop.name + "/body";
    GraphBuilder body(&graph, b.symbols(), b.options(), &b);
    const Value iteration = body.Input(loop.name + "/pass", ElementType::kInt64, Shape{});
    const Value condition = body.Input(loop.name + "/go", ElementType::kBool, Shape{});
    body.MarkNonNegative(iteration);
    std::vector<Value> values;
    for (size_t k = 0; k < carried.size(); ++k) {
      if (attempt >= kMaxAttempts) carried[k].shape.reset();
      values.push_back(body.Input(fmt::format("{}/carried_{}", loop.name, k), carried[k].type, carried[k].shape, carried[k].stored));
    }
    body.SetNamePrefix(graph.name);
    LoopStep step = loop.step(body, iteration, condition, values);
    if (body.ok() && step.carried.size() != carried.size()) body.Fail(InvalidInput("the loop carries {} values, its body gives {}", carried.size(), step.carried.size()));
    step.carried = WidenAll(body, std::move(step.carried));
    step.scans = WidenAll(body, std::move(step.scans));
    if (!body.ok()) {
      b.Fail(body.TakeStatus());
      return out;
    }
    bool settled = true;
    for (size_t k = 0; k < carried.size(); ++k) {
      const ValueInfo& info = body.info(step.carried[k]);
      if (!step.carried[k].valid()) {
        b.Fail(InvalidInput("carried value {} is missing in the loop's body", k));
        return out;
      }
      if (info.stored != carried[k].stored) {
        b.Fail(InvalidInput("carried value {} is {} before the loop and {} after a pass", k, ElementTypeName(carried[k].type), ElementTypeName(info.type)));
        return out;
      }
      settled = Settle(&carried[k], info.shape, b.symbols()) && settled;
    }
    if (!settled) continue;
    // Outputs: condition, carried, captured unchanged, stacked.
    const bool endless = !step.condition.valid();
    std::vector<Value> results = {endless ? body.Ints({1}, {}, ElementType::kInt32) : step.condition};
    results.insert(results.end(), step.carried.begin(), step.carried.end());
    for (const auto& [outer, inner] : body.captures()) results.push_back(inner);
    results.insert(results.end(), step.scans.begin(), step.scans.end());
    if (Status status = FinishGraph(body, results); !status.ok()) {
      b.Fail(std::move(status));
      return out;
    }
    graph.inputs = {body.Tensor(iteration), body.Tensor(condition)};
    for (Value v : values) graph.inputs.push_back(body.Tensor(v));
    constexpr int64_t kNoLimit = int64_t{1} << 30;
    const Value limit = loop.trip_count.valid() ? loop.trip_count : b.ScalarInt(kNoLimit);
    std::vector<Value> inputs = {b.Cast(limit, ElementType::kInt32), loop.condition.valid() ? loop.condition : b.ScalarInt(1, ElementType::kInt32)};
    inputs.insert(inputs.end(), initial.begin(), initial.end());
    for (const auto& [outer, inner] : body.captures()) {
      inputs.push_back(outer);
      graph.inputs.push_back(body.Tensor(inner));
    }
    std::vector<OutputSpec> outputs;
    for (const Carried& c : carried) outputs.push_back({c.type, c.shape, c.stored});
    for (const auto& [outer, inner] : body.captures()) outputs.push_back({b.type(outer), b.shape(outer), b.info(outer).stored});
    const auto passes = b.Elements(limit);
    for (Value v : step.scans) {
      std::optional<Shape> stacked = body.shape(v);
      const bool counted = passes && passes->size() == 1 && endless && !loop.condition.valid() && loop.trip_count.valid();
      if (stacked) stacked->insert(stacked->begin(), counted ? (*passes)[0] : b.symbols()->Fresh());
      outputs.push_back({body.type(v), std::move(stacked), body.info(v).stored});
    }
    Graph* kept = new_graph(graph.name);
    graph.name = kept->name;
    *kept = std::move(graph);
    mnn::WhileParamT param;
    param.body_graph = kept->name;
    const std::vector<Value> values_out = b.EmitMulti(mnn::OpType::While, Param(std::move(param)), std::move(inputs), std::move(outputs));
    if (values_out.empty() && !b.ok()) return out;
    out.carried.assign(values_out.begin(), values_out.begin() + static_cast<int64_t>(carried.size()));
    out.scans.assign(values_out.end() - static_cast<int64_t>(step.scans.size()), values_out.end());
    return out;
  }
}

bool IsKnownTrue(GraphBuilder& b, Value v) {
  const auto ints = b.ConstantInts(v);
  return ints && ints->size() == 1 && (*ints)[0] > 0;
}

}  // namespace

LoopResult BuildLoop(GraphBuilder& b, const NewGraphFunction& new_graph, const LoopSpec& loop) {
  if (!b.ok()) return {};
  const bool runs = (!loop.trip_count.valid() || IsKnownTrue(b, loop.trip_count)) && (!loop.condition.valid() || IsKnownTrue(b, loop.condition));
  if (runs || loop.scan_count == 0) return EmitWhile(b, new_graph, loop);
  Value starts = loop.condition;
  if (loop.trip_count.valid()) {
    const Value some = b.Greater(b.Cast(loop.trip_count, ElementType::kInt32), b.ScalarInt(0, ElementType::kInt32));
    starts = starts.valid() ? b.LogicalAnd(starts, some) : some;
  }
  const size_t count = loop.initial.size();
  std::vector<OutputSpec> stacked;
  const auto capture_all = [&](GraphBuilder& branch) {
    std::vector<Value> values;
    for (Value v : loop.initial) values.push_back(branch.Capture(v));
    return values;
  };
  const auto run = [&](GraphBuilder& branch) {
    LoopSpec inner = loop;
    inner.trip_count = loop.trip_count.valid() ? branch.Capture(loop.trip_count) : Value{};
    inner.condition = loop.condition.valid() ? branch.Capture(loop.condition) : Value{};
    inner.initial = capture_all(branch);
    LoopResult result = EmitWhile(branch, new_graph, inner);
    std::vector<Value> all = std::move(result.carried);
    for (Value v : result.scans) {
      stacked.push_back({branch.type(v), branch.shape(v), branch.info(v).stored});
      all.push_back(v);
    }
    return all;
  };
  const auto skip = [&](GraphBuilder& branch) {
    std::vector<Value> all = capture_all(branch);
    for (const OutputSpec& spec : stacked) {
      // Sizes that are not known are zero too, as in onnxruntime.
      Shape shape = spec.shape.value_or(Shape{0});
      for (Dim& d : shape) d = IsKnown(d) ? d : 0;
      if (!shape.empty()) shape[0] = 0;
      all.push_back(branch.EmptyConstant(spec.type, std::move(shape)));
    }
    return all;
  };
  std::vector<Value> all = BuildIf(b, loop.name, new_graph, starts, run, skip);
  if (all.size() < count) return {};
  return {{all.begin(), all.begin() + static_cast<int64_t>(count)}, {all.begin() + static_cast<int64_t>(count), all.end()}};
}

}  // namespace quantpress::graph
