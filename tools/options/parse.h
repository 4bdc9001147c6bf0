// From the words of a command line to checked values.
#ifndef QUANTPRESS_TOOLS_OPTIONS_PARSE_H_
#define QUANTPRESS_TOOLS_OPTIONS_PARSE_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dispatch/status.h"
#include "tools/options/option.h"

namespace quantpress::tools {

// What was typed after a command. Every value has been checked against the table.
class ParsedLine {
 public:
  const Command* command = nullptr;
  std::vector<std::string> words;  // that are not options
  std::vector<std::string> notes;  // what the user should know about what was typed, one line each

  // `name` must be an option of the command.
  bool Given(std::string_view name) const;
  // The typed value, or else the default of the table.
  bool Flag(std::string_view name) const { return Text(name) == "1"; }
  int64_t Int(std::string_view name) const;
  uint64_t Size(std::string_view name) const;
  std::string Text(std::string_view name) const;
  // Every value of an option that repeats, in the order of the line.
  std::vector<std::string> All(std::string_view name) const;
  // Options that were given, each once.
  std::vector<const Option*> GivenOptions() const;

  // Replaces an earlier value of an option that does not repeat. Returns false if there was one.
  bool Set(const Option& option, std::string value);

 private:
  std::vector<std::pair<const Option*, std::string>> values_;
};

// Rules:
//   --name=value, --name value, -x value, -x=value, -xvalue. "--" ends the options.
//   Flags stand alone, with "=value", or, where the command takes no other words, are followed by 1, true, 0 or false.
//   Other options always need a value; it may start with "-" but may not be the name of an option.
//   The last of repeated options counts, and a note says so; of those that the table lets repeat, every one counts.
//   Options that are not built yet are refused, unless the value asks for what happens anyway.
// Errors: one line for the first thing that is wrong. With --help, --help-all or --version missing words are no error.
StatusOr<ParsedLine> ParseLine(std::span<const std::string> arguments, const Command& command);

// "unknown option --weightQuantBit for convert; did you mean --weightQuantBits?"
Status UnknownOption(std::string_view typed, const Command& command);
Status UnknownCommand(std::string_view typed);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_OPTIONS_PARSE_H_
