// Second step of an export: where everything lies in the output files.
//
//   model file:   FlatBuffer metadata | bulk vectors: u32 length, data | ...
//   weight file:  data | data | ...                    (raw concatenation, only with external data)
//
// The metadata is built with a one-element placeholder for each bulk vector; afterwards its offset is redirected to the vector behind the
// metadata. So no weight is ever in the builder, and all offsets are known before any weight is read.
#ifndef QUANTPRESS_GRAPH_EXPORT_LAYOUT_H_
#define QUANTPRESS_GRAPH_EXPORT_LAYOUT_H_

#include <cstdint>
#include <vector>

#include "graph/export/lower.h"

namespace quantpress::graph {

// A FlatBuffer must be smaller.
inline constexpr uint64_t kMaxModelBytes = FLATBUFFERS_MAX_BUFFER_SIZE;

struct Layout {
  std::vector<uint8_t> metadata;    // with all offsets final
  uint64_t model_bytes = 0;         // size of the model file
  uint64_t external_bytes = 0;      // size of the weight file; 0: none
  size_t shared_vectors = 0;        // that stand where an equal one stands
  uint64_t shared_bytes = 0;        // of these
};

// Sets `external`, `offset` and `shared` of every vector and the `external` fields of the tables. With `external`, vectors that the runtime can
// read from the weight file go there: convolutions, constants of more than 1024 elements. Errors: the model file would be 2 GiB or
// bigger (its code is absl::StatusCode::kOutOfRange: try again with `external`).
StatusOr<Layout> LayOut(Model* model, Lowered* lowered, bool external);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_LAYOUT_H_
