// Everything that is printed from the table of options.
#ifndef QUANTPRESS_TOOLS_OPTIONS_TEXTS_H_
#define QUANTPRESS_TOOLS_OPTIONS_TEXTS_H_

#include <string>
#include <string_view>

#include "tools/options/option.h"

namespace quantpress::tools {

// The commands, one line each.
std::string OverviewText();

// Help of one command. `program` is what was called: "quantpress convert", "MNNConvert". Without `all` one line for
// each option that matters most; with it every option, grouped.
std::string HelpText(const Command& command, std::string_view program, bool all);

// roff source of quantpress(1).
std::string ManPage();

// docs/options.md.
std::string MarkdownTable();

std::string BashCompletion();
std::string ZshCompletion();
std::string FishCompletion();

// Documents list an option of several commands that convert in all its forms under `convert` only: SharedOptionsNote says so.
bool IsListed(const Option& option, const Command& command);
std::string_view SharedOptionsNote(const Command& command);

// "-f, --framework=FORMAT", "--weightQuantAsymmetric[=0|1]"
std::string OptionSyntax(const Option& option);

// `text` with default and state: "bits per weight; 0: off [0]", "(not built yet) ...".
std::string WithDefault(const Option& option, std::string_view text);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_OPTIONS_TEXTS_H_
