// The compressionParamsFile: settings for single layers, in the two forms that the stock converter reads.
#ifndef QUANTPRESS_GRAPH_RECIPE_RECIPE_H_
#define QUANTPRESS_GRAPH_RECIPE_RECIPE_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "dispatch/plan.h"
#include "dispatch/status.h"
#include "graph/ir/model.h"
#include "graph/recipe/messages.h"

namespace quantpress::graph {

struct Recipe {
  std::string path;  // for messages
  recipe::Pipeline pipeline;
  // One line each: parts of the file that have no meaning, such as unknown fields.
  std::vector<std::string> notes;
};

// JSON if what follows the last dot of the path is "json", else binary protobuf.
bool IsJsonRecipe(std::string_view path);

// Errors name file, line (JSON) and field: no JSON or protobuf, a required field is missing, a value of the wrong type or out
// of range, a name twice in one object.
StatusOr<Recipe> ParseRecipe(std::string_view content, const std::string& path);

// Output channels of a block that is zero as a whole, from the first SIMD_OC entry that has a number; 0: none has. Blocks of more channels
// than a layer has are blocks of one.
uint64_t SparseBlockOf(const Recipe& recipe);

// Whether the stock converter would remove output channels of zeros: a FILTER entry in a file that is no guide.
bool AsksToRemoveFilters(const Recipe& recipe);

// Null where no file is at `path`.
StatusOr<std::shared_ptr<const Recipe>> ReadRecipeIfThere(const std::string& path);

// What `plan` does to every layer of `model` that can be quantized, as a recipe that asks for the same; the stock converter
// gives the same bits and blocks from it. Entries hold what was chosen, not what was asked for.
recipe::Pipeline MakeRecipe(const Model& model, const dispatch::Plan& plan);

// The content of a file with this pipeline, in the form that the path says. Errors: JSON cannot hold a name that is not UTF-8.
StatusOr<std::string> RecipeContent(const recipe::Pipeline& pipeline, const std::string& path);

// Whether `path` names a regular file, or a place where one can be made.
Status CheckNewFile(const std::string& path);

// Writes a file that is not there yet: a file that appears meanwhile stays as it is, and is an error.
Status CreateFile(const std::string& path, std::string_view content);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_RECIPE_RECIPE_H_
