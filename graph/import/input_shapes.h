// Shapes of inputs that a user fixes (--saveStaticModel, --inputConfigFile).
#ifndef QUANTPRESS_GRAPH_IMPORT_INPUT_SHAPES_H_
#define QUANTPRESS_GRAPH_IMPORT_INPUT_SHAPES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "graph/convert.h"

namespace quantpress::graph {

// Text of lines `key = value`, with comments from `#` on:
//   input_size  = 2
//   input_names = a,b
//   input_dims  = 1x3x224x224,1x16
// input_size, the number of names, may be left out. Errors name file and line. `file` is for messages.
StatusOr<std::vector<InputShape>> ParseInputConfig(std::string_view text, const std::string& file);
StatusOr<std::vector<InputShape>> ReadInputConfig(const std::string& path);

// Reads the file that the options name, if they ask for fixed shapes and do not have them yet.
Status ResolveInputShapes(ImportOptions* options);

// Errors: a shape of `options` for something that is none of the model's inputs; it lists them.
Status CheckShapedInputs(const ImportOptions& options, const std::vector<std::string>& inputs);

// The fixed shape of an input that declares `declared` (negative: open; nullopt: unknown rank).
// Errors: a size that stays open; another rank or another fixed size than the model has.
StatusOr<std::vector<int64_t>> FixedShape(const ImportOptions& options, std::string_view name,
                                          const std::optional<std::vector<int64_t>>& declared);

// For sources whose graph is kept as it is: the Input ops of `model` get fixed sizes. The same errors.
Status FixInputOps(const ImportOptions& options, Model* model);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IMPORT_INPUT_SHAPES_H_
