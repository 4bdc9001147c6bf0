// Settings for layers that are chosen by pattern: --rule 'lm_head.*=bits:8,block:32'.
#ifndef QUANTPRESS_GRAPH_RULES_RULE_H_
#define QUANTPRESS_GRAPH_RULES_RULE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "dispatch/plan.h"
#include "dispatch/status.h"
#include "graph/rules/pattern.h"

namespace quantpress::graph {

// What a rule or an entry of a recipe says of a layer. What it does not say stays as it was.
struct Settings {
  std::optional<int> bits;
  std::optional<bool> asymmetric;
  std::optional<bool> hqq;
  std::optional<int64_t> block;
  std::optional<int> scale_bits;
  std::optional<bool> fp16;

  void ApplyTo(dispatch::WeightRequest* request) const;
};

// CHOICE=SETTING[,SETTING...]
//   CHOICE   a regular expression (rules/pattern.h) for the whole name of a layer; in a subgraph also for "subgraph/layer".
//            Or op:TYPE, all layers of that operator type.
//   SETTING  bits:0|2..8, block:-1|N, asymmetric:0|1, hqq:0|1, scale:16|32, fp16:0|1, or `skip` alone: leave the weights as they are.
struct Rule {
  std::string text;     // as it was given
  std::string op_type;  // "ConvolutionDepthwise"; empty: chosen by name
  Pattern pattern;
  Settings settings;

  bool Matches(const std::string& subgraph, const std::string& layer, std::string_view type) const;
};

// Errors quote the rule and say what was expected.
StatusOr<Rule> ParseRule(std::string_view text);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_RULES_RULE_H_
