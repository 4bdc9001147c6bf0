#include <algorithm>

#include "fmt/format.h"
#include "tools/options/texts.h"

namespace quantpress::tools {
namespace {

constexpr size_t kWidth = 80;
constexpr size_t kHelpColumn = 32;

// `head` in the left column and `text` wrapped in the right one.
void AppendEntry(std::string_view head, std::string_view text, size_t column, std::string* out) {
  std::string line = fmt::format("  {}", head);
  if (line.size() + 2 > column) {
    *out += line + "\n";
    line.clear();
  }
  line.resize(column, ' ');
  bool line_is_empty = true;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, end);
    if (!line_is_empty && line.size() + 1 + word.size() > kWidth) {
      *out += line + "\n";
      line.assign(column, ' ');
      line_is_empty = true;
    }
    if (!line_is_empty) line += ' ';
    line += word;
    line_is_empty = false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  *out += line + "\n";
}

std::string_view Examples(const Command& command) {
  if (command.bit != kConvert) return {};
  return "\nExamples:\n"
         "  -f ONNX --modelFile m.onnx --MNNModel m8.mnn --weightQuantBits 8\n"
         "  --modelFile m.mnn --MNNModel m4.mnn --weightQuantBits 4 --weightQuantBlock 64 --hqq\n"
         "  --modelFile m.onnx --MNNModel half.mnn --fp16\n";
}

}  // namespace

bool IsListed(const Option& option, const Command& command) {
  const bool shared = !SharedOptionsNote(command).empty() && (option.commands & kConvert) != 0;
  return (option.commands & command.bit) != 0 && !shared;
}

std::string_view SharedOptionsNote(const Command& command) {
  if (command.bit == kPlan) return "All options of `convert` that decide what the output holds, --quiet, --verbose, --json, and:";
  if (command.bit == kBatch) return "All options of `convert` that decide what the output holds, as defaults for all models, those of resources and messages, and:";
  return {};
}

std::string OptionSyntax(const Option& option) {
  std::string text;
  if (option.short_name) text = fmt::format("-{}, ", option.short_name);
  text += fmt::format("--{}", option.name);
  if (option.kind != Kind::kFlag) return fmt::format("{} {}", text, option.value_name);
  // A flag that is on by default is of use only with a value.
  return option.default_value.empty() ? text : text + " 0|1";
}

std::string WithDefault(const Option& option, std::string_view help) {
  std::string text(help);
  if (!option.default_value.empty()) text += fmt::format(" [{}]", option.default_value);
  if (option.state == State::kRefused) text = "(refused) " + text;
  if (option.state == State::kNotBuilt) text = "(not built yet) " + text;
  return text;
}

std::string OverviewText() {
  std::string out =
      "quantpress: models to MNN, with 2 to 8 bit or half float weights\n\n"
      "Usage: quantpress COMMAND [OPTIONS]\n\nCommands:\n";
  for (const Command& command : AllCommands()) {
    if (!command.hidden) AppendEntry(fmt::format("{} {}", command.name, command.words), command.summary, 20, &out);
  }
  out +=
      "\n`quantpress COMMAND --help` explains a command, `quantpress convert --help-all` lists\n"
      "every option. Called as MNNConvert the program is `quantpress convert`.\n";
  return out;
}

std::string HelpText(const Command& command, std::string_view program, bool all) {
  std::string out = fmt::format("Usage: {} [OPTIONS]{}{}\n{}\n", program, command.words.empty() ? "" : " ",
                                command.words, command.summary);
  const Option* last = nullptr;
  for (const Option& option : AllOptions()) {
    if ((option.commands & command.bit) == 0 || (!all && option.brief.empty())) continue;
    if (!last) out += all ? "" : "\n";
    if (all && (!last || last->group != option.group)) out += fmt::format("\n{}:\n", GroupTitle(option.group));
    AppendEntry(OptionSyntax(option), WithDefault(option, all ? option.help : option.brief), kHelpColumn, &out);
    last = &option;
  }
  if (all) out += Examples(command);
  return out;
}

}  // namespace quantpress::tools
