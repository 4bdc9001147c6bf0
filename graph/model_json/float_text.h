// Floats as JSON text that reads back bit for bit.
#ifndef QUANTPRESS_GRAPH_MODEL_JSON_FLOAT_TEXT_H_
#define QUANTPRESS_GRAPH_MODEL_JSON_FLOAT_TEXT_H_

#include <optional>
#include <string>
#include <string_view>

namespace quantpress::graph {

// The shortest number that reads back as `value`; "-0.0"; and as JSON strings, because JSON has no such numbers,
// "Infinity", "-Infinity", "NaN" for the usual quiet NaN (0x7fc00000) and "NaN:0xffc00001" for others. Defined for
// float and double.
template <typename T>
void AppendFloat(T value, std::string* out);

// A number as it was written, or the content of one of those strings; nothing for other text and for numbers that are
// too big.
template <typename T>
std::optional<T> ParseFloatNumber(std::string_view text);
template <typename T>
std::optional<T> ParseFloatName(std::string_view text);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_MODEL_JSON_FLOAT_TEXT_H_
