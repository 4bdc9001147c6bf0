// Shapes at conversion time. A dimension is a known size or a symbol; equal symbols are equal sizes at run time.
#ifndef QUANTPRESS_GRAPH_BUILD_SHAPE_H_
#define QUANTPRESS_GRAPH_BUILD_SHAPE_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace quantpress::graph {

// >= 0: the size. A symbol of a SymbolTable is far below zero, so that shape arithmetic can hold small negative numbers
// beside symbols (the -1 of a reshape): see IsSymbol.
using Dim = int64_t;
using Shape = std::vector<Dim>;

// For dimensions of a shape, which are never negative numbers.
constexpr bool IsKnown(Dim d) { return d >= 0; }

inline constexpr Dim kFirstSymbol = -(Dim{1} << 62);

// For elements of shape arithmetic: a symbol, or any number above.
constexpr bool IsSymbol(Dim d) { return d <= kFirstSymbol; }

inline bool IsStatic(const Shape& shape) {
  for (Dim d : shape) {
    if (!IsKnown(d)) return false;
  }
  return true;
}

// True if no element is a symbol; negative numbers are allowed.
inline bool HasNumbersOnly(const std::vector<Dim>& elements) {
  for (Dim d : elements) {
    if (IsSymbol(d)) return false;
  }
  return true;
}

// Product of known dimensions; nullopt if one is a symbol or the product overflows int64.
std::optional<int64_t> ElementCount(const Shape& shape);

// "[1, 3, N, N]": symbols print as their name or ?k.
std::string ShapeText(const std::optional<Shape>& shape);

// Hands out symbols and computes with them. One per conversion.
//
// A computed symbol is a polynomial of atoms with integer coefficients, and equal polynomials get the same symbol: so
// (a + b) - b is a again, and a * 12 * 64 / 768 is a. What has no polynomial (minimum, an inexact quotient) becomes an
// atom that is remembered by its operands.
class SymbolTable {
 public:
  // A size that nothing is known about.
  Dim Fresh() { return --last_; }
  // A number that nothing is known about, not even its sign.
  Dim FreshNumber();
  // The symbol of a named dimension; the same name gives the same symbol.
  Dim Named(std::string_view name);

  // Operands are numbers or symbols. Results that overflow are fresh numbers.
  Dim Add(Dim a, Dim b);
  Dim Sub(Dim a, Dim b);
  Dim Mul(Dim a, Dim b);
  Dim Div(Dim a, Dim b);       // truncated toward zero
  Dim CeilDiv(Dim a, Dim b);   // of sizes
  Dim Min(Dim a, Dim b);
  Dim Max(Dim a, Dim b);
  Dim Product(const Shape& shape);
  // a / b if b divides a as a polynomial.
  std::optional<Dim> ExactQuotient(Dim a, Dim b);
  // True if the value cannot be negative: a known size, or a sum of products of sizes.
  bool IsSize(Dim d) const;
  // What two dimensions that broadcast against each other give, both symbols.
  Dim Broadcast(Dim a, Dim b) { return Atom(kBroadcast, std::min(a, b), std::max(a, b), true); }

 private:
  using Monomial = std::vector<Dim>;  // atoms, sorted
  using Polynomial = std::map<Monomial, int64_t>;
  enum AtomKind { kQuotient, kCeilQuotient, kMinimum, kMaximum, kBroadcast };

  Polynomial Expand(Dim d) const;
  Dim Intern(Polynomial p);
  Dim Atom(AtomKind kind, Dim a, Dim b, bool is_size);
  std::optional<Dim> Combine(Dim a, Dim b, int64_t sign);

  Dim last_ = kFirstSymbol;
  std::map<std::string, Dim, std::less<>> named_;
  std::map<Polynomial, Dim> interned_;
  std::map<Dim, Polynomial> polynomials_;  // of symbols that are no atoms
  std::map<std::tuple<AtomKind, Dim, Dim>, Dim> atoms_;
  std::set<Dim> signed_;                   // atoms that may be negative
};

// Position of `axis` in [0, rank), negative values count from the end; nullopt if it lies outside.
std::optional<size_t> NormalizeAxis(int64_t axis, size_t rank);

// NumPy broadcasting. Unknown against known > 1 gives the known size. nullopt if known sizes clash.
std::optional<Shape> BroadcastShapes(const Shape& a, const Shape& b, SymbolTable* symbols);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_BUILD_SHAPE_H_
