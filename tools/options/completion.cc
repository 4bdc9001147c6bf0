#include <vector>

#include "fmt/format.h"
#include "tools/options/texts.h"
#include "tools/options/values.h"

namespace quantpress::tools {
namespace {

std::string CommandNames() {
  std::string names;
  for (const Command& command : AllCommands()) {
    if (!command.hidden) names += (names.empty() ? "" : " ") + std::string(command.name);
  }
  return names;
}

// What is worth offering: not what would be refused.
bool Offered(const Option& option, const Command& command) {
  return (option.commands & command.bit) != 0 && option.state == State::kBuilt;
}

std::vector<std::string_view> Choices(const Option& option) {
  std::vector<std::string_view> choices;
  if (option.kind == Kind::kChoice) return SplitAccepted(option.accepted);
  if (option.kind == Kind::kFlag && !option.default_value.empty()) return {"0", "1"};
  if (option.name == "weightQuantBits") return {"0", "2", "3", "4", "5", "6", "7", "8"};
  if (option.name == "weightQuantScaleBit") return {"16", "32"};
  return choices;
}

std::string Join(const std::vector<std::string_view>& words) {
  std::string text;
  for (std::string_view word : words) text += (text.empty() ? "" : " ") + std::string(word);
  return text;
}

// Inside single quotes of zsh and fish; zsh also gives meaning to brackets and colons.
std::string Quotable(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\'') continue;
    out += c == '[' ? '(' : c == ']' ? ')' : c == ':' ? ',' : c;
  }
  return out;
}

}  // namespace

std::string BashCompletion() {
  std::string out =
      "# bash completion of quantpress and MNNConvert\n"
      "_quantpress() {\n"
      "  local word=\"${COMP_WORDS[COMP_CWORD]}\" previous=\"${COMP_WORDS[COMP_CWORD-1]}\" "
      "command=\"${COMP_WORDS[1]}\"\n"
      "  case \"${COMP_WORDS[0]##*/}\" in [Mm][Nn][Nn][Cc]onvert) command=convert ;; esac\n"
      "  if [ \"$previous\" = = ]; then previous=\"${COMP_WORDS[COMP_CWORD-2]}\"; fi\n"
      "  if [ \"$word\" = = ]; then word=; fi\n"
      "  COMPREPLY=()\n"
      "  case \"$previous\" in\n";
  for (const Option& option : AllOptions()) {
    if (option.state != State::kBuilt) continue;
    const std::string name =
        option.short_name ? fmt::format("-{}|--{}", option.short_name, option.name) : fmt::format("--{}", option.name);
    const auto choices = Choices(option);
    if (!choices.empty()) {
      out += fmt::format("    {}) COMPREPLY=($(compgen -W \"{}\" -- \"$word\")); return ;;\n", name, Join(choices));
    } else if (option.hint != Hint::kNone) {
      out += fmt::format("    {}) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return ;;\n",
                         name);
    } else if (option.kind != Kind::kFlag) {
      out += fmt::format("    {}) return ;;\n", name);
    }
  }
  out += "  esac\n  case \"$command\" in\n";
  for (const Command& command : AllCommands()) {
    if (command.hidden) continue;
    std::string options;
    for (const Option& option : AllOptions()) {
      if (Offered(option, command)) options += fmt::format("{}--{}", options.empty() ? "" : " ", option.name);
    }
    out += fmt::format("    {})\n      if [[ \"$word\" == -* ]]; then COMPREPLY=($(compgen -W \"{}\" -- \"$word\"))\n",
                       command.name, options);
    if (command.words.ends_with("FILE")) {
      out += "      else compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n";
    } else if (command.bit == kHelp) {
      out += fmt::format("      else COMPREPLY=($(compgen -W \"{}\" -- \"$word\"))\n", CommandNames());
    }
    out += "      fi ;;\n";
  }
  out += fmt::format(
      "    *) if [ \"$COMP_CWORD\" = 1 ]; then COMPREPLY=($(compgen -W \"{} --help --version\" -- \"$word\")); fi ;;\n",
      CommandNames());
  out += "  esac\n}\ncomplete -F _quantpress quantpress MNNConvert\n";
  return out;
}

std::string ZshCompletion() {
  std::string out =
      "#compdef quantpress MNNConvert\n"
      "# zsh completion of quantpress and MNNConvert\n"
      "_quantpress_command() {\n"
      "  case \"$1\" in\n";
  for (const Command& command : AllCommands()) {
    if (command.hidden) continue;
    out += fmt::format("    {})\n      _arguments -s", command.name);
    for (const Option& option : AllOptions()) {
      if (!Offered(option, command)) continue;
      out += fmt::format(" \\\n        '--{}{}[{}]", option.name, option.kind == Kind::kFlag ? "" : "=",
                         Quotable(option.help));
      const auto choices = Choices(option);
      if (option.kind != Kind::kFlag) {
        out += fmt::format(":{}:", option.value_name);
        out += !choices.empty() ? fmt::format("({})", Join(choices)) : option.hint != Hint::kNone ? "_files" : " ";
      }
      out += "'";
    }
    if (command.words.ends_with("FILE")) out += " \\\n        '*:file:_files'";
    if (command.bit == kHelp) out += fmt::format(" \\\n        '1:command:({})'", CommandNames());
    out += " ;;\n";
  }
  out +=
      "  esac\n}\n"
      "_quantpress() {\n"
      "  if [[ ${service:l} == mnnconvert ]]; then\n    _quantpress_command convert\n    return\n  fi\n"
      "  if (( CURRENT == 2 )); then\n    local -a commands=(\n";
  for (const Command& command : AllCommands()) {
    if (!command.hidden) out += fmt::format("      '{}:{}'\n", command.name, Quotable(command.summary));
  }
  out +=
      "    )\n    _describe command commands\n    return\n  fi\n"
      "  local command=$words[2]\n  shift words\n  (( CURRENT-- ))\n  _quantpress_command $command\n}\n"
      "_quantpress \"$@\"\n";
  return out;
}

std::string FishCompletion() {
  std::string out =
      "# fish completion of quantpress and MNNConvert\ncomplete -c quantpress -n __fish_use_subcommand -f\n";
  for (const Command& command : AllCommands()) {
    if (command.hidden) continue;
    out += fmt::format("complete -c quantpress -n __fish_use_subcommand -a {} -d '{}'\n", command.name,
                       Quotable(command.summary));
  }
  for (const Command& command : AllCommands()) {
    if (command.hidden) continue;
    for (const Option& option : AllOptions()) {
      if (!Offered(option, command)) continue;
      std::string rest = fmt::format("-l {}", option.name);
      if (option.short_name) rest += fmt::format(" -s {}", option.short_name);
      const auto choices = Choices(option);
      if (option.kind != Kind::kFlag) {
        rest += option.hint != Hint::kNone ? " -r -F" : " -x";
        if (!choices.empty()) rest += fmt::format(" -a '{}'", Join(choices));
      }
      rest += fmt::format(" -d '{}'\n", Quotable(option.help));
      out += fmt::format("complete -c quantpress -n '__fish_seen_subcommand_from {}' {}", command.name, rest);
      if (command.bit == kConvert) out += fmt::format("complete -c MNNConvert {}", rest);
    }
  }
  return out;
}

}  // namespace quantpress::tools
