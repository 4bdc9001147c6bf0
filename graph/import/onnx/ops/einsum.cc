// Einsum: any number of operands, "...", repeated letters.
//
// Every operand becomes a tensor with one axis per letter. Two operands at a time are contracted: letters that no later
// operand and no output needs are summed, the product runs as a matrix product where letters are summed in both, else
// element-wise.
#include <algorithm>
#include <map>
#include <set>

#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/sizes.h"

namespace quantpress::graph::onnx {
namespace {

// Letters are their characters; the axes of "..." are kEllipsis, kEllipsis + 1, ... counted from the last one.
using Letter = int;
constexpr Letter kEllipsis = 256;

struct Term {
  std::vector<Letter> letters;  // "..." is one kEllipsis
};

struct Operand {
  Value value;
  std::vector<Letter> letters;  // one per axis
};

bool Contains(const std::vector<Letter>& letters, Letter letter) {
  return std::find(letters.begin(), letters.end(), letter) != letters.end();
}

std::optional<Term> ParseTerm(std::string_view text) {
  Term term;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '.') {
      if (text.substr(i, 3) != "..." || Contains(term.letters, kEllipsis)) return std::nullopt;
      term.letters.push_back(kEllipsis);
      i += 2;
    } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      term.letters.push_back(c);
    } else {
      return std::nullopt;
    }
  }
  return term;
}

// One kEllipsis becomes `axes` letters.
std::vector<Letter> ExpandEllipsis(const Term& term, size_t axes) {
  std::vector<Letter> letters;
  for (Letter letter : term.letters) {
    if (letter != kEllipsis) letters.push_back(letter);
    else for (size_t i = axes; i-- > 0;) letters.push_back(kEllipsis + static_cast<Letter>(i));
  }
  return letters;
}

class Einsum {
 public:
  explicit Einsum(NodeContext& n) : n_(n), b_(n.b) {}

  void Run() {
    if (!Parse()) return;
    for (Operand& operand : operands_) Diagonals(operand);
    DropBroadcastAxes();
    if (!n_.ok()) return;
    Operand result = operands_[0];
    SumOut(result, Needed(1));
    for (size_t i = 1; i < operands_.size() && n_.ok(); ++i) {
      Operand next = operands_[i];
      const std::set<Letter> needed = Needed(i + 1);
      std::set<Letter> kept = needed;
      kept.insert(result.letters.begin(), result.letters.end());
      SumOut(next, kept);
      kept = needed;
      kept.insert(next.letters.begin(), next.letters.end());
      SumOut(result, kept);
      result = Contract(result, next, needed);
    }
    // Letters of the output that every operand has with size 1 were kept; order them.
    n_.SetOutput(0, Arrange(result, output_));
  }

