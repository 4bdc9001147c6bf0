#include "graph/json/parse_events.h"

#include <algorithm>
#include <cstdint>

namespace quantpress::graph::json {

namespace {
constexpr size_t kMostShown = 60;
}  // namespace

std::string Cut(std::string text) {
  if (text.size() <= kMostShown) return text;
  text.resize(kMostShown);
  while (!text.empty() && (static_cast<uint8_t>(text.back()) & 0xC0) == 0x80) text.pop_back();
  if (!text.empty() && static_cast<uint8_t>(text.back()) >= 0xC0) text.pop_back();
  return text + "...";
}

std::string NotJson(const std::exception& error) {
  std::string text = error.what();
  const size_t column = text.find("column ");
  const size_t colon = text.find(": ", column == std::string::npos ? 0 : column);
  if (colon != std::string::npos) text = text.substr(colon + 2);
  text.resize(std::min<size_t>(text.size(), 200));
  return "not valid JSON: " + text;
}

}  // namespace quantpress::graph::json
