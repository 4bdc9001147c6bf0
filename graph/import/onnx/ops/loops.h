// Converting subgraphs of nodes, and loops in ONNX's terms: shared by If, Loop, Scan and SequenceMap.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_LOOPS_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_LOOPS_H_

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/build/control_flow.h"
#include "graph/import/onnx/importer.h"
#include "graph/import/onnx/node_context.h"

namespace quantpress::graph::onnx {

NewGraphFunction GraphMaker(NodeContext& n);

// The name of the node's first output that has one.
std::string LabelOf(NodeContext& n);

// Converts a subgraph into `b` and returns the values of the given outputs of it. `outer`: the scope whose names it sees.
// Errors go to the importer; where an output has no value, the builder fails too.
std::vector<Value> ConvertBody(NodeContext& n, GraphBuilder& b, const GraphView& graph, std::string_view part, Scope* outer,
                               const std::vector<Value>& inputs, const std::vector<size_t>& wanted);

// One loop, whatever the operator.
struct OnnxLoop {
  const GraphView* body = nullptr;
  Value trip_count, condition;     // may be invalid
  std::vector<Value> initial;
  std::vector<int64_t> scan_axes;  // where each collected output gets its new axis
  std::vector<bool> scan_reversed;
  // Converts one pass into `b`, with the names that `scope` sees.
  std::function<LoopStep(GraphBuilder& b, Scope* scope, Value iteration, Value condition, const std::vector<Value>& carried)> pass;
};

// Unrolled or as a While. False after an error, which is reported.
bool ConvertLoop(NodeContext& n, const OnnxLoop& loop, std::vector<Value>* carried, std::vector<Value>* scans);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_LOOPS_H_
