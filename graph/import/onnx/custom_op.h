// Operators that nobody converts, written as they are (--allowCustomOp).
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_CUSTOM_OP_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_CUSTOM_OP_H_

#include <string>
#include <vector>

#include "graph/ir/model.h"

namespace quantpress::graph::onnx {

class NodeContext;

// An Extra op with the operator's name, the engine "ONNX", all attributes in their order, and `onnx_opset_version` behind them: what the
// stock converter writes. Errors: attributes that the format cannot hold (graphs, text tensors, numbers of more than 32 bits).
void ConvertCustomOp(NodeContext& node);

// One line for each such operator of a finished model, or one that says that there is none.
std::vector<std::string> CustomOpNotes(const Model& model);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_CUSTOM_OP_H_
