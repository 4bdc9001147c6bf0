// A planned conversion as a JSON file: the options that decide the bytes of the output, and what happens to every weight.
#ifndef QUANTPRESS_GRAPH_PLAN_IO_PLAN_FILE_H_
#define QUANTPRESS_GRAPH_PLAN_IO_PLAN_FILE_H_

#include <string>
#include <string_view>

#include "graph/convert.h"

namespace quantpress::graph {

// JSON text. Of `options` it holds source, import, policies, and what of the output is not its path. Errors: a name that is not UTF-8.
StatusOr<std::string> PlanText(const ConvertOptions& options, const dispatch::Plan& plan);

// Writes that text beside `path` under a temporary name and renames it. Errors: those of PlanText; the path is that of the model; writing.
Status WritePlan(const ConvertOptions& options, const dispatch::Plan& plan, const std::string& path);

// Options that make Convert do what the plan says; output path and budget are left to the caller. `file` is for messages.
// Errors name file, line and field.
StatusOr<ConvertOptions> ParsePlan(std::string_view text, const std::string& file);
StatusOr<ConvertOptions> ReadPlan(const std::string& path);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_PLAN_IO_PLAN_FILE_H_
