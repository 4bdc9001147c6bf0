// The FlatBuffer of a model without its bulk vectors.
#ifndef QUANTPRESS_GRAPH_EXPORT_METADATA_H_
#define QUANTPRESS_GRAPH_EXPORT_METADATA_H_

#include <cstdint>
#include <vector>

#include "graph/ir/model.h"

namespace quantpress::graph {

// Packs the model. Parameter tables are moved out and back again, so the model is unchanged afterwards.
std::vector<uint8_t> PackMetadata(Model* model);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_METADATA_H_
