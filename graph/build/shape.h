// Shapes at conversion time. A dimension is a known size or a symbol; equal symbols are equal sizes at run time.
#ifndef QUANTPRESS_GRAPH_BUILD_SHAPE_H_
#define QUANTPRESS_GRAPH_BUILD_SHAPE_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quantpress::graph {

// >= 0: the size. < 0: a symbol from a SymbolTable.
using Dim = int64_t;
using Shape = std::vector<Dim>;

constexpr bool IsKnown(Dim d) { return d >= 0; }

inline bool IsStatic(const Shape& shape) {
  for (Dim d : shape) {
    if (!IsKnown(d)) return false;
  }
  return true;
}

// Product of known dimensions; nullopt if one is a symbol or the product overflows int64.
std::optional<int64_t> ElementCount(const Shape& shape);

// "[1, 3, N, N]": symbols print as their name or ?k.
std::string ShapeText(const std::optional<Shape>& shape);

// Hands out symbols. One per conversion.
class SymbolTable {
 public:
  // A size that nothing is known about.
  Dim Fresh() { return --last_; }
  // The symbol of a named dimension; the same name gives the same symbol.
  Dim Named(std::string_view name);

 private:
  Dim last_ = 0;
  std::map<std::string, Dim, std::less<>> named_;
};

// Position of `axis` in [0, rank), negative values count from the end; nullopt if it lies outside.
std::optional<size_t> NormalizeAxis(int64_t axis, size_t rank);

// NumPy broadcasting. Unknown against known > 1 gives the known size. nullopt if known sizes clash.
std::optional<Shape> BroadcastShapes(const Shape& a, const Shape& b, SymbolTable* symbols);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_BUILD_SHAPE_H_
