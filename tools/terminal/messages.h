// What the program says to people, on standard error.
#ifndef QUANTPRESS_TOOLS_TERMINAL_MESSAGES_H_
#define QUANTPRESS_TOOLS_TERMINAL_MESSAGES_H_

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace quantpress::tools {

enum class Verbosity { kQuiet, kNormal, kVerbose };

// Text from a file made safe for a terminal: control characters and bytes that are not UTF-8 appear as \xNN. Newlines
// stay.
std::string Printable(std::string_view text);

enum class LogFormat { kText, kJson };

// What a message is about, where that is known: parts of an object of --log-format json. Text has it in its words.
struct About {
  std::string_view file = {};
  std::string_view layer = {};
};

class Messages {
 public:
  // Looks at the terminal and at NO_COLOR.
  Messages();
  ~Messages();
  Messages(const Messages&) = delete;
  Messages& operator=(const Messages&) = delete;

  void set_verbosity(Verbosity verbosity) { verbosity_ = verbosity; }
  Verbosity verbosity() const { return verbosity_; }
  bool verbose() const { return verbosity_ == Verbosity::kVerbose; }
  // False for JSON too: no colours, no line of progress.
  bool is_terminal() const { return is_terminal_; }

  // JSON: one object per line for each message: {"level":"error","message":"...","file":"...","layer":"..."}.
  void set_format(LogFormat format);
  bool json() const { return summary_ != nullptr; }
  // The file that all messages without another one are about.
  void set_file(std::string file) { file_ = std::move(file); }

  // "quantpress: error: text". Also where quiet.
  void Error(std::string_view text, const About& about = {}) const;
  void Warning(std::string_view text, const About& about = {}) const;
  // Not where quiet.
  void Note(std::string_view text, const About& about = {}) const;
  // As it is, a newline is added. Not where quiet. JSON: level "info".
  void Plain(std::string_view text, const About& about = {}) const;

  // JSON only: a message with more fields; `fields` is an object. Not where quiet unless it is an error.
  void Fields(std::string_view level, const nlohmann::ordered_json& fields) const;
  // JSON only: fields of the object that is printed last.
  void AddToSummary(const nlohmann::ordered_json& fields) const;
  // JSON only: prints it, with level "summary". Not where quiet.
  void PrintSummary(std::string_view command, int exit_code) const;

 private:
  void Print(std::string_view kind, std::string_view colour, std::string_view text, const About& about) const;
  void PrintJson(std::string_view level, std::string_view text, const About& about) const;

  Verbosity verbosity_ = Verbosity::kNormal;
  bool is_terminal_ = false;
  bool colours_ = false;
  std::string file_;
  std::unique_ptr<nlohmann::ordered_json> summary_;  // null: text
};

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_TERMINAL_MESSAGES_H_
