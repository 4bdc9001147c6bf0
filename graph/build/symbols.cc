// Arithmetic on dimensions that only a run knows.
#include <algorithm>
#include <limits>

#include "graph/build/shape.h"

namespace quantpress::graph {
namespace {

// Larger polynomials are not worth their time; their value becomes a fresh symbol.
constexpr size_t kMaxTerms = 16;
constexpr size_t kMaxDegree = 16;

}  // namespace

Dim SymbolTable::FreshNumber() {
  const Dim d = Fresh();
  signed_.insert(d);
  return d;
}

Dim SymbolTable::Named(std::string_view name) {
  if (name.empty()) return Fresh();
  auto it = named_.find(name);
  if (it == named_.end()) it = named_.emplace(std::string(name), Fresh()).first;
  return it->second;
}

SymbolTable::Polynomial SymbolTable::Expand(Dim d) const {
  if (!IsSymbol(d)) return d == 0 ? Polynomial{} : Polynomial{{{}, d}};
  const auto it = polynomials_.find(d);
  return it != polynomials_.end() ? it->second : Polynomial{{{d}, 1}};
}

Dim SymbolTable::Intern(Polynomial p) {
  std::erase_if(p, [](const auto& term) { return term.second == 0; });
  if (p.empty()) return 0;
  const auto& [monomial, factor] = *p.begin();
  if (p.size() == 1 && monomial.empty()) return IsSymbol(factor) ? FreshNumber() : factor;
  if (p.size() == 1 && monomial.size() == 1 && factor == 1) return monomial[0];
  if (p.size() > kMaxTerms) return FreshNumber();
  for (const auto& [m, f] : p) {
    if (m.size() > kMaxDegree) return FreshNumber();
  }
  const auto it = interned_.find(p);
  if (it != interned_.end()) return it->second;
  const Dim d = Fresh();
  interned_.emplace(p, d);
  polynomials_.emplace(d, std::move(p));
  return d;
}

Dim SymbolTable::Atom(AtomKind kind, Dim a, Dim b, bool is_size) {
  const auto [it, added] = atoms_.try_emplace({kind, a, b}, 0);
  if (added) it->second = is_size ? Fresh() : FreshNumber();
  return it->second;
}

std::optional<Dim> SymbolTable::Combine(Dim a, Dim b, int64_t sign) {
  Polynomial p = Expand(a);
  for (const auto& [monomial, factor] : Expand(b)) {
    int64_t signed_factor = 0;
    int64_t& to = p[monomial];
    if (__builtin_mul_overflow(factor, sign, &signed_factor) || __builtin_add_overflow(to, signed_factor, &to)) {
      return std::nullopt;
    }
  }
  return Intern(std::move(p));
}

Dim SymbolTable::Add(Dim a, Dim b) {
  const auto sum = Combine(a, b, 1);
  return sum ? *sum : FreshNumber();
}

Dim SymbolTable::Sub(Dim a, Dim b) {
  const auto difference = Combine(a, b, -1);
  return difference ? *difference : FreshNumber();
}

Dim SymbolTable::Mul(Dim a, Dim b) {
  Polynomial product;
  for (const auto& [ma, fa] : Expand(a)) {
    for (const auto& [mb, fb] : Expand(b)) {
      Monomial m = ma;
      m.insert(m.end(), mb.begin(), mb.end());
      std::sort(m.begin(), m.end());
      int64_t factor = 0;
      int64_t& to = product[std::move(m)];
      if (__builtin_mul_overflow(fa, fb, &factor) || __builtin_add_overflow(to, factor, &to)) return FreshNumber();
    }
  }
  return Intern(std::move(product));
}

std::optional<Dim> SymbolTable::ExactQuotient(Dim a, Dim b) {
  const Polynomial divisor = Expand(b);
  if (divisor.empty()) return std::nullopt;
  if (a == b) return 1;
  if (divisor.size() != 1) return std::nullopt;
  const auto& [atoms, factor] = *divisor.begin();
  Polynomial quotient;
  for (const auto& [monomial, f] : Expand(a)) {
    if (f == std::numeric_limits<int64_t>::min() || f % factor != 0) return std::nullopt;
    Monomial rest = monomial;
    for (Dim atom : atoms) {
      const auto it = std::find(rest.begin(), rest.end(), atom);
      if (it == rest.end()) return std::nullopt;
      rest.erase(it);
    }
    quotient[std::move(rest)] = f / factor;
  }
  return Intern(std::move(quotient));
}

Dim SymbolTable::Div(Dim a, Dim b) {
  if (b == 0) return FreshNumber();
  if (const auto exact = ExactQuotient(a, b)) return *exact;
  if (!IsSymbol(a) && !IsSymbol(b)) return a / b;
  return Atom(kQuotient, a, b, IsSize(a) && IsSize(b));
}

Dim SymbolTable::CeilDiv(Dim a, Dim b) {
  if (b == 0) return FreshNumber();
  if (const auto exact = ExactQuotient(a, b)) return *exact;
  if (!IsSymbol(a) && !IsSymbol(b)) return a / b + (a % b != 0 ? 1 : 0);
  return Atom(kCeilQuotient, a, b, true);
}

Dim SymbolTable::Min(Dim a, Dim b) {
  if (a == b) return a;
  if (!IsSymbol(a) && !IsSymbol(b)) return std::min(a, b);
  return Atom(kMinimum, std::min(a, b), std::max(a, b), IsSize(a) && IsSize(b));
}

Dim SymbolTable::Max(Dim a, Dim b) {
  if (a == b) return a;
  if (!IsSymbol(a) && !IsSymbol(b)) return std::max(a, b);
  if (!IsSymbol(a) && a <= 0 && IsSize(b)) return b;
  if (!IsSymbol(b) && b <= 0 && IsSize(a)) return a;
  return Atom(kMaximum, std::min(a, b), std::max(a, b), IsSize(a) || IsSize(b));
}

Dim SymbolTable::Product(const Shape& shape) {
  Dim product = 1;
  for (Dim d : shape) product = Mul(product, d);
  return product;
}

bool SymbolTable::IsSize(Dim d) const {
  if (!IsSymbol(d)) return d >= 0;
  for (const auto& [monomial, factor] : Expand(d)) {
    if (factor < 0) return false;
    for (Dim atom : monomial) {
      if (signed_.contains(atom)) return false;
    }
  }
  return true;
}

}  // namespace quantpress::graph
