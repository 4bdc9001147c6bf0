// MNN files, 2019 to 3.6.
#ifndef QUANTPRESS_GRAPH_IMPORT_MNN_MNN_IMPORTER_H_
#define QUANTPRESS_GRAPH_IMPORT_MNN_MNN_IMPORTER_H_

#include <string>

#include "graph/ir/model.h"

namespace quantpress::graph {

// True if the bytes verify as an MNN model.
bool LooksLikeMnn(const Bytes& file);

// True if the bytes pass the runtime's own verification. They may still lack what a model needs.
bool MnnVerifies(const Bytes& file);

// Maps a file and verifies it. Errors: not an MNN model.
StatusOr<Bytes> MapMnn(const std::string& path);

// Reads a model; every op type and parameter is kept. Large vectors stay in the mapping (and in `<path>.weight` for external
// data). Errors: not a verified MNN model, indexes or external ranges out of bounds.
StatusOr<Model> ImportMnn(const std::string& path);

// The same for a verified model that is mapped already; `path` is for messages and for the external file.
StatusOr<Model> ImportMnnBytes(const Bytes& file, const std::string& path);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IMPORT_MNN_MNN_IMPORTER_H_
