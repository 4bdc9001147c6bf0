// One writer for each format of a report.
#ifndef QUANTPRESS_GRAPH_REPORT_WRITERS_H_
#define QUANTPRESS_GRAPH_REPORT_WRITERS_H_

#include <string>

#include "graph/report/report.h"

namespace quantpress::graph {

enum class JsonStyle : uint8_t {
  kFile,    // indented, for people and tools
  kInPage,  // one line of ASCII without < > &, so that it can stand inside <script>
};

std::string JsonReport(const Report& report, JsonStyle style);
std::string MarkdownReport(const Report& report);
std::string HtmlReport(const Report& report);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_REPORT_WRITERS_H_
