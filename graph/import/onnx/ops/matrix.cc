// Matrix products and determinants.
#include <bit>
#include <map>

#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

void MatMul(NodeContext& n) { n.SetOutput(0, n.b.MatMul(n.Input(0), n.Input(1))); }

// alpha * A' * B' + beta * C
void Gemm(NodeContext& n) {
  Value a = n.Input(0), b = n.Input(1), c = n.OptionalInput(2);
  const float alpha = n.Float("alpha", 1), beta = n.Float("beta", 1);
  if (!n.ok()) return;
  // A constant factor goes into a constant operand.
  if (alpha != 1) {
    if (n.b.IsConstant(b)) b = n.b.Mul(b, n.b.ScalarLike(alpha, b));
    else a = n.b.Mul(a, n.b.ScalarLike(alpha, a));
  }
  Value out = n.b.MatMul(a, b, n.Int("transA", 0) != 0, n.Int("transB", 0) != 0);
  if (c.valid()) {
    if (beta != 1) c = n.b.Mul(c, n.b.ScalarLike(beta, c));
    out = n.b.Add(out, c);
  }
  n.SetOutput(0, out);
}

// By minors of the first k rows: every set of k columns once. (The runtime's own has the wrong sign.)
void Det(NodeContext& n) {
  const Value x = n.Input(0);
  const size_t rank = n.b.Rank(x);
  if (!n.ok()) return;
  if (rank < 2) return n.Fail("a tensor of shape {}", ShapeText(n.b.shape(x)));
  const Dim rows = (*n.b.shape(x))[rank - 2], columns = n.b.shape(x)->back(), size = IsKnown(rows) ? rows : columns;
  if (!IsKnown(size) || (IsKnown(columns) && columns != size) || size < 1 || size > 6) {
    return n.Fail("a tensor of shape {}; expected square matrices of 1 to 6 rows", ShapeText(n.b.shape(x)));
  }
  const auto count = static_cast<uint32_t>(size);
  const auto element = [&](uint32_t row, uint32_t column) {
    return n.b.Gather(n.b.Gather(x, n.b.ScalarInt(row), -2), n.b.ScalarInt(column), -1);
  };
  std::map<uint32_t, Value> minors;  // by set of columns
  for (uint32_t row = 0; row < count; ++row) {
    std::map<uint32_t, Value> larger;
    for (uint32_t set = 1; set < (1u << count); ++set) {
      if (static_cast<uint32_t>(std::popcount(set)) != row + 1) continue;
      Value sum;
      for (uint32_t column = 0; column < count; ++column) {
        if ((set >> column & 1) == 0) continue;
        Value term = element(row, column);
        if (row > 0) term = n.b.Mul(term, minors[set & ~(1u << column)]);
        const bool negative = std::popcount(set >> (column + 1)) % 2 != 0;  // columns of the set behind this one
        if (!sum.valid()) sum = negative ? n.b.Unary(mnn::UnaryOpOperation::NEG, term) : term;
        else sum = negative ? n.b.Sub(sum, term) : n.b.Add(sum, term);
      }
      larger[set] = sum;
    }
    minors = std::move(larger);
  }
  n.SetOutput(0, minors[(1u << count) - 1]);
}

constexpr OpRow kRows[] = {
    {"", "MatMul", 1, kNewest, MatMul, ""},
    {"", "Gemm", 1, kNewest, Gemm, ""},
    {"", "Det", 11, kNewest, Det, "by minors; up to 6 rows"},
};

}  // namespace

std::span<const OpRow> MatrixOps() { return kRows; }

}  // namespace quantpress::graph::onnx
