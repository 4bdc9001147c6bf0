#include "graph/model_json/float_text.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "fmt/format.h"

namespace quantpress::graph {
namespace {

template <typename T>
using BitsOf = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;

template <typename T>
constexpr BitsOf<T> kUsualNan = sizeof(T) == 4 ? BitsOf<T>{0x7FC00000u} : static_cast<BitsOf<T>>(0x7FF8000000000000u);

}  // namespace

template <typename T>
void AppendFloat(T value, std::string* out) {
  if (std::isfinite(value)) {
    char text[40];
    char* const end = std::to_chars(text, text + sizeof(text), value).ptr;
    out->append(text, end);
    if (value == 0 && std::signbit(value))
      out->append(".0");  // "-0" is a whole number, and those have no negative zero
    return;
  }
  const auto bits = std::bit_cast<BitsOf<T>>(value);
  if (std::isinf(value)) {
    out->append(value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
  } else if (bits == kUsualNan<T>) {
    out->append("\"NaN\"");
  } else {
    fmt::format_to(std::back_inserter(*out), "\"NaN:{:#x}\"", bits);
  }
}

template <typename T>
std::optional<T> ParseFloatNumber(std::string_view text) {
  T value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc()) return value;
  // Out of range: too small is zero, too big is an error.
  long double wide = 0;
  if constexpr (sizeof(T) == 4) {
    double as_double = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), as_double).ec == std::errc()) wide = as_double;
  }
  if (std::fabs(wide) >= 1) return std::nullopt;
  const bool tiny = wide != 0 || text.find("e-") != text.npos || text.find("E-") != text.npos;
  if (!tiny) return std::nullopt;
  return text.starts_with('-') ? -T{0} : T{0};
}

template <typename T>
std::optional<T> ParseFloatName(std::string_view text) {
  if (text == "Infinity") return std::numeric_limits<T>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<T>::infinity();
  if (text == "NaN") return std::bit_cast<T>(kUsualNan<T>);
  constexpr std::string_view kPrefix = "NaN:0x";
  if (!text.starts_with(kPrefix)) return std::nullopt;
  text.remove_prefix(kPrefix.size());
  BitsOf<T> bits = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bits, 16);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  const T value = std::bit_cast<T>(bits);
  return std::isnan(value) ? std::optional<T>(value) : std::nullopt;
}

template void AppendFloat<float>(float, std::string*);
template void AppendFloat<double>(double, std::string*);
template std::optional<float> ParseFloatNumber<float>(std::string_view);
template std::optional<double> ParseFloatNumber<double>(std::string_view);
template std::optional<float> ParseFloatName<float>(std::string_view);
template std::optional<double> ParseFloatName<double>(std::string_view);

}  // namespace quantpress::graph
