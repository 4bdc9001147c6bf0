// What is said after a conversion.
#ifndef QUANTPRESS_TOOLS_COMMANDS_SUMMARY_H_
#define QUANTPRESS_TOOLS_COMMANDS_SUMMARY_H_

#include <string>
#include <vector>

#include "graph/convert.h"

namespace quantpress::tools {

// Notes about the model and about every layer that did not get what was asked. Layers with the same reason share a
// note; without `all` long lists are cut, and the last note says so.
std::vector<std::string> ConversionNotes(const std::vector<std::string>& notes, const dispatch::Plan& plan, bool all);

// One line per weight, under a heading and with totals: type, shape, how it will be stored, bytes, reason. Without error figures.
std::string PlanTable(const dispatch::Plan& plan);

// One line per weight: how it is stored, bytes, error, reason. Without a newline at the end.
std::string LayerTable(const graph::ConvertResult& result);

// Layers, bits, bytes before and after, worst layer, time.
std::string SummaryText(const graph::ConvertOptions& options, const graph::ConvertResult& result, double seconds);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_COMMANDS_SUMMARY_H_
