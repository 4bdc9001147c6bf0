// `quantpress inspect --weights` and `--diff`: what the weights are, and how those of two files differ.
#ifndef QUANTPRESS_TOOLS_COMMANDS_INSPECT_WEIGHTS_H_
#define QUANTPRESS_TOOLS_COMMANDS_INSPECT_WEIGHTS_H_

#include <string>

#include "graph/inspect.h"
#include "tools/commands/commands.h"

namespace quantpress::tools {

// "4 bit symmetric, block 32, half scales"; "float32".
std::string CodingName(const graph::WeightSummary& weight);

int PrintWeights(const Context& context, const std::string& path, const std::string& layer, bool json);
int PrintDiff(const Context& context, const std::string& first, const std::string& second, bool json);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_COMMANDS_INSPECT_WEIGHTS_H_
