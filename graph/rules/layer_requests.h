// What is asked for every single layer: command line, then recipe, then rules. docs/plan.md has the order of precedence.
#ifndef QUANTPRESS_GRAPH_RULES_LAYER_REQUESTS_H_
#define QUANTPRESS_GRAPH_RULES_LAYER_REQUESTS_H_

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "graph/convert.h"
#include "graph/recipe/recipe.h"
#include "graph/rules/int8_requests.h"

namespace quantpress::graph {

class LayerRequests {
 public:
  // `options` must outlive this object.
  explicit LayerRequests(const QuantizeOptions& options);

  struct Answer {
    dispatch::WeightRequest request;
    const Int8Request* int8 = nullptr;  // compute with int8; null: weights only
    std::string asked_by;  // "recipe", "rule 'lm_head.*=bits:8'"; empty: the command line
    std::string note;      // what of the recipe does not hold for this layer
  };
  // `has_weights`: of its own, which a plan has an entry for.
  Answer For(const Graph& graph, const Op& op, bool has_weights);

  // After all layers: parts of the recipe and rules without effect, one line each. Errors: under options.strict_recipe
  // the first part without effect.
  StatusOr<std::vector<std::string>> Finish() const;

 private:
  struct Entry {
    std::string where;  // "recipe.json:12: algo[0].quantParams.layer[3]"
    Settings settings;
    int matched = 0;
    bool has_weights = false;  // a layer that matched has some
    bool int8 = false;  // asks for int8 too, and has its complaint from there
  };

  void AddPruning(const Recipe& recipe, const recipe::CompressionAlgo& algo, const std::string& field);
  void AddRecipe(const Recipe& recipe);
  void AddEntry(const Recipe& recipe, const recipe::LayerQuantizeParams& layer, const std::string& field, bool int8);

  const QuantizeOptions& options_;
  std::map<std::pair<std::string, std::string>, Entry> entries_;  // subgraph, layer
  Int8Requests int8_;
  std::vector<size_t> rule_matches_;
  std::vector<std::string> complaints_;
  bool found_block_ = false;  // a SIMD_OC entry
};

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_RULES_LAYER_REQUESTS_H_
