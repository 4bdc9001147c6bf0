// An MNN file from JSON: what dump.h and the stock converter write. docs/json.md describes the form.
#ifndef QUANTPRESS_GRAPH_MODEL_JSON_READ_H_
#define QUANTPRESS_GRAPH_MODEL_JSON_READ_H_

#include <string>

#include "dispatch/cancellation.h"
#include "graph/ir/bytes.h"

namespace quantpress::graph {

// True if the text begins as a JSON object does, with a name and a colon.
bool LooksLikeJson(const Bytes& file);

struct MnnFromJson {
  Bytes file;           // verified; on disk, so that it takes no memory
  bool ordered = true;  // all fields stood in the order of the schema
};

// Holds exactly the fields of the JSON. Takes memory for small values only: big lists of numbers go to scratch files in
// the folder for temporary files, where they need as much room as the model twice. Errors name file, line and field: no
// JSON, a field or name that the schema does not have, a value that its type cannot hold.
StatusOr<MnnFromJson> ReadMnnJson(const std::string& path, const dispatch::CancellationToken* cancellation = nullptr);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_MODEL_JSON_READ_H_
