// What is said after a conversion.
#ifndef QUANTPRESS_TOOLS_COMMANDS_SUMMARY_H_
#define QUANTPRESS_TOOLS_COMMANDS_SUMMARY_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "graph/convert.h"
#include "tools/terminal/messages.h"

namespace quantpress::tools {

// Notes about the model and about every layer that did not get what was asked. Layers with the same reason share a
// note; without `all` long lists are cut, and the last note says so.
std::vector<std::string> ConversionNotes(const std::vector<std::string>& notes, const dispatch::Plan& plan, bool all);

// Says them. For programs every layer gets a message of its own, in full.
void PrintNotes(const Messages& messages, const std::vector<std::string>& notes, const dispatch::Plan& plan, const About& about = {});

// One line per weight, under a heading and with totals: type, shape, how it will be stored, bytes, reason. Without error figures.
std::string PlanTable(const dispatch::Plan& plan);

// One line per weight: name, how it is stored, bytes, error, reason.
void PrintLayers(const Messages& messages, const graph::ConvertResult& result);

// Layers, bits, bytes before and after, worst layer, time.
std::string SummaryText(const graph::ConvertOptions& options, const graph::ConvertResult& result, double seconds);
// The same for programs.
nlohmann::ordered_json SummaryFields(const graph::ConvertOptions& options, const graph::ConvertResult& result, double seconds);
nlohmann::ordered_json PlanFields(const dispatch::Plan& plan);

// What a dump, or a model made from one, wrote.
std::string FilesText(const std::string& path, const graph::ConvertResult& result, double seconds);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_COMMANDS_SUMMARY_H_
