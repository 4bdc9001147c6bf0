// The page is a template, a style sheet, scripts and the report as JSON. Scripts read the JSON and build everything with text
// nodes, so nothing that a model says is ever parsed as HTML.
#include "graph/report/assets.h"
#include "graph/report/writers.h"

namespace quantpress::graph {
namespace {

// Appends `page` with each placeholder replaced by its text; the text is not looked at again.
std::string Fill(std::string_view page, std::initializer_list<std::pair<std::string_view, std::string_view>> parts) {
  std::string out;
  for (const auto& [placeholder, text] : parts) {
    const size_t at = page.find(placeholder);
    if (at == std::string_view::npos) continue;
    out.append(page.substr(0, at)).append(text);
    page.remove_prefix(at + placeholder.size());
  }
  return out.append(page);
}

}  // namespace

std::string HtmlReport(const Report& report) {
  std::string scripts;
  for (const std::string_view script :
       {assets::FormatJs(), assets::SvgJs(), assets::SummaryJs(), assets::ChartsJs(), assets::DetailJs(), assets::TableJs(),
        assets::MainJs()}) {
    scripts.append(script);
  }
  return Fill(assets::PageHtml(), {{"/*STYLE*/", assets::StyleCss()},
                                   {"/*DATA*/", JsonReport(report, JsonStyle::kInPage)},
                                   {"/*SCRIPT*/", scripts}});
}

}  // namespace quantpress::graph
