// Regular expressions for layer names. Matching takes time in proportion to pattern times name, whatever they are, and depends on no
// locale.
#ifndef QUANTPRESS_GRAPH_RULES_PATTERN_H_
#define QUANTPRESS_GRAPH_RULES_PATTERN_H_

#include <bitset>
#include <cstdint>
#include <string_view>
#include <vector>

#include "dispatch/status.h"

namespace quantpress::graph {

// Literals, `.`, classes `[a-z0-9]` and `[^...]`, `\d`, `\w`, `\` before any other sign, groups `(...)`, alternatives `|`, and
// `*`, `+`, `?` after each of them. `^` and `$` stand for the ends. A "character" is a byte.
class Pattern {
 public:
  // Errors say what is wrong and at which place (from 1).
  static StatusOr<Pattern> Compile(std::string_view text);

  // Whether the whole of `name` matches.
  bool Matches(std::string_view name) const;

 private:
  friend class PatternParser;
  enum class Code : uint8_t { kByte, kSplit, kJump, kBegin, kEnd, kMatch };
  // Targets are relative, so that pieces can be put together.
  struct Step {
    Code code = Code::kMatch;
    int32_t first = 0, second = 0;
    std::bitset<256> set;
  };
  using Program = std::vector<Step>;

  Program program_;
};

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_RULES_PATTERN_H_
