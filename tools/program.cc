#include "tools/program.h"

#include <algorithm>
#include <exception>
#include <new>
#include <span>

#include "tools/commands/commands.h"
#include "tools/options/texts.h"
#include "tools/terminal/standard_streams.h"

namespace quantpress::tools {
namespace {

bool IsMnnConvert(const std::string& called) {
  std::string name = called.substr(called.rfind('/') + 1);
  std::transform(name.begin(), name.end(), name.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c; });
  return name == "mnnconvert";
}

// Options of resources and messages may stand in front of the command: moves the command to the front.
StatusOr<std::vector<std::string>> CommandFirst(const std::vector<std::string>& arguments) {
  const Command& convert = *FindCommand("convert");
  size_t i = 0;
  while (i < arguments.size() && arguments[i].starts_with('-')) {
    const std::string& word = arguments[i++];
    const size_t equals = word.find('=');
    const Option* option = word.starts_with("--")
                               ? FindOption(std::string_view(word).substr(2, equals - 2), kEveryCommand)
                           : word.size() == 2 ? FindShortOption(word[1], kEveryCommand)
                                              : nullptr;
    if (!option) return UnknownOption(word, convert);
    if (option->group != Group::kRun && option->group != Group::kMessages) {
      return InvalidInput("--{} must follow a command: quantpress convert {} ...", option->name, word);
    }
    if (option->kind != Kind::kFlag && equals == std::string::npos) ++i;
  }
  if (i >= arguments.size()) return InvalidInput("no command; `quantpress help` lists them");
  std::vector<std::string> moved = {arguments[i]};
  moved.insert(moved.end(), arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(i));
  moved.insert(moved.end(), arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1, arguments.end());
  return moved;
}

int RunHelp(const Context& context) {
  if (context.line.words.empty()) return PrintData(context, OverviewText());
  const Command* command = FindCommand(context.line.words[0]);
  if (!command) return FailUsage(context, UnknownCommand(context.line.words[0]));
  return PrintData(context, HelpText(*command, fmt::format("quantpress {}", command->name), true));
}

int RunGenerate(const Context& context) {
  const std::string& form = context.line.words[0];
  if (form == "man") return PrintData(context, ManPage());
  if (form == "markdown") return PrintData(context, MarkdownTable());
  if (form == "bash") return PrintData(context, BashCompletion());
  if (form == "zsh") return PrintData(context, ZshCompletion());
  if (form == "fish") return PrintData(context, FishCompletion());
  return FailUsage(context, InvalidInput("\"{}\" is not accepted; expected {}", form, context.line.command->words));
}

int RunCommand(const Context& context) {
  const ParsedLine& line = context.line;
  if (line.Flag("help") || line.Flag("help-all")) {
    return PrintData(context, HelpText(*line.command, context.Program(), line.Flag("help-all")));
  }
  if (line.Flag("version")) return RunVersion(context);
  switch (line.command->bit) {
    case kConvert:
      return RunConvert(context);
    case kPlan:
      return RunPlan(context);
    case kBatch:
      return RunBatch(context);
    case kInspect:
      return RunInspect(context);
    case kVerify:
      return RunVerify(context);
    case kOps:
      return RunOps(context);
    case kCpu:
      return RunCpu(context);
    case kVersion:
      return RunVersion(context);
    case kHelp:
      return RunHelp(context);
    default:
      return RunGenerate(context);
  }
}

// The last --log-format of the line, before it is checked: what is wrong with the line is a message too.
bool AsksForJson(const std::vector<std::string>& arguments) {
  std::string_view value;
  for (size_t i = 0; i < arguments.size() && arguments[i] != "--"; ++i) {
    if (arguments[i].starts_with("--log-format=")) value = std::string_view(arguments[i]).substr(13);
    if (arguments[i] == "--log-format" && i + 1 < arguments.size()) value = arguments[i + 1];
  }
  return value.size() == 4 && std::equal(value.begin(), value.end(), "json", [](char a, char b) { return (a | 0x20) == b; });
}

// The model or list that a command is about; empty: none.
std::string FileOf(const ParsedLine& line) {
  if (line.command->bit == kConvert) return line.Text(line.Given("modelFile") ? "modelFile" : "plan");
  const bool names_file = (line.command->bit & (kPlan | kBatch | kInspect)) != 0;
  return names_file && !line.words.empty() ? line.words[0] : std::string();
}

int Run(std::vector<std::string> arguments, Context& context) {
  if (context.as_mnnconvert) {
    arguments.insert(arguments.begin(), "convert");
  } else if (arguments.empty()) {
    context.messages.Error("no command; `quantpress help` lists them");
    return kExitUsage;
  } else if (arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "--help-all") {
    arguments[0] = "help";
  } else if (arguments[0] == "--version" || arguments[0] == "-v") {
    arguments[0] = "version";
  } else if (arguments[0].starts_with('-')) {
    StatusOr<std::vector<std::string>> moved = CommandFirst(arguments);
    if (!moved.ok()) {
      context.messages.Error(Message(moved.status()));
      return kExitUsage;
    }
    arguments = *std::move(moved);
  }
  const Command* command = FindCommand(arguments[0]);
  if (!command) {
    context.messages.Error(Message(UnknownCommand(arguments[0])));
    return kExitUsage;
  }
  context.line.command = command;
  StatusOr<ParsedLine> line = ParseLine(std::span(arguments).subspan(1), *command);
  if (!line.ok()) return FailUsage(context, line.status());
  context.line = *std::move(line);
  context.messages.set_file(FileOf(context.line));
  if (FindOption("quiet", command->bit)) {
    if (context.line.Flag("quiet") && context.line.Flag("verbose")) {
      return FailUsage(context, InvalidInput("--quiet and --verbose contradict each other"));
    }
    if (context.line.Flag("quiet")) context.messages.set_verbosity(Verbosity::kQuiet);
    if (context.line.Flag("verbose")) context.messages.set_verbosity(Verbosity::kVerbose);
  }
  return RunCommand(context);
}

// False, and a message, where `body` throws.
template <typename Body>
bool Guarded(const Messages& messages, const Body& body) {
  try {
    body();
    return true;
  } catch (const std::bad_alloc&) {
    // Without another allocation.
    WriteStandardError(messages.json() ? "{\"level\":\"error\",\"message\":\"out of memory\"}\n" : "quantpress: error: out of memory\n");
  } catch (const std::exception& error) {
    messages.Error(error.what());
  }
  return false;
}

}  // namespace

int RunProgram(const std::vector<std::string>& words) {
  Context context;
  context.as_mnnconvert = !words.empty() && IsMnnConvert(words[0]);
  const std::vector<std::string> arguments(words.begin() + (words.empty() ? 0 : 1), words.end());
  if (AsksForJson(arguments)) context.messages.set_format(LogFormat::kJson);
  int code = kExitError;
  Guarded(context.messages, [&] { code = Run(arguments, context); });
  const bool told = Guarded(context.messages, [&] {
    context.messages.PrintSummary(context.line.command != nullptr ? context.line.command->name : "", code);
  });
  return told ? code : kExitError;
}

}  // namespace quantpress::tools
