// Branches and loops as subgraphs of the runtime's If and While, for every front-end.
#ifndef QUANTPRESS_GRAPH_BUILD_CONTROL_FLOW_H_
#define QUANTPRESS_GRAPH_BUILD_CONTROL_FLOW_H_

#include <functional>
#include <string>
#include <vector>

#include "graph/build/graph_builder.h"

namespace quantpress::graph {

// Starts a subgraph of the model with a unique name based on `name`.
using NewGraphFunction = std::function<Graph*(const std::string& name)>;

// Builds one branch and returns its results, values of `branch`. Values of enclosing builders come in through Capture.
using BranchFunction = std::function<std::vector<Value>(GraphBuilder& branch)>;

// condition > 0 ? then : otherwise. Both branches give as many results, of the same types. Each is built once, `then`
// first. Errors: an error of a branch; results that differ in number or type.
std::vector<Value> BuildIf(GraphBuilder& b, const std::string& name, const NewGraphFunction& new_graph, Value condition,
                           const BranchFunction& then, const BranchFunction& otherwise);

struct LoopStep {
  Value condition;             // go on? invalid: yes
  std::vector<Value> carried;  // as many as there are initial values
  std::vector<Value> scans;    // collected along a new axis 0
};

// Builds one pass of the loop. It is called several times, until the shapes of the carried values hold for every pass; only
// what the last call built is kept.
using StepFunction = std::function<LoopStep(GraphBuilder& body, Value iteration, Value condition, const std::vector<Value>& carried)>;

struct LoopSpec {
  std::string name;
  Value trip_count;            // scalar; invalid: no limit
  Value condition;             // before the first pass; invalid: true
  std::vector<Value> initial;
  size_t scan_count = 0;       // how many scans `step` gives
  StepFunction step;
};

struct LoopResult {
  std::vector<Value> carried;
  std::vector<Value> scans;
};

// Errors: an error of the body.
LoopResult BuildLoop(GraphBuilder& b, const NewGraphFunction& new_graph, const LoopSpec& loop);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_BUILD_CONTROL_FLOW_H_
