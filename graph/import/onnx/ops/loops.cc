#include "graph/import/onnx/ops/loops.h"

#include <algorithm>

namespace quantpress::graph::onnx {
namespace {

// Nodes that a loop may become when it is unrolled by choice, and when nothing else works.
constexpr int64_t kUnrolledNodes = 512;
constexpr int64_t kMostUnrolledNodes = 16384;

}  // namespace

NewGraphFunction GraphMaker(NodeContext& n) {
  return [&importer = n.importer()](const std::string& name) { return importer.NewSubgraph(name); };
}

namespace {

std::string PathOf(NodeContext& n, std::string_view part) {
  const std::string& outer = n.scope().path();
  return fmt::format("{}{}{}.{}", outer, outer.empty() ? "" : "/", n.node().name.empty() ? n.op() : n.node().name, part);
}

}  // namespace

std::string LabelOf(NodeContext& n) {
  for (std::string_view name : n.node().outputs) {
    if (!name.empty()) return std::string(name);
  }
  return std::string(n.op());
}

std::vector<Value> ConvertBody(NodeContext& n, GraphBuilder& b, const GraphView& graph, std::string_view part, Scope* outer,
                               const std::vector<Value>& inputs, const std::vector<size_t>& wanted) {
  if (outer->depth >= 64) {
    b.Fail(Unsupported("graphs are nested more than 64 deep"));
    return {};
  }
  Scope scope = n.importer().SubgraphScope(&b, outer, PathOf(n, part));
  for (size_t i = 0; i < inputs.size() && i < graph.inputs.size(); ++i) scope.Define(graph.inputs[i].name, inputs[i]);
  std::vector<std::string_view> names;
  for (size_t k : wanted) names.push_back(graph.outputs[k].name);
  n.importer().ConvertGraph(graph, &scope, names);
  std::vector<Value> results;
  for (std::string_view name : names) {
    results.push_back(scope.Find(name));
    if (!results.back().valid() && b.ok()) {
      if (n.importer().failed()) b.Fail(MakeStatus(absl::StatusCode::kAborted, "its subgraph cannot be converted"));
      else b.Fail(InvalidInput("output '{}' of the subgraph is produced by no node", name));
    }
  }
  return results;
}

namespace {

size_t CountNodes(const GraphView& graph) {
  size_t count = graph.nodes.size();
  for (const NodeView& node : graph.nodes) {
    for (const AttributeView& a : node.attributes) {
      if (a.graph) count += CountNodes(*a.graph);
    }
  }
  return count;
}

struct Unrolled {
  std::vector<Value> carried;
  std::vector<std::vector<Value>> scans;  // one list per collected output, by pass
};

// Passes one after another. nullopt without an error if the end of the loop is not known after as many nodes as allowed.
std::optional<Unrolled> Unroll(GraphBuilder& b, Scope* scope, const OnnxLoop& loop, const std::vector<Value>& initial,
                               int64_t trips, Value condition, int64_t node_limit) {
  Unrolled out{initial, std::vector<std::vector<Value>>(loop.scan_axes.size())};
  const auto size = static_cast<int64_t>(std::max<size_t>(CountNodes(*loop.body), 1));
  for (int64_t i = 0; i < trips; ++i) {
    if (condition.valid()) {
      const auto go = b.ConstantInts(condition);
      if (!go || go->size() != 1) return std::nullopt;
      if ((*go)[0] == 0) break;
    }
    if ((i + 1) * size > node_limit) return std::nullopt;
    const LoopStep step = loop.pass(b, scope, b.ScalarInt(i), condition.valid() ? condition : b.ScalarInt(1, ElementType::kBool), out.carried);
    if (!b.ok()) return std::nullopt;
    condition = step.condition;
    out.carried = step.carried;
    for (size_t k = 0; k < step.scans.size(); ++k) out.scans[k].push_back(step.scans[k]);
  }
  return out;
}

// Whether the loop can be unrolled is found out on a graph that is thrown away.
bool CanUnroll(NodeContext& n, const OnnxLoop& loop, int64_t trips, int64_t node_limit) {
  const auto mark = n.importer().Save();
  Graph scratch;
  GraphBuilder b(&scratch, n.b.symbols(), n.b.options(), &n.b);
  Scope scope = n.importer().SubgraphScope(&b, &n.scope(), n.scope().path());
  std::vector<Value> initial;
  for (Value v : loop.initial) initial.push_back(b.Capture(v));
  const Value condition = loop.condition.valid() ? b.Capture(loop.condition) : Value{};
  const size_t before = n.importer().problem_count();
  const bool works = Unroll(b, &scope, loop, initial, trips, condition, node_limit).has_value() && b.ok() &&
                     n.importer().problem_count() == before;
  n.importer().Restore(mark);
  return works;
}

void SetUnrolled(NodeContext& n, const OnnxLoop& loop, int64_t trips, std::vector<Value>* carried, std::vector<Value>* scans) {
  auto out = Unroll(n.b, &n.scope(), loop, loop.initial, trips, loop.condition, kMostUnrolledNodes);
  if (!out) {
    if (n.ok()) n.Fail("the loop cannot be unrolled");
    return;
  }
  *carried = std::move(out->carried);
  for (size_t k = 0; k < out->scans.size(); ++k) {
    std::vector<Value>& list = out->scans[k];
    if (list.empty()) {
      n.Fail("a loop that makes no pass collects tensors of unknown shape");
      return;
    }
    if (loop.scan_reversed[k]) std::reverse(list.begin(), list.end());
    for (Value& v : list) v = n.b.Unsqueeze(v, {loop.scan_axes[k]});
    scans->push_back(n.b.Concat(list, loop.scan_axes[k]));
  }
}

void SetWhile(NodeContext& n, const OnnxLoop& loop, std::vector<Value>* carried, std::vector<Value>* scans) {
  LoopSpec spec;
  spec.name = LabelOf(n);
  spec.trip_count = loop.trip_count;
  spec.condition = loop.condition;
  spec.initial = loop.initial;
  spec.scan_count = loop.scan_axes.size();
  // Every attempt forgets what the one before left in the importer.
  std::optional<Importer::Mark> mark;
  spec.step = [&](GraphBuilder& body, Value iteration, Value condition, const std::vector<Value>& values) {
    if (mark) n.importer().Restore(*mark);
    else mark = n.importer().Save();
    Scope scope = n.importer().SubgraphScope(&body, &n.scope(), n.scope().path());
    LoopStep step = loop.pass(body, &scope, iteration, condition, values);
    // A condition that is always true needs no test.
    const auto known = body.ConstantInts(step.condition);
    if (known && known->size() == 1 && (*known)[0] != 0) step.condition = {};
    return step;
  };
  LoopResult result = BuildLoop(n.b, GraphMaker(n), spec);
  *carried = std::move(result.carried);
  for (size_t k = 0; k < result.scans.size(); ++k) {
    Value v = result.scans[k];
    if (loop.scan_reversed[k]) v = n.b.Reverse(v, 0);
    if (loop.scan_axes[k] != 0) {
      const size_t rank = n.b.Rank(v);
      const auto axis = NormalizeAxis(loop.scan_axes[k], rank);
      if (!n.ok()) return;
      if (!axis) return n.Fail("axis {} lies outside an output of rank {}", loop.scan_axes[k], rank);
      std::vector<int64_t> perm;
      for (size_t i = 1; i < rank; ++i) perm.push_back(static_cast<int64_t>(i));
      perm.insert(perm.begin() + static_cast<int64_t>(*axis), 0);
      v = n.b.Transpose(v, perm);
    }
    scans->push_back(v);
  }
}

}  // namespace

bool ConvertLoop(NodeContext& n, const OnnxLoop& loop, std::vector<Value>* carried, std::vector<Value>* scans) {
  constexpr int64_t kEndless = int64_t{1} << 30;
  int64_t trips = kEndless;
  bool known = true;  // the number of passes, or a condition that may end up known
  if (loop.trip_count.valid()) {
    const auto limit = n.b.ConstantInts(loop.trip_count);
    known = limit && limit->size() == 1;
    if (known) trips = std::clamp<int64_t>((*limit)[0], 0, kEndless);
  }
  const bool lists = std::any_of(loop.initial.begin(), loop.initial.end(), [&](Value v) { return n.b.IsSequence(v) || n.b.IsNothing(v) || n.b.IsParts(v); });
  // No pass and something to collect is better left to the general form, which knows the shapes.
  if (known && (trips > 0 || loop.scan_axes.empty()) && CanUnroll(n, loop, trips, lists ? kMostUnrolledNodes : kUnrolledNodes)) {
    SetUnrolled(n, loop, trips, carried, scans);
    return n.ok();
  }
  if (lists) {
    n.Fail("a sequence is carried through a loop whose passes are not known at conversion time");
    return false;
  }
  const auto mark = n.importer().Save();
  const size_t before = n.importer().problem_count();
  SetWhile(n, loop, carried, scans);
  if (n.ok() && n.importer().problem_count() == before) return true;
  // What fails as a loop of the runtime (ranks that change, for one) may work pass by pass.
  if (!known || !CanUnroll(n, loop, trips, kMostUnrolledNodes)) return false;
  static_cast<void>(n.b.TakeStatus());
  n.importer().Restore(mark);
  scans->clear();
  SetUnrolled(n, loop, trips, carried, scans);
  return n.ok();
}

}  // namespace quantpress::graph::onnx
