// ONNX files of every opset.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_ONNX_IMPORTER_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_ONNX_IMPORTER_H_

#include "graph/convert.h"
#include "graph/ir/model.h"

namespace quantpress::graph {

// True if the bytes decode as an ONNX ModelProto with a graph.
bool LooksLikeOnnx(const Bytes& file);

// Reads and lowers a model. Errors: malformed files; every node that cannot be converted, collected in one message.
StatusOr<Model> ImportOnnx(const ImportOptions& options);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_ONNX_IMPORTER_H_