 private:
  bool Parse() {
    std::string equation = n_.String("equation", "");
    std::erase(equation, ' ');
    const size_t arrow = equation.find("->");
    std::string_view left = std::string_view(equation).substr(0, arrow);
    std::vector<Term> terms;
    for (;;) {
      const size_t comma = left.find(',');
      const auto term = ParseTerm(left.substr(0, comma));
      if (!term) {
        n_.Fail("equation '{}'; terms are letters and at most one '...'", equation);
        return false;
      }
      terms.push_back(*term);
      if (comma == std::string_view::npos) break;
      left.remove_prefix(comma + 1);
    }
    if (terms.size() != n_.input_count()) {
      n_.Fail("equation '{}' for {} operands", equation, n_.input_count());
      return false;
    }
    size_t ellipsis_axes = 0;
    for (size_t i = 0; i < terms.size(); ++i) {
      const Value x = n_.Input(i);
      const size_t rank = b_.Rank(x);
      if (!n_.ok()) return false;
      const bool has_ellipsis = Contains(terms[i].letters, kEllipsis);
      const size_t letters = terms[i].letters.size() - has_ellipsis;
      if (has_ellipsis ? rank < letters : rank != letters) {
        n_.Fail("equation '{}': operand {} has rank {}", equation, i, rank);
        return false;
      }
      const size_t axes = rank - letters;
      ellipsis_axes = std::max(ellipsis_axes, axes);
      operands_.push_back({x, ExpandEllipsis(terms[i], axes)});
    }
    if (arrow != std::string::npos) {
      const auto term = ParseTerm(std::string_view(equation).substr(arrow + 2));
      std::set<Letter> seen;
      bool valid = term.has_value();
      if (valid) {
        output_ = ExpandEllipsis(*term, ellipsis_axes);
        for (Letter letter : output_) {
          valid = valid && seen.insert(letter).second &&
                  std::any_of(operands_.begin(), operands_.end(), [&](const Operand& o) { return Contains(o.letters, letter); });
        }
      }
      if (!valid) n_.Fail("equation '{}'; the output must name letters of the operands, each once", equation);
      return valid;
    }
    // Without an output: "..." first, then the letters that occur once, in alphabetical order.
    std::map<Letter, int> count;
    for (const Operand& operand : operands_) {
      for (Letter letter : operand.letters) ++count[letter];
    }
    for (size_t i = ellipsis_axes; i-- > 0;) output_.push_back(kEllipsis + static_cast<Letter>(i));
    for (const auto& [letter, times] : count) {
      if (letter < kEllipsis && times == 1) output_.push_back(letter);
    }
    return true;
  }

  Size SizeOfLetter(const Operand& operand, Letter letter) {
    const auto at = std::find(operand.letters.begin(), operand.letters.end(), letter);
    return SizeOf(b_, operand.value, static_cast<size_t>(at - operand.letters.begin()));
  }

  // Letters repeated in one operand: its diagonal.
  void Diagonals(Operand& operand) {
    for (size_t i = 0; i < operand.letters.size() && n_.ok(); ++i) {
      for (size_t j = operand.letters.size() - 1; j > i; --j) {
        if (operand.letters[j] == operand.letters[i]) Diagonal(operand, i, j);
      }
    }
  }

  void Diagonal(Operand& operand, size_t i, size_t j) {
    const size_t rank = operand.letters.size();
    const Shape& shape = *b_.shape(operand.value);
    const Dim d = shape[i];
    if (IsKnown(d) && IsKnown(shape[j]) && d != shape[j]) {
      n_.Fail("a letter stands for sizes {} and {} of one operand", d, shape[j]);
      return;
    }
    if (IsKnown(d) && IsKnown(shape[j])) {
      // The two axes last, flattened: every (d + 1)-th element.
      std::vector<int64_t> perm;
      std::vector<Letter> letters;
      for (size_t k = 0; k < rank; ++k) {
        if (k == i || k == j) continue;
        perm.push_back(static_cast<int64_t>(k));
        letters.push_back(operand.letters[k]);
      }
      letters.push_back(operand.letters[i]);
      perm.push_back(static_cast<int64_t>(i));
      perm.push_back(static_cast<int64_t>(j));
      const Value moved = b_.Transpose(operand.value, perm);
      std::vector<Size> sizes = SizesOf(b_, moved);
      if (!n_.ok()) return;
      sizes.resize(rank - 2);
      sizes.push_back(Fixed(d * d));
      operand.value = b_.Slice(ReshapeToSizes(b_, moved, sizes), {0}, {d * d}, {-1}, {d + 1});
      operand.letters = std::move(letters);
      return;
    }
    // Of unknown size: everything but the diagonal is set to zero and one axis summed.
    const Value range = b_.Range(b_.ScalarInt(0), b_.DimOf(operand.value, i), b_.ScalarInt(1));
    const auto along = [&](size_t axis) {
      std::vector<int64_t> others;
      for (size_t k = 0; k < rank; ++k) {
        if (k != axis) others.push_back(static_cast<int64_t>(k));
      }
      return b_.Unsqueeze(range, others);
    };
    const Value kept = b_.Select(b_.Equal(along(i), along(j)), operand.value, b_.ScalarLike(0, operand.value));
    operand.value = b_.Reduce(mnn::ReductionType::SUM, kept, {static_cast<int64_t>(j)}, false);
    operand.letters.erase(operand.letters.begin() + static_cast<int64_t>(j));
  }

