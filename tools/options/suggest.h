// The name that was probably meant.
#ifndef QUANTPRESS_TOOLS_OPTIONS_SUGGEST_H_
#define QUANTPRESS_TOOLS_OPTIONS_SUGGEST_H_

#include <string_view>
#include <vector>

namespace quantpress::tools {

// The candidate that takes the fewest single-letter edits (insert, delete, replace, swap neighbours; case is free);
// empty if none is close enough to be worth a suggestion. The first of equals.
std::string_view Nearest(std::string_view typed, const std::vector<std::string_view>& candidates);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_OPTIONS_SUGGEST_H_
