#include "tools/terminal/messages.h"

#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>

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

using Json = nlohmann::ordered_json;

// In one piece, so that lines of several threads and processes do not mix. What is no UTF-8 becomes U+FFFD.
void WriteLine(const Json& json) { WriteStandardError(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"); }

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

Messages::~Messages() = default;

void Messages::set_format(LogFormat format) {
  if (format == LogFormat::kText) return;
  summary_ = std::make_unique<Json>(Json::object());
  is_terminal_ = colours_ = false;
}

void Messages::Print(std::string_view kind, std::string_view colour, std::string_view text, const About& about) const {
  if (json()) return PrintJson(kind, text, about);
  const std::string safe = Printable(text);
  if (colours_) {
    WriteStandardError(fmt::format("quantpress: \x1b[{}m{}:\x1b[0m {}\n", colour, kind, safe));
  } else {
    WriteStandardError(fmt::format("quantpress: {}: {}\n", kind, safe));
  }
}

void Messages::PrintJson(std::string_view level, std::string_view text, const About& about) const {
  Json json = {{"level", level}, {"message", text}};
  if (const std::string_view file = about.file.empty() ? std::string_view(file_) : about.file; !file.empty()) json["file"] = file;
  if (!about.layer.empty()) json["layer"] = about.layer;
  WriteLine(json);
}

void Messages::Error(std::string_view text, const About& about) const { Print("error", "1;31", text, about); }

void Messages::Warning(std::string_view text, const About& about) const { Print("warning", "1;33", text, about); }

void Messages::Note(std::string_view text, const About& about) const {
  if (verbosity_ != Verbosity::kQuiet) Print("note", "36", text, about);
}

void Messages::Plain(std::string_view text, const About& about) const {
  if (verbosity_ == Verbosity::kQuiet) return;
  if (json()) return PrintJson("info", text, about);
  WriteStandardError(Printable(text) + "\n");
}

void Messages::Fields(std::string_view level, const Json& fields) const {
  if (!json() || (verbosity_ == Verbosity::kQuiet && level != "error")) return;
  Json json = {{"level", level}};
  json.update(fields);
  WriteLine(json);
}

void Messages::AddToSummary(const Json& fields) const {
  if (json()) summary_->update(fields);
}

void Messages::PrintSummary(std::string_view command, int exit_code) const {
  if (!json()) return;
  Json json = {{"command", command}, {"exit_code", exit_code}};
  json.update(*summary_);
  Fields("summary", json);
}

}  // namespace quantpress::tools
