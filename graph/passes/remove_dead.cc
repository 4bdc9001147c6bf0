// Removes ops whose results nobody needs, and renumbers tensors densely. Graph inputs stay.
#include <algorithm>

#include "graph/passes/passes.h"

namespace quantpress::graph {

Status RemoveDeadOps(Graph& graph, const ImportOptions&) {
  std::vector<bool> needed(graph.tensors.size(), false);
  for (int t : graph.outputs) needed[static_cast<size_t>(t)] = true;
  for (int t : graph.inputs) needed[static_cast<size_t>(t)] = true;
  std::vector<bool> keep(graph.ops.size(), false);
  for (size_t i = graph.ops.size(); i-- > 0;) {
    const Op& op = graph.ops[i];
    keep[i] = op.type == mnn::OpType::Input || std::any_of(op.outputs.begin(), op.outputs.end(), [&](int t) { return needed[static_cast<size_t>(t)]; });
    if (!keep[i]) continue;
    for (int t : op.inputs) {
      if (t >= 0) needed[static_cast<size_t>(t)] = true;
    }
    for (int t : op.outputs) needed[static_cast<size_t>(t)] = true;
  }
  std::vector<int> renumbered(graph.tensors.size(), -1);
  size_t next = 0;
  for (size_t t = 0; t < graph.tensors.size(); ++t) {
    if (!needed[t]) continue;
    renumbered[t] = static_cast<int>(next);
    if (next != t) {
      graph.tensors[next] = std::move(graph.tensors[t]);
      // Tensors that a pass added may lie behind all shapes.
      if (t < graph.shapes.size()) graph.shapes[next] = std::move(graph.shapes[t]);
      else if (next < graph.shapes.size()) graph.shapes[next].reset();
    }
    ++next;
  }
  graph.tensors.resize(next);
  if (graph.shapes.size() > next) graph.shapes.resize(next);
  size_t to = 0;
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    if (!keep[i]) continue;
    for (auto* list : {&graph.ops[i].inputs, &graph.ops[i].outputs}) {
      for (int& t : *list) {
        if (t >= 0) t = renumbered[static_cast<size_t>(t)];
      }
    }
    if (to != i) graph.ops[to] = std::move(graph.ops[i]);
    ++to;
  }
  graph.ops.resize(to);
  for (auto* list : {&graph.inputs, &graph.outputs}) {
    for (int& t : *list) t = renumbered[static_cast<size_t>(t)];
  }
  return absl::OkStatus();
}

}  // namespace quantpress::graph
