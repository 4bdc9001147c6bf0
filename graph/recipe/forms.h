// Reading and writing of the two forms of a recipe. Used by recipe.cc.
#ifndef QUANTPRESS_GRAPH_RECIPE_FORMS_H_
#define QUANTPRESS_GRAPH_RECIPE_FORMS_H_

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "graph/json/json_tree.h"
#include "graph/recipe/messages.h"

namespace quantpress::graph::recipe {

// What a reader knows besides the message that it reads. The first error stays.
struct ReadState {
  std::string file;
  Status status;
  std::vector<std::string> notes;

  void Fail(int line, std::string_view field, std::string_view text) {
    if (status.ok()) status = json::ErrorAt(file, line, field, text);
  }
  void Note(int line, std::string_view field, std::string_view text) {
    notes.push_back(Message(json::ErrorAt(file, line, field, text)));
  }
};

// "op_name" -> "opName".
std::string JsonName(std::string_view name);

// "algo[0].quantParams" + "layer" -> "algo[0].quantParams.layer"
std::string Join(std::string_view path, std::string_view name);

// Empty if the value is possible, else what would be.
std::string_view WhatIsPossible(Accept accept, int64_t value);
std::string_view WhatIsPossible(Accept accept, double value);

// "QUANTIZE or PRUNE"
std::string NamesOf(EnumNames names);

StatusOr<Pipeline> ReadJson(std::string_view text, ReadState* state);
StatusOr<Pipeline> ReadBinary(std::string_view bytes, ReadState* state);
StatusOr<std::string> WriteJson(const Pipeline& pipeline, const std::string& path);
std::string WriteBinary(const Pipeline& pipeline);

}  // namespace quantpress::graph::recipe

#endif  // QUANTPRESS_GRAPH_RECIPE_FORMS_H_
