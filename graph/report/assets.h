// The files of graph/report/html, embedded at build time (toolchains/cmake/EmbedFiles.cmake).
#ifndef QUANTPRESS_GRAPH_REPORT_ASSETS_H_
#define QUANTPRESS_GRAPH_REPORT_ASSETS_H_

#include <string_view>

namespace quantpress::graph::assets {

std::string_view PageHtml();
std::string_view StyleCss();
std::string_view FormatJs();
std::string_view SvgJs();
std::string_view SummaryJs();
std::string_view ChartsJs();
std::string_view DetailJs();
std::string_view TableJs();
std::string_view MainJs();

}  // namespace quantpress::graph::assets

#endif  // QUANTPRESS_GRAPH_REPORT_ASSETS_H_
