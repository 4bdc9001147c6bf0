// MNN files, 2019 to 3.6.
#ifndef QUANTPRESS_GRAPH_IMPORT_MNN_MNN_IMPORTER_H_
#define QUANTPRESS_GRAPH_IMPORT_MNN_MNN_IMPORTER_H_

#include <string>

#include "graph/ir/model.h"

namespace quantpress::graph {

// True if the bytes verify as an MNN model.
bool LooksLikeMnn(const Bytes& file);

// Reads a model; every op type and parameter is kept. Large vectors stay in the mapping (and in `<path>.weight` for external
// data). Errors: not a verified MNN model, indexes or external ranges out of bounds.
StatusOr<Model> ImportMnn(const std::string& path);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IMPORT_MNN_MNN_IMPORTER_H_
