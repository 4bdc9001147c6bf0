// What the program says to people, on standard error.
#ifndef QUANTPRESS_TOOLS_TERMINAL_MESSAGES_H_
#define QUANTPRESS_TOOLS_TERMINAL_MESSAGES_H_

#include <string>
#include <string_view>

namespace quantpress::tools {

enum class Verbosity { kQuiet, kNormal, kVerbose };

// Text from a file made safe for a terminal: control characters and bytes that are not UTF-8 appear as \xNN. Newlines
// stay.
std::string Printable(std::string_view text);

class Messages {
 public:
  // Looks at the terminal and at NO_COLOR.
  Messages();

  void set_verbosity(Verbosity verbosity) { verbosity_ = verbosity; }
  Verbosity verbosity() const { return verbosity_; }
  bool verbose() const { return verbosity_ == Verbosity::kVerbose; }
  bool is_terminal() const { return is_terminal_; }

  // "quantpress: error: text". Also where quiet.
  void Error(std::string_view text) const;
  void Warning(std::string_view text) const;
  // Not where quiet.
  void Note(std::string_view text) const;
  // As it is, a newline is added. Not where quiet.
  void Plain(std::string_view text) const;

 private:
  void Print(std::string_view kind, std::string_view colour, std::string_view text) const;

  Verbosity verbosity_ = Verbosity::kNormal;
  bool is_terminal_ = false;
  bool colours_ = false;
};

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_TERMINAL_MESSAGES_H_
