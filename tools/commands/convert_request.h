// From the options of `convert` and `plan` to what the library is asked for.
#ifndef QUANTPRESS_TOOLS_COMMANDS_CONVERT_REQUEST_H_
#define QUANTPRESS_TOOLS_COMMANDS_CONVERT_REQUEST_H_

#include <string>
#include <vector>

#include "dispatch/status.h"
#include "graph/convert.h"
#include "tools/options/parse.h"

namespace quantpress::tools {

struct ConvertRequest {
  graph::ConvertOptions options;
  std::string plan_path;              // --plan; empty: none
  std::vector<std::string> warnings;  // an option that was overruled by another one
  std::vector<std::string> notes;     // options without effect
};

// `plan` and --dry-run need no output. Errors: required options missing, a format that cannot be read, a rule that is wrong, options
// beside --plan that contradict it.
StatusOr<ConvertRequest> MakeConvertRequest(const ParsedLine& line);

// Whether an option of the line asks for another content of the model than the source has (an MNN file, or JSON). A recipe, rules and a plan do.
bool ChangesModel(const ParsedLine& line);

// Completes a request that names a plan; others stay as they are.
Status LoadPlan(ConvertRequest* request);

// The format that -f names; kAuto without it.
StatusOr<graph::SourceFormat> FormatFromLine(const ParsedLine& line);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_COMMANDS_CONVERT_REQUEST_H_
