// What the table of options is made of. The parser, both help texts, the manual page and the shell completions all come
// from it.
#ifndef QUANTPRESS_TOOLS_OPTIONS_OPTION_H_
#define QUANTPRESS_TOOLS_OPTIONS_OPTION_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace quantpress::tools {

enum class Kind : uint8_t {
  kFlag,    // on or off: bare, 1, true, 0, false
  kInt,     // whole number; `accepted` lists ranges
  kNumber,  // decimal number
  kChoice,  // one of `accepted`, in upper or lower case
  kSize,    // bytes: a whole number with K, M or G
  kText,
  kPath,
};

enum class Group : uint8_t { kFiles, kQuantization, kGraph, kRun, kMessages, kCompatibility };

enum class State : uint8_t {
  kBuilt,
  kNoEffect,  // accepted; `reason` says why it has none, or it has none in the stock tool either
  kNotBuilt,  // refused, unless the value asks for what happens anyway
  kRefused,   // the same for good; `reason` says why
};

// What a shell offers after the option.
enum class Hint : uint8_t { kNone, kFile, kDirectory };

// Commands, as bits of Option::commands.
inline constexpr unsigned kConvert = 1u << 0;
inline constexpr unsigned kInspect = 1u << 1;
inline constexpr unsigned kCpu = 1u << 2;
inline constexpr unsigned kOps = 1u << 3;
inline constexpr unsigned kVersion = 1u << 4;
inline constexpr unsigned kHelp = 1u << 5;
inline constexpr unsigned kGenerate = 1u << 6;
inline constexpr unsigned kPlan = 1u << 7;
inline constexpr unsigned kBatch = 1u << 8;
inline constexpr unsigned kVerify = 1u << 9;
inline constexpr unsigned kEveryCommand = (1u << 10) - 1;

struct Option {
  std::string_view name;
  char short_name = 0;
  Kind kind = Kind::kFlag;
  std::string_view value_name = {};     // "FILE"
  std::string_view default_value = {};  // in the form that is typed; empty: none
  // kInt: "0|2..8", "-1|1.."; kChoice: "a|b|c"
  std::string_view accepted = {};
  Group group = Group::kFiles;
  unsigned commands = 0;
  State state = State::kBuilt;
  bool repeats = false;         // may be given more than once; every value counts
  std::string_view inert = {};  // kNotBuilt, kRefused: the value that asks for what happens anyway; empty: none
  std::string_view reason = {};  // kNoEffect, kRefused: behind the name of the option and a colon
  Hint hint = Hint::kNone;
  std::string_view brief = {};  // one line of the short help; empty: only in the long one
  std::string_view help;
};

struct Command {
  std::string_view name;
  unsigned bit = 0;
  std::string_view words = {};  // words that are not options: "FILE"; empty: none
  int min_words = 0;
  int max_words = 0;
  std::string_view summary;
  bool hidden = false;
};

// In the order of the help text: grouped.
std::span<const Option> AllOptions();
std::span<const Command> AllCommands();

// Null if there is none.
const Option* FindOption(std::string_view name, unsigned command);
const Option* FindShortOption(char name, unsigned command);
const Command* FindCommand(std::string_view name);

std::string_view GroupTitle(Group group);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_OPTIONS_OPTION_H_
