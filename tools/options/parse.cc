#include "tools/options/parse.h"

#include <algorithm>
#include <charconv>
#include <cxxopts.hpp>
#include <exception>
#include <new>

#include "tools/options/suggest.h"
#include "tools/options/values.h"

namespace quantpress::tools {
namespace {

// An option as it was typed: the option, and the value that is part of the same word.
struct Typed {
  const Option* option = nullptr;
  std::string_view value;
  bool has_value = false;
};

// `word` starts with "-" and is longer than that.
Typed ReadOptionWord(std::string_view word, unsigned command) {
  Typed typed;
  if (word.starts_with("--")) {
    const size_t equals = word.find('=');
    typed.has_value = equals != std::string_view::npos;
    if (typed.has_value) typed.value = word.substr(equals + 1);
    typed.option = FindOption(word.substr(2, equals - 2), command);
  } else {
    typed.option = FindShortOption(word[1], command);
    typed.has_value = word.size() > 2;
    if (typed.has_value) typed.value = word.substr(word[2] == '=' ? 3 : 2);
    // "-vx" is no flag with a value.
    if (typed.option && typed.option->kind == Kind::kFlag && typed.has_value && word[2] != '=') typed.option = nullptr;
  }
  return typed;
}

bool LooksLikeOption(std::string_view word) { return word.size() > 1 && word[0] == '-'; }

// Whether the next word is the next option, so that the value is missing.
bool IsOptionName(std::string_view word) {
  if (!LooksLikeOption(word)) return false;
  return word.starts_with("--") || (word.size() == 2 && FindShortOption(word[1], kEveryCommand) != nullptr);
}

// Step one: every option as a pair of name and value, so that nothing is left to guess.
Status SplitLine(std::span<const std::string> arguments, const Command& command,
                 std::vector<std::pair<const Option*, std::string>>* pairs, std::vector<std::string>* words) {
  bool options_ended = false;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if (options_ended || !LooksLikeOption(word)) {
      words->push_back(word);
      continue;
    }
    if (word == "--") {
      options_ended = true;
      continue;
    }
    const Typed typed = ReadOptionWord(word, command.bit);
    if (!typed.option) return UnknownOption(word, command);
    const bool has_next = i + 1 < arguments.size();
    std::string value(typed.value);
    if (!typed.has_value && typed.option->kind == Kind::kFlag) {
      // Where words are expected, the next one belongs to the command and not to the flag.
      const bool takes_next = has_next && command.max_words == 0 && BoolWord(arguments[i + 1]);
      value = takes_next ? arguments[++i] : "1";
    } else if (!typed.has_value) {
      if (!has_next || IsOptionName(arguments[i + 1])) {
        return InvalidInput("--{} needs a value: {}", typed.option->name, DescribeAccepted(*typed.option));
      }
      value = arguments[++i];
    }
    if (value.empty())
      return InvalidInput("--{}: the value is empty; expected {}", typed.option->name, DescribeAccepted(*typed.option));
    pairs->emplace_back(typed.option, std::move(value));
  }
  return absl::OkStatus();
}

// Step two: the canonical line goes through cxxopts with options from the table.
StatusOr<std::vector<std::pair<const Option*, std::string>>> RunParser(
    const std::vector<std::pair<const Option*, std::string>>& pairs, const Command& command) {
  try {
    cxxopts::Options parser("quantpress");
    auto add = parser.add_options();
    for (const Option& option : AllOptions()) {
      if ((option.commands & command.bit) != 0) add(std::string(option.name), "", cxxopts::value<std::string>());
    }
    // Name and value stay separate words: cxxopts matches a word against a regular expression, whose depth grows with
    // the word's length.
    std::vector<std::string> line = {"quantpress"};
    for (const auto& [option, value] : pairs) {
      line.push_back("--" + std::string(option->name));
      line.push_back(value);
    }
    std::vector<const char*> pointers;
    for (const std::string& word : line) pointers.push_back(word.c_str());
    const auto result = parser.parse(static_cast<int>(pointers.size()), pointers.data());
    std::vector<std::pair<const Option*, std::string>> parsed;
    for (const auto& argument : result.arguments()) {
      parsed.emplace_back(FindOption(argument.key(), command.bit), argument.value());
    }
    return parsed;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    return InvalidInput("{}", error.what());
  }
}

Status CheckState(const Option& option, const std::string& value, ParsedLine* line) {
  if (option.state == State::kNoEffect && value != "0") {
    line->notes.push_back(fmt::format("--{} has no effect{}{}", option.name, option.reason.empty() ? "" : ": ", option.reason));
  }
  const bool refused = option.state == State::kNotBuilt || option.state == State::kRefused;
  if (refused && (option.inert.empty() || value != option.inert)) {
    const std::string allowed =
        option.inert.empty() ? "" : fmt::format(" (--{}={} is accepted)", option.name, option.inert);
    if (option.state == State::kRefused) return Unsupported("--{}: {}; leave it out{}", option.name, option.reason, allowed);
    return Unsupported("--{} is not built yet; leave it out{}", option.name, allowed);
  }
  return absl::OkStatus();
}

template <typename T>
T ToNumber(const std::string& text) {
  T value{};
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

bool ParsedLine::Given(std::string_view name) const {
  return std::any_of(values_.begin(), values_.end(), [&](const auto& v) { return v.first->name == name; });
}

std::string ParsedLine::Text(std::string_view name) const {
  for (const auto& [option, value] : values_) {
    if (option->name == name) return value;
  }
  const Option* option = FindOption(name, command->bit);
  if (!option || option->default_value.empty()) return {};
  return CheckValue(*option, option->default_value).value_or(std::string());
}

std::vector<std::string> ParsedLine::All(std::string_view name) const {
  std::vector<std::string> all;
  for (const auto& [option, value] : values_) {
    if (option->name == name) all.push_back(value);
  }
  return all;
}

std::vector<const Option*> ParsedLine::GivenOptions() const {
  std::vector<const Option*> given;
  for (const auto& [option, value] : values_) {
    if (given.empty() || std::find(given.begin(), given.end(), option) == given.end()) given.push_back(option);
  }
  return given;
}

int64_t ParsedLine::Int(std::string_view name) const { return ToNumber<int64_t>(Text(name)); }
uint64_t ParsedLine::Size(std::string_view name) const { return ToNumber<uint64_t>(Text(name)); }

bool ParsedLine::Set(const Option& option, std::string value) {
  for (auto& [known, old] : values_) {
    if (known == &option && !option.repeats) {
      old = std::move(value);
      return false;
    }
  }
  values_.emplace_back(&option, std::move(value));
  return true;
}

StatusOr<ParsedLine> ParseLine(std::span<const std::string> arguments, const Command& command) {
  ParsedLine line;
  line.command = &command;
  std::vector<std::pair<const Option*, std::string>> pairs;
  QP_RETURN_IF_ERROR(SplitLine(arguments, command, &pairs, &line.words));
  QP_ASSIGN_OR_RETURN(const auto typed, RunParser(pairs, command));
  std::vector<const Option*> repeated;
  for (const auto& [option, text] : typed) {
    QP_ASSIGN_OR_RETURN(std::string value, CheckValue(*option, text));
    QP_RETURN_IF_ERROR(CheckState(*option, value, &line));
    if (!line.Set(*option, std::move(value)) && std::find(repeated.begin(), repeated.end(), option) == repeated.end()) {
      repeated.push_back(option);
    }
  }
  for (const Option* option : repeated) {
    line.notes.push_back(fmt::format("--{} was given more than once; the last value, {}, counts", option->name,
                                     line.Text(option->name)));
  }
  if (line.Flag("help") || line.Flag("help-all") || line.Flag("version")) return line;
  const int count = static_cast<int>(line.words.size());
  if (count > command.max_words) {
    return InvalidInput("unexpected word \"{}\"; {} takes {}", line.words[static_cast<size_t>(command.max_words)],
                        command.name, command.max_words == 0 ? "options only" : command.words);
  }
  if (count < command.min_words) return InvalidInput("{} needs {}", command.name, command.words);
  return line;
}

Status UnknownOption(std::string_view typed, const Command& command) {
  const std::string_view shown = typed.substr(0, typed.find('='));
  const std::string_view name = shown.substr(std::min(shown.find_first_not_of('-'), shown.size()));
  if (shown.starts_with("--") && FindOption(name, kEveryCommand)) {
    std::string owners;
    for (const Command& other : AllCommands()) {
      if (FindOption(name, other.bit)) owners += (owners.empty() ? "" : ", ") + std::string(other.name);
    }
    return InvalidInput("--{} is not an option of {}; it belongs to {}", name, command.name, owners);
  }
  std::vector<std::string_view> names;
  for (const Option& option : AllOptions()) {
    if ((option.commands & command.bit) != 0) names.push_back(option.name);
  }
  const std::string_view nearest = Nearest(name, names);
  if (nearest.empty()) return InvalidInput("unknown option {}", shown);
  return InvalidInput("unknown option {}; did you mean --{}?", shown, nearest);
}

Status UnknownCommand(std::string_view typed) {
  std::vector<std::string_view> names;
  for (const Command& command : AllCommands()) {
    if (!command.hidden) names.push_back(command.name);
  }
  const std::string_view nearest = Nearest(typed, names);
  if (nearest.empty()) return InvalidInput("unknown command \"{}\"; `quantpress help` lists them", typed);
  return InvalidInput("unknown command \"{}\"; did you mean {}?", typed, nearest);
}

}  // namespace quantpress::tools
