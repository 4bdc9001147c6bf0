#include "tools/options/values.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <limits>
#include <system_error>

namespace quantpress::tools {
namespace {

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool EqualIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return Lower(x) == Lower(y); });
}

// Independent of the locale; the whole text must be the number.
template <typename T>
std::optional<T> ParseNumber(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "7", "2..8", "1.."
struct Range {
  int64_t low = std::numeric_limits<int64_t>::min();
  int64_t high = std::numeric_limits<int64_t>::max();
};

Range ParseRange(std::string_view text) {
  const size_t dots = text.find("..");
  Range range;
  if (dots == std::string_view::npos) {
    range.low = range.high = ParseNumber<int64_t>(text).value_or(0);
    return range;
  }
  range.low = ParseNumber<int64_t>(text.substr(0, dots)).value_or(range.low);
  range.high = ParseNumber<int64_t>(text.substr(dots + 2)).value_or(range.high);
  return range;
}

std::string JoinWithOr(const std::vector<std::string>& words) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    if (i > 0) text += i + 1 == words.size() ? " or " : ", ";
    text += words[i];
  }
  return text;
}

std::optional<std::string> Canonical(const Option& option, std::string_view text) {
  switch (option.kind) {
    case Kind::kFlag: {
      const auto word = BoolWord(text);
      return word ? std::optional<std::string>(*word) : std::nullopt;
    }
    case Kind::kInt: {
      const auto value = ParseNumber<int64_t>(text);
      if (!value) return std::nullopt;
      for (std::string_view piece : SplitAccepted(option.accepted)) {
        const Range range = ParseRange(piece);
        if (range.low <= *value && *value <= range.high) return std::to_string(*value);
      }
      return std::nullopt;
    }
    case Kind::kNumber: {
      const auto value = ParseNumber<double>(text);
      return value ? std::optional<std::string>(fmt::format("{}", *value)) : std::nullopt;
    }
    case Kind::kChoice:
      for (std::string_view choice : SplitAccepted(option.accepted)) {
        if (EqualIgnoringCase(choice, text)) return std::string(choice);
      }
      return std::nullopt;
    case Kind::kSize: {
      // 512M, 512MB and 512MiB are the same.
      size_t digits = 0;
      while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') ++digits;
      const auto value = ParseNumber<uint64_t>(text.substr(0, digits));
      std::string suffix;
      for (char c : text.substr(digits)) suffix += Lower(c);
      int shift = 0;
      if (!suffix.empty() && suffix != "b") {
        const size_t place = std::string_view("kmgt").find(suffix[0]);
        const std::string_view rest = std::string_view(suffix).substr(1);
        if (place == std::string_view::npos || (!rest.empty() && rest != "b" && rest != "ib")) return std::nullopt;
        shift = 10 * (static_cast<int>(place) + 1);
      }
      if (!value || *value == 0 || *value > (uint64_t{1} << 62) >> shift) return std::nullopt;
      return std::to_string(*value << shift);
    }
    case Kind::kText:
    case Kind::kPath:
      return text.empty() ? std::nullopt : std::optional<std::string>(text);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string_view> BoolWord(std::string_view text) {
  if (text == "1" || EqualIgnoringCase(text, "true")) return "1";
  if (text == "0" || EqualIgnoringCase(text, "false")) return "0";
  return std::nullopt;
}

std::vector<std::string_view> SplitAccepted(std::string_view accepted) {
  std::vector<std::string_view> pieces;
  while (!accepted.empty()) {
    const size_t bar = accepted.find('|');
    pieces.push_back(accepted.substr(0, bar));
    accepted = bar == std::string_view::npos ? std::string_view() : accepted.substr(bar + 1);
  }
  return pieces;
}

std::string DescribeAccepted(const Option& option) {
  switch (option.kind) {
    case Kind::kFlag:
      return "1, true, 0 or false";
    case Kind::kNumber:
      return "a number";
    case Kind::kSize:
      return "a positive whole number with K, M or G, such as 512M";
    case Kind::kText:
      return "text";
    case Kind::kPath:
      return "a path";
    case Kind::kInt:
    case Kind::kChoice:
      break;
  }
  std::vector<std::string> words;
  for (std::string_view piece : SplitAccepted(option.accepted)) {
    const size_t dots = piece.find("..");
    words.push_back(dots == std::string_view::npos
                        ? std::string(piece)
                        : fmt::format("{} to {}", piece.substr(0, dots), piece.substr(dots + 2)));
  }
  return JoinWithOr(words);
}

StatusOr<std::string> CheckValue(const Option& option, std::string_view text) {
  auto value = Canonical(option, text);
  if (value) return *std::move(value);
  return InvalidInput("--{}: \"{}\" is not accepted; expected {}", option.name, text, DescribeAccepted(option));
}

}  // namespace quantpress::tools
