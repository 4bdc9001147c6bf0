#include "tools/terminal/messages.h"

#include <unistd.h>

#include <cstdint>
#include <cstdlib>

#include "fmt/format.h"
#include "tools/terminal/standard_streams.h"

namespace quantpress::tools {
namespace {

// Length of the well-formed UTF-8 sequence of a printable character at the start of `text`, or 0.
size_t PrintableLength(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return first >= 0x20 && first != 0x7f ? 1 : 0;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc2 ? 2 : 0;
  if (length == 0 || first > 0xf4 || text.size() < length) return 0;
  uint32_t code = first & (0x7fu >> length);
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3f);
  }
  // C1 controls, overlong forms, surrogates, beyond Unicode; marks that turn the direction of text.
  if (code < 0xa0 || (length == 3 && code < 0x800) || (length == 4 && (code < 0x10000 || code > 0x10ffff))) return 0;
  if ((code >= 0xd800 && code < 0xe000) || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069)) {
    return 0;
  }
  return length;
}

bool HasText(const char* variable) {
  const char* value = std::getenv(variable);
  return value != nullptr && *value != '\0';
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    if (const size_t length = text[0] == '\n' ? 1 : PrintableLength(text); length > 0) {
      out += text.substr(0, length);
      text.remove_prefix(length);
    } else {
      out += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[0]));
      text.remove_prefix(1);
    }
  }
  return out;
}

Messages::Messages() {
  const char* term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  is_terminal_ = isatty(STDERR_FILENO) == 1 && !dumb;
  colours_ = is_terminal_ && !HasText("NO_COLOR");
}

void Messages::Print(std::string_view kind, std::string_view colour, std::string_view text) const {
  const std::string safe = Printable(text);
  if (colours_) {
    WriteStandardError(fmt::format("quantpress: \x1b[{}m{}:\x1b[0m {}\n", colour, kind, safe));
  } else {
    WriteStandardError(fmt::format("quantpress: {}: {}\n", kind, safe));
  }
}

void Messages::Error(std::string_view text) const { Print("error", "1;31", text); }

void Messages::Warning(std::string_view text) const { Print("warning", "1;33", text); }

void Messages::Note(std::string_view text) const {
  if (verbosity_ != Verbosity::kQuiet) Print("note", "36", text);
}

void Messages::Plain(std::string_view text) const {
  if (verbosity_ != Verbosity::kQuiet) WriteStandardError(Printable(text) + "\n");
}

}  // namespace quantpress::tools
