// Matrix products.
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

constexpr OpRow kRows[] = {
    {"", "MatMul", 1, kNewest, MatMul, ""},
    {"", "Gemm", 1, kNewest, Gemm, ""},
};

}  // namespace

std::span<const OpRow> MatrixOps() { return kRows; }

}  // namespace quantpress::graph::onnx
