#include "graph/build/shape.h"

#include <algorithm>

#include "fmt/format.h"

namespace quantpress::graph {

std::optional<int64_t> ElementCount(const Shape& shape) {
  int64_t count = 1;
  for (Dim d : shape) {
    if (!IsKnown(d) || __builtin_mul_overflow(count, d, &count)) return std::nullopt;
  }
  return count;
}

std::string ShapeText(const std::optional<Shape>& shape) {
  if (!shape) return "[unknown rank]";
  std::string text = "[";
  for (size_t i = 0; i < shape->size(); ++i) {
    const Dim d = (*shape)[i];
    text += fmt::format("{}{}", i ? ", " : "", IsKnown(d) ? std::to_string(d) : "?");
  }
  return text + "]";
}

std::optional<size_t> NormalizeAxis(int64_t axis, size_t rank) {
  const auto r = static_cast<int64_t>(rank);
  if (axis < -r || axis >= r) return std::nullopt;
  return static_cast<size_t>(axis < 0 ? axis + r : axis);
}

std::optional<Shape> BroadcastShapes(const Shape& a, const Shape& b, SymbolTable* symbols) {
  const size_t rank = std::max(a.size(), b.size());
  Shape out(rank);
  for (size_t i = 0; i < rank; ++i) {
    const Dim x = i + a.size() < rank ? 1 : a[i + a.size() - rank];
    const Dim y = i + b.size() < rank ? 1 : b[i + b.size() - rank];
    if (x == y || y == 1) {
      out[i] = x;
    } else if (x == 1) {
      out[i] = y;
    } else if (IsKnown(x) && IsKnown(y)) {
      return std::nullopt;
    } else if (IsKnown(x) || IsKnown(y)) {
      out[i] = std::max(x, y);  // a symbol is negative; it must be 1 or the known size
    } else {
      out[i] = symbols->Broadcast(x, y);
    }
  }
  return out;
}

}  // namespace quantpress::graph
