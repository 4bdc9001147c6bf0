#include "fmt/format.h"
#include "tools/options/texts.h"
#include "tools/options/values.h"

namespace quantpress::tools {
namespace {

std::string_view StateText(State state) {
  switch (state) {
    case State::kBuilt:
      return "";
    case State::kNoEffect:
      return "no effect";
    case State::kNotBuilt:
      return "not built yet";
    case State::kRefused:
      return "refused";
  }
  return {};
}

// A bar would end the cell of a table, and what looks like a tag would vanish.
std::string Cell(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '|' || c == '<') out += '\\';
    out += c;
  }
  return out;
}

void AppendOptions(const Command& command, std::string* out) {
  const Option* last = nullptr;
  for (const Option& option : AllOptions()) {
    if (!IsListed(option, command)) continue;
    if (!last || last->group != option.group) {
      if (command.bit == kConvert) *out += fmt::format("\n### {}\n", GroupTitle(option.group));
      if (command.bit == kConvert || !last)
        *out += "\n| option | default | accepted | | meaning |\n|---|---|---|---|---|\n";
    }
    *out += fmt::format("| `{}` | {} | {} | {} | {} |\n", Cell(OptionSyntax(option)), option.default_value,
                        DescribeAccepted(option), StateText(option.state), Cell(option.help));
    last = &option;
  }
}

}  // namespace

std::string MarkdownTable() {
  std::string out =
      "# Options\n\nPrinted by `quantpress generate markdown` from the table in `tools/options/table.cc`.\n";
  for (const Command& command : AllCommands()) {
    if (command.hidden || command.bit == kHelp || command.bit == kVersion) continue;
    out += fmt::format("\n## quantpress {}{}{}\n\n{}\n", command.name, command.words.empty() ? "" : " ", command.words,
                       command.summary);
    if (const std::string_view more = SharedOptionsNote(command); !more.empty()) out += fmt::format("\n{}\n", more);
    AppendOptions(command, &out);
  }
  return out;
}

}  // namespace quantpress::tools
