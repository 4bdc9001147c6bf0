#include "fmt/format.h"
#include "graph/version.h"
#include "tools/options/texts.h"
#include "tools/options/values.h"

namespace quantpress::tools {
namespace {

// Text that roff prints as it is.
std::string Escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else if (c == '\'' || c == '`') {
      out += c == '\'' ? "\\(aq" : "\\(ga";
    } else {
      out += c;
    }
  }
  return out;
}

void AppendOption(const Option& option, std::string* out) {
  *out += ".TP\n\\fB";
  if (option.short_name) *out += fmt::format("\\-{}\\fR, \\fB", option.short_name);
  *out += fmt::format("\\-\\-{}\\fR", Escape(option.name));
  if (option.kind != Kind::kFlag) {
    *out += fmt::format(" \\fI{}\\fR", Escape(option.value_name));
  } else if (!option.default_value.empty()) {
    *out += " \\fI0|1\\fR";
  }
  *out += fmt::format("\n{}", Escape(WithDefault(option, option.help)));
  if (option.kind == Kind::kInt || option.kind == Kind::kChoice) {
    *out += Escape(fmt::format(". Accepted: {}", DescribeAccepted(option)));
  }
  *out += ".\n";
}

void AppendText(std::string_view text, std::string* out) { *out += Escape(text); }

}  // namespace

std::string ManPage() {
  std::string out = fmt::format(".TH QUANTPRESS 1 \"\" \"quantpress {}\" \"User commands\"\n", graph::Version());
  out += ".SH NAME\nquantpress \\- convert models to MNN and quantize their weights\n.SH SYNOPSIS\n";
  for (const Command& command : AllCommands()) {
    if (command.hidden) continue;
    out += fmt::format("\\fBquantpress {}\\fR [\\fIoptions\\fR] {}\n.br\n", command.name, Escape(command.words));
  }
  out += "\\fBMNNConvert\\fR [\\fIoptions\\fR]\n.SH COMMANDS\n";
  for (const Command& command : AllCommands()) {
    if (!command.hidden) out += fmt::format(".TP\n\\fB{}\\fR\n{}.\n", command.name, Escape(command.summary));
  }
  out += ".PP\nCalled under the name MNNConvert the program is \\fBquantpress convert\\fR.\n";
  for (const Command& command : AllCommands()) {
    if (command.hidden || command.bit == kHelp || command.bit == kVersion) continue;
    out += fmt::format(".SH OPTIONS OF {}\n", command.name);
    if (const std::string_view more = SharedOptionsNote(command); !more.empty()) {
      out += fmt::format(".PP\n{}\n", Escape(more));
    }
    const Option* last = nullptr;
    for (const Option& option : AllOptions()) {
      if (!IsListed(option, command)) continue;
      if (command.bit == kConvert && (!last || last->group != option.group)) {
        out += fmt::format(".SS {}\n", GroupTitle(option.group));
      }
      AppendOption(option, &out);
      last = &option;
    }
  }
  out += ".SH COMMAND LINE\n";
  AppendText(
      "Values follow after a space or after =. Options that are on or off stand alone or take 1, true, 0 or false. "
      "Where "
      "an option is repeated the last value counts, and a note says so. Unknown options, unexpected words and values "
      "out of range are errors. Options of MNNConvert that are not built yet are refused, not ignored.\n",
      &out);
  out += ".SH OUTPUT\n";
  AppendText(
      "Messages, the summary and the progress line go to standard error; data goes to standard output. Called as "
      "MNNConvert the program ends a conversion with the line \"Converted Success!\" on standard output, which scripts "
      "around the stock tool look for.\n",
      &out);
  out += ".SH EXIT STATUS\n";
  const char* const statuses[][2] = {
      {"0", "The output is complete, was verified, and is what the options say."},
      {"1", "An error; one message on standard error. What was at the output path before is still there."},
      {"2", "The command line is wrong."},
      {"129, 130, 143", "Cancelled by SIGHUP, SIGINT or SIGTERM; as 1."}};
  for (const auto& [status, meaning] : statuses) out += fmt::format(".TP\n{}\n{}\n", status, Escape(meaning));
  out += ".SH ENVIRONMENT\n";
  const char* const variables[][2] = {{"QUANTPRESS_ISA", "Instruction set, as with \\-\\-isa."},
                                      {"NO_COLOR", "Where set and not empty, no colours."}};
  for (const auto& [name, meaning] : variables) out += fmt::format(".TP\n.B {}\n{}\n", name, meaning);
  out += ".SH EXAMPLES\n.nf\n";
  AppendText(
      "quantpress convert -f ONNX --modelFile m.onnx --MNNModel m8.mnn --weightQuantBits 8\n"
      "MNNConvert --modelFile m.mnn --MNNModel m4.mnn --weightQuantBits 4 --hqq --weightQuantBlock 64\n"
      "quantpress inspect m4.mnn\n",
      &out);
  out += ".fi\n";
  return out;
}

}  // namespace quantpress::tools
