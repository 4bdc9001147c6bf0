// Topological order and liveness of nodes.
#include <algorithm>

#include "graph/import/onnx/importer.h"

namespace quantpress::graph::onnx {
namespace {

// Adds names that `graph` reads from outside.
void CollectCaptures(const GraphView& graph, std::vector<std::string_view>* names) {
  std::unordered_set<std::string_view> own;
  for (const TensorView& t : graph.initializers) own.insert(t.name);
  for (const SparseTensorView& t : graph.sparse_initializers) own.insert(t.values.name);
  for (const ValueView& v : graph.inputs) own.insert(v.name);
  for (const NodeView& n : graph.nodes) own.insert(n.outputs.begin(), n.outputs.end());
  std::vector<std::string_view> reads;
  for (const NodeView& n : graph.nodes) CollectReads(n, &reads);
  for (const ValueView& v : graph.outputs) reads.push_back(v.name);
  for (std::string_view name : reads) {
    if (!own.contains(name)) names->push_back(name);
  }
}

}  // namespace

void CollectReads(const NodeView& node, std::vector<std::string_view>* names) {
  for (std::string_view name : node.inputs) {
    if (!name.empty()) names->push_back(name);
  }
  for (const AttributeView& a : node.attributes) {
    if (a.graph) CollectCaptures(*a.graph, names);
  }
}

StatusOr<std::vector<const NodeView*>> SortNodes(const std::vector<NodeView>& nodes, std::vector<std::string>* notes) {
  std::unordered_map<std::string_view, size_t> producer;
  size_t repeated = 0;
  std::string_view example;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (std::string_view name : nodes[i].outputs) {
      if (name.empty()) continue;
      if (!producer.insert_or_assign(name, i).second) {
        ++repeated;
        example = name;
      }
    }
  }
  if (repeated > 0 && notes != nullptr) {
    notes->push_back(fmt::format("{} tensor names are produced by more than one node (for example '{}'); the last producer is used", repeated, example));
  }
  std::vector<std::vector<size_t>> users(nodes.size());
  std::vector<size_t> waiting(nodes.size(), 0);
  std::vector<std::string_view> reads;
  bool sorted = true;
  for (size_t i = 0; i < nodes.size(); ++i) {
    reads.clear();
    CollectReads(nodes[i], &reads);
    for (std::string_view name : reads) {
      const auto it = producer.find(name);
      if (it == producer.end()) continue;
      users[it->second].push_back(i);
      ++waiting[i];
      sorted = sorted && it->second < i;
    }
  }
  std::vector<const NodeView*> order;
  order.reserve(nodes.size());
  if (sorted) {
    for (const NodeView& n : nodes) order.push_back(&n);
    return order;
  }
  // Nodes that are ready run in file order, so the result does not depend on anything else.
  std::vector<size_t> ready;
  for (size_t i = nodes.size(); i-- > 0;) {
    if (waiting[i] == 0) ready.push_back(i);
  }
  while (!ready.empty()) {
    const size_t i = ready.back();
    ready.pop_back();
    order.push_back(&nodes[i]);
    std::vector<size_t> next;
    for (size_t user : users[i]) {
      if (--waiting[user] == 0) next.push_back(user);
    }
    std::sort(next.rbegin(), next.rend());
    ready.insert(ready.end(), next.begin(), next.end());
  }
  if (order.size() != nodes.size()) {
    for (size_t i = 0; i < nodes.size(); ++i) {
      if (waiting[i] > 0) {
        return InvalidInput("the graph has a cycle through node '{}' ({}); a model must be acyclic",
                            nodes[i].outputs.empty() ? nodes[i].name : nodes[i].outputs[0], nodes[i].op_type);
      }
    }
  }
  return order;
}

}  // namespace quantpress::graph::onnx
