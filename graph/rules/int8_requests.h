// The entries of a recipe that ask for layers that compute with int8 ("full" mode: forGuide is false or absent). Such
// an entry names the tensor that the layer makes and has scales for input, output and weights.
#ifndef QUANTPRESS_GRAPH_RULES_INT8_REQUESTS_H_
#define QUANTPRESS_GRAPH_RULES_INT8_REQUESTS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "dispatch/int8_layer.h"
#include "graph/ir/model.h"
#include "graph/recipe/recipe.h"

namespace quantpress::graph {

// What is asked for one layer.
struct Int8Request {
  std::shared_ptr<const dispatch::Int8Layer> layer;  // scales as in the recipe: one per output channel, or one for all
  std::string where;                                 // "recipe.json:12: algo[0].quantParams.layer[3]"
};

class Int8Requests {
 public:
  // Precondition: recipe::AsksForInt8, and the checks of ParseRecipe. Parts without effect get a line in `complaints`.
  void Add(const recipe::LayerQuantizeParams& layer, const std::string& where, std::vector<std::string>* complaints);

  // The first entry for a layer of `graph`, by the name of its output; null if there is none.
  const Int8Request* For(const Graph& graph, const Op& op);

  // A line for every entry that no layer has matched.
  void Finish(std::vector<std::string>* complaints) const;

 private:
  struct Entry {
    Int8Request request;
    std::string output;
    std::string instead;  // what the layer of this name makes; empty: there is none
    int matched = 0;
  };

  std::vector<Entry> entries_;
  std::map<std::string, size_t> by_output_;  // into entries_
};

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_RULES_INT8_REQUESTS_H_
