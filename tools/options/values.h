// Checks what was typed for one option.
#ifndef QUANTPRESS_TOOLS_OPTIONS_VALUES_H_
#define QUANTPRESS_TOOLS_OPTIONS_VALUES_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dispatch/status.h"
#include "tools/options/option.h"

namespace quantpress::tools {

// "1" or "0" for 1, true, 0, false in any case; nothing for other text.
std::optional<std::string_view> BoolWord(std::string_view text);

// The value in one form: flags "0" or "1", choices as the table spells them, numbers without leading zeros, sizes in
// bytes. The error names the option, the value and what is accepted.
StatusOr<std::string> CheckValue(const Option& option, std::string_view text);

// "0 or 2 to 8", "channel, adjust or error": for messages and the manual page.
std::string DescribeAccepted(const Option& option);

// Pieces of Option::accepted.
std::vector<std::string_view> SplitAccepted(std::string_view accepted);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_OPTIONS_VALUES_H_