  // An axis of size 1 that another operand has larger repeats its only element: it can go.
  void DropBroadcastAxes() {
    std::set<Letter> larger;
    std::map<Letter, int64_t> known;
    for (const Operand& operand : operands_) {
      for (size_t i = 0; i < operand.letters.size() && n_.ok(); ++i) {
        const Dim d = (*b_.shape(operand.value))[i];
        if (d == 1) continue;
        larger.insert(operand.letters[i]);
        if (!IsKnown(d)) continue;
        const auto [at, added] = known.emplace(operand.letters[i], d);
        if (!added && at->second != d) n_.Fail("a letter stands for sizes {} and {}", at->second, d);
      }
    }
    for (Operand& operand : operands_) {
      std::vector<int64_t> axes;
      std::vector<Letter> kept;
      for (size_t i = 0; i < operand.letters.size() && n_.ok(); ++i) {
        if ((*b_.shape(operand.value))[i] == 1 && larger.contains(operand.letters[i])) axes.push_back(static_cast<int64_t>(i));
        else kept.push_back(operand.letters[i]);
      }
      if (axes.empty()) continue;
      operand.value = b_.Squeeze(operand.value, axes);
      operand.letters = std::move(kept);
    }
  }

  // Letters of the output and of operands from `first` on.
  std::set<Letter> Needed(size_t first) const {
    std::set<Letter> needed(output_.begin(), output_.end());
    for (size_t i = first; i < operands_.size(); ++i) needed.insert(operands_[i].letters.begin(), operands_[i].letters.end());
    return needed;
  }

  void SumOut(Operand& operand, const std::set<Letter>& kept) {
    std::vector<int64_t> axes;
    std::vector<Letter> letters;
    for (size_t i = 0; i < operand.letters.size(); ++i) {
      if (kept.contains(operand.letters[i])) letters.push_back(operand.letters[i]);
      else axes.push_back(static_cast<int64_t>(i));
    }
    if (axes.empty()) return;
    operand.value = b_.Reduce(mnn::ReductionType::SUM, operand.value, axes, false);
    operand.letters = std::move(letters);
  }

  // The operand's axes in this order; it has exactly these letters.
  Value Arrange(const Operand& operand, const std::vector<Letter>& order) {
    std::vector<int64_t> perm;
    for (Letter letter : order) {
      perm.push_back(std::find(operand.letters.begin(), operand.letters.end(), letter) - operand.letters.begin());
    }
    return b_.Transpose(operand.value, perm);
  }

  std::vector<Size> Sizes(const Operand& operand, const std::vector<Letter>& letters) {
    std::vector<Size> sizes;
    for (Letter letter : letters) sizes.push_back(SizeOfLetter(operand, letter));
    return sizes;
  }

