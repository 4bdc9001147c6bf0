// MNN files as JSON and back, as files. docs/json.md is for users.
#ifndef QUANTPRESS_GRAPH_MODEL_JSON_MODEL_JSON_H_
#define QUANTPRESS_GRAPH_MODEL_JSON_MODEL_JSON_H_

#include <string>

#include "graph/convert.h"

namespace quantpress::graph {

// Writes an MNN file as JSON. An external weight file is kept as it is, as `<json_path>.weight`. Fills bytes, external
// and notes. Nothing is left at the paths after an error but what was there before.
StatusOr<ConvertResult> WriteModelJson(const std::string& mnn_path, const std::string& json_path,
                                       const ConvertHooks& hooks = {});

// The inverse: an MNN file with exactly the fields of the JSON, through the same checks as every MNN source. Where this
// library's own layout holds them all, it is used, so that a dump of a file that this library wrote gives its bytes.
// Options of a conversion do not apply; for them the JSON is a source like others (Convert).
StatusOr<ConvertResult> RestoreModel(const std::string& json_path, const std::string& mnn_path,
                                     const dispatch::Budget& budget, const ConvertHooks& hooks = {});

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_MODEL_JSON_MODEL_JSON_H_
