// x / 2 * (1 + erf(x / sqrt(2))) -> GELU_STANDARD, and x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) -> GELU,
// with the factors in any order: one pass over the data instead of five to eight.
//
// The runtime computes erf number by number: GELU_STANDARD takes seven times as long as GELU. So with gelu_approximation (the
// default, as in other converters) the first form becomes GELU too, with a relative error of 2e-4 (root mean square), but only
// where the result goes nowhere but into matrix products and convolutions: each of them sums many such errors of both signs.
// Where single elements of the result can be seen, it is exact.
#include <numbers>

#include "graph/passes/match.h"
#include "graph/passes/passes.h"

namespace quantpress::graph {
namespace {

using B = mnn::BinaryOpOperation;
using U = mnn::UnaryOpOperation;

constexpr double kSqrt2OverPi = 0.7978845608028654, kCubic = 0.044715;

// A product of tensors and a number.
struct Product {
  double scale = 1;
  std::vector<int> factors;
};

void Collect(GraphIndex& index, int t, int depth, Product* product) {
  if (const auto value = ScalarOf(index, t)) {
    product->scale *= *value;
    return;
  }
  const Op* op = index.Producer(t);
  if (depth > 0 && IsBinary(op, B::MUL)) {
    Collect(index, op->inputs[0], depth - 1, product);
    Collect(index, op->inputs[1], depth - 1, product);
    return;
  }
  if (depth > 0 && IsBinary(op, B::REALDIV)) {
    if (const auto value = ScalarOf(index, op->inputs[1]); value && *value != 0) {
      Collect(index, op->inputs[0], depth - 1, product);
      product->scale /= *value;
      return;
    }
  }
  product->factors.push_back(t);
}

Product ProductOf(GraphIndex& index, int t, int depth) {
  Product product;
  Collect(index, t, depth, &product);
  return product;
}

bool Near(double a, double b) { return std::abs(a - b) <= 1e-4 * std::abs(b); }

// True if t = scale * x^power.
bool IsMonomial(GraphIndex& index, int t, int x, double scale, size_t power) {
  const Product product = ProductOf(index, t, 3);
  size_t found = 0;
  for (int f : product.factors) {
    const Op* op = index.Producer(f);
    if (f == x) ++found;
    else if (SquareOf(index, f) == x) found += 2;
    else if (IsBinary(op, B::POW) && op->inputs[0] == x && IsNear(ScalarOf(index, op->inputs[1]), 3)) found += 3;
    else return false;
  }
  return found == power && Near(product.scale, scale);
}

// True if t = scale * x^power + x, or with 1 instead of the x.
bool IsSum(GraphIndex& index, int t, int x, double scale, size_t power, bool plus_one) {
  const Op* sum = index.Producer(t);
  if (!IsBinary(sum, B::ADD)) return false;
  for (size_t side = 0; side < 2; ++side) {
    const int rest = sum->inputs[side];
    if ((plus_one ? IsNear(ScalarOf(index, rest), 1) : rest == x) && IsMonomial(index, sum->inputs[1 - side], x, scale, power)) return true;
  }
  return false;
}

// True if t = sqrt(2 / pi) * (x + 0.044715 * x^3), also written sqrt(2 / pi) * x * (1 + 0.044715 * x^2).
bool IsTanhArgument(GraphIndex& index, int t, int x) {
  const Product product = ProductOf(index, t, 2);
  if (!Near(product.scale, kSqrt2OverPi)) return false;
  const auto& f = product.factors;
  if (f.size() == 1) return IsSum(index, f[0], x, kCubic, 3, false);
  if (f.size() != 2) return false;
  return (f[0] == x && IsSum(index, f[1], x, kCubic, 2, true)) || (f[1] == x && IsSum(index, f[0], x, kCubic, 2, true));
}

// GELU or GELU_STANDARD if t = 1 + tanh(...) or 1 + erf(...) of x.
std::optional<U> GateOf(GraphIndex& index, int t, int x) {
  const Op* sum = index.Producer(t);
  if (!IsBinary(sum, B::ADD)) return std::nullopt;
  const auto curve = BesideScalar(index, *sum, 1);
  const Op* op = curve ? index.Producer(*curve) : nullptr;
  if (IsUnary(op, U::ERF) && ScaledBy(index, op->inputs[0], std::numbers::sqrt2 / 2) == x) return U::GELU_STANDARD;
  if (IsUnary(op, U::TANH) && IsTanhArgument(index, op->inputs[0], x)) return U::GELU;
  return std::nullopt;
}

// True if t goes nowhere but into matrix products and convolutions, perhaps through up to `reshapes` Reshapes.
bool FeedsProducts(GraphIndex& index, int t, int reshapes) {
  if (index.IsOutput(t) || index.Users(t).empty()) return false;
  for (size_t user : index.Users(t)) {
    const Op& op = index.graph().ops[user];
    switch (op.type) {
      case mnn::OpType::Convolution:
      case mnn::OpType::MatMul:
      case mnn::OpType::Shape:  // of a product further on
        break;
      case mnn::OpType::Reshape:
        if (reshapes == 0 || !FeedsProducts(index, op.outputs[0], reshapes - 1)) return false;
        break;
      default: return false;
    }
  }
  return true;
}

}  // namespace

Status FuseGelu(Graph& graph, const ImportOptions& options) {
  if (options.for_training) return absl::OkStatus();
  GraphIndex index(&graph);
  for (Op& op : graph.ops) {
    if (op.type != mnn::OpType::BinaryOp || op.outputs.size() != 1) continue;
    const Product product = ProductOf(index, op.outputs[0], 2);
    if (product.factors.size() != 2 || !Near(product.scale, 0.5)) continue;
    for (size_t side = 0; side < 2; ++side) {
      const int x = product.factors[side];
      auto kind = GateOf(index, product.factors[1 - side], x);
      if (!kind) continue;
      if (options.gelu_approximation && FeedsProducts(index, op.outputs[0], 2)) kind = U::GELU;
      index.Become(&op, mnn::OpType::UnaryOp, UnaryParam(*kind), {x});
      break;
    }
  }
  return absl::OkStatus();
}

}  // namespace quantpress::graph