  Operand Contract(Operand a, Operand b, const std::set<Letter>& needed) {
    std::vector<Letter> batch, summed, only_a, only_b;
    for (Letter letter : a.letters) {
      if (!Contains(b.letters, letter)) only_a.push_back(letter);
      else (needed.contains(letter) ? batch : summed).push_back(letter);
    }
    for (Letter letter : b.letters) {
      if (!Contains(a.letters, letter)) only_b.push_back(letter);
    }
    if (summed.empty()) return Multiply(a, b);
    // A weight is on the right: it can become a layer.
    if (b_.IsConstant(a.value) && !b_.IsConstant(b.value)) {
      std::swap(a, b);
      std::swap(only_a, only_b);
    }
    const bool weight = b_.IsConstant(b.value) && batch.empty();
    std::vector<Letter> order_a = batch, order_b = batch;
    order_a.insert(order_a.end(), only_a.begin(), only_a.end());
    order_a.insert(order_a.end(), summed.begin(), summed.end());
    order_b.insert(order_b.end(), summed.begin(), summed.end());
    order_b.insert(order_b.end(), only_b.begin(), only_b.end());
    const std::vector<Size> batch_a = Sizes(a, batch), batch_b = Sizes(b, batch);
    const std::vector<Size> rows = Sizes(a, only_a), inner = Sizes(a, summed), columns = Sizes(b, only_b);
    const std::vector<Size> inner_b = Sizes(b, summed);
    // Batch axes stay apart: at run time one may have size 1 and be broadcast.
    const auto products = [](const std::vector<Size>& lead) {
      std::vector<std::vector<Size>> out;
      for (const Size& size : lead) out.push_back({size});
      return out;
    };
    auto shape_a = products(batch_a), shape_b = products(batch_b);
    if (weight) {
      for (const Size& size : rows) shape_a.push_back({size});
    } else {
      shape_a.push_back(rows);
    }
    shape_a.push_back(inner);
    shape_b.push_back(inner_b);
    shape_b.push_back(columns);
    const Value left = ReshapeToProducts(b_, Arrange(a, order_a), shape_a);
    const Value right = ReshapeToProducts(b_, Arrange(b, order_b), shape_b);
    Value product = b_.MatMul(left, right);
    if (!product.valid()) return {};
    std::vector<Size> sizes;
    for (size_t i = 0; i < batch.size(); ++i) {
      // Where one of the two may turn out to be 1, the product has the size.
      sizes.push_back(batch_a[i].dim == batch_b[i].dim || IsKnown(batch_a[i].dim) ? batch_a[i]
                      : IsKnown(batch_b[i].dim)                                   ? batch_b[i]
                                                                                  : SizeOf(b_, product, i));
    }
    sizes.insert(sizes.end(), rows.begin(), rows.end());
    sizes.insert(sizes.end(), columns.begin(), columns.end());
    Operand result{{}, batch};
    result.letters.insert(result.letters.end(), only_a.begin(), only_a.end());
    result.letters.insert(result.letters.end(), only_b.begin(), only_b.end());
    const bool same = columns.size() == 1 && (weight || rows.size() == 1);
    result.value = same ? product : ReshapeToSizes(b_, product, sizes);
    return result;
  }

  // Nothing is summed: an element-wise product over the letters of both.
  Operand Multiply(const Operand& a, const Operand& b) {
    std::vector<Letter> letters = a.letters;
    for (Letter letter : b.letters) {
      if (!Contains(letters, letter)) letters.push_back(letter);
    }
    // In the output's order if they are all there, so that the last transpose falls away.
    std::vector<Letter> ordered;
    for (Letter letter : output_) {
      if (Contains(letters, letter)) ordered.push_back(letter);
    }
    if (ordered.size() == letters.size()) letters = ordered;
    const auto spread = [&](const Operand& operand) {
      std::vector<Letter> mine;
      std::vector<int64_t> missing;
      for (size_t i = 0; i < letters.size(); ++i) {
        if (Contains(operand.letters, letters[i])) mine.push_back(letters[i]);
        else missing.push_back(static_cast<int64_t>(i));
      }
      return b_.Unsqueeze(Arrange(operand, mine), missing);
    };
    return {b_.Mul(spread(a), spread(b)), letters};
  }

  NodeContext& n_;
  GraphBuilder& b_;
  std::vector<Operand> operands_;
  std::vector<Letter> output_;
};

void ConvertEinsum(NodeContext& n) { Einsum(n).Run(); }

constexpr OpRow kRows[] = {
    {"", "Einsum", 12, kNewest, ConvertEinsum, "matrix products where letters are summed; integers exact to 2^24"},
};

}  // namespace

std::span<const OpRow> EinsumOps() { return kRows; }

}  // namespace quantpress::graph::onnx
