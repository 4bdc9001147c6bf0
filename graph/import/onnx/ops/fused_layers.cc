// onnxruntime's activations, and its products and convolutions that contain an activation.
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/window.h"

namespace quantpress::graph::onnx {
namespace {

using U = mnn::UnaryOpOperation;

// Input 0 plus input 1, where there is one.
Value Biased(NodeContext& n) {
  const Value x = n.Input(0);
  return n.HasInput(1) ? n.b.Add(x, n.Input(1)) : x;
}

template <U kOp>
void BiasedUnary(NodeContext& n) {
  n.SetOutput(0, n.b.Unary(kOp, Biased(n)));
}

void QuickGelu(NodeContext& n) {
  const Value x = n.Input(0);
  const float alpha = n.Float("alpha", 1.702f);
  if (!n.ok()) return;
  n.SetOutput(0, n.b.Mul(x, n.b.Unary(U::SIGMOID, n.b.Mul(x, n.b.ScalarLike(alpha, x)))));
}

void BiasAdd(NodeContext& n) { n.SetOutput(0, n.b.Add(Biased(n), n.Input(2))); }

// The first half of the last axis times the Gelu of the second.
void BiasSplitGelu(NodeContext& n) {
  const Value x = Biased(n);
  const size_t rank = n.b.Rank(x);
  if (!n.ok()) return;
  const Dim size = rank > 0 ? n.b.shape(x)->back() : -1;
  if (!IsKnown(size) || size % 2 != 0) return n.Fail("a tensor of shape {}; expected an even size at the end", ShapeText(n.b.shape(x)));
  const std::vector<Value> halves = n.b.Split(x, static_cast<int64_t>(rank) - 1, {size / 2, size / 2});
  if (n.ok()) n.SetOutput(0, n.b.Mul(halves[0], n.b.Unary(U::GELU_STANDARD, halves[1])));
}

// alpha * A' * B'; a constant factor goes into a constant operand.
Value Product(NodeContext& n, Value a, Value b, bool transpose_a, bool transpose_b) {
  const float alpha = n.Float("alpha", 1);
  if (!n.ok()) return {};
  if (alpha != 1 && n.b.IsConstant(b)) b = n.b.Mul(b, n.b.ScalarLike(alpha, b));
  else if (alpha != 1) a = n.b.Mul(a, n.b.ScalarLike(alpha, a));
  return n.b.MatMul(a, b, transpose_a, transpose_b);
}

void FusedMatMul(NodeContext& n) {
  Value operands[] = {n.Input(0), n.Input(1)};
  const bool batch[] = {n.Int("transBatchA", 0) != 0, n.Int("transBatchB", 0) != 0};
  bool transpose[] = {n.Int("transA", 0) != 0, n.Int("transB", 0) != 0};
  for (int i = 0; i < 2; ++i) {
    const size_t rank = n.b.Rank(operands[i]);
    if (!n.ok()) return;
    if (rank < 2) transpose[i] = false;
    if (!batch[i] || rank < 3) continue;
    // The first axis moves behind those of the batch.
    std::vector<int64_t> perm;
    for (size_t k = 1; k + 1 < rank; ++k) perm.push_back(static_cast<int64_t>(k));
    perm.insert(perm.end(), {0, static_cast<int64_t>(rank) - 1});
    operands[i] = n.b.Transpose(operands[i], perm);
  }
  n.SetOutput(0, Product(n, operands[0], operands[1], transpose[0], transpose[1]));
}

// The activation that an attribute names, "" being none.
Value Activate(NodeContext& n, Value x, const std::string& name, const std::vector<float>& given, std::vector<float> defaults) {
  for (size_t i = 0; i < given.size() && i < defaults.size(); ++i) defaults[i] = given[i];
  if (name.empty()) return x;
  if (name == "Relu") return n.b.Relu(x);
  if (name == "LeakyRelu") return n.b.Relu(x, defaults[0]);
  if (name == "Tanh") return n.b.Unary(U::TANH, x);
  if (name == "Sigmoid") return n.b.Unary(U::SIGMOID, x);
  if (name == "Clip" && given.size() == 2) return n.b.Clip(x, given[0], given[1]);
  if (name == "HardSigmoid") {
    return n.b.Clip(n.b.Add(n.b.Mul(x, n.b.ScalarFloat(defaults[0])), n.b.ScalarFloat(defaults[1])), 0, 1);
  }
  n.Fail("activation '{}' with {} parameters", name, given.size());
  return {};
}

std::vector<float> ActivationDefaults(const std::string& name) {
  return name == "HardSigmoid" ? std::vector<float>{0.2f, 0.5f} : std::vector<float>{0.01f, 0.0f};
}

void FusedConv(NodeContext& n) {
  Value y = Convolution(n, n.Input(0), n.Input(1), n.OptionalInput(2));
  if (n.HasInput(3)) y = n.b.Add(y, n.Input(3));
  const std::string name = n.String("activation", "");
  const std::vector<float> parameters = n.Floats("activation_params");
  if (n.ok()) n.SetOutput(0, Activate(n, y, name, parameters, ActivationDefaults(name)));
}

void FusedGemm(NodeContext& n) {
  Value y = Product(n, n.Input(0), n.Input(1), n.Int("transA", 0) != 0, n.Int("transB", 0) != 0);
  const float beta = n.Float("beta", 1);
  if (n.HasInput(2) && n.ok()) y = n.b.Add(y, beta == 1 ? n.Input(2) : n.b.Mul(n.Input(2), n.b.ScalarFloat(beta)));
  const std::string name = n.String("activation", "");
  std::vector<float> parameters;
  if (n.Has("activation_alpha")) parameters.push_back(n.Float("activation_alpha", 0));
  if (n.Has("activation_beta") && !parameters.empty()) parameters.push_back(n.Float("activation_beta", 0));
  if (n.ok()) n.SetOutput(0, Activate(n, y, name, parameters, ActivationDefaults(name)));
}

constexpr OpRow kRows[] = {
    {"com.microsoft", "Gelu", 1, kNewest, BiasedUnary<U::GELU_STANDARD>, ""},
    {"com.microsoft", "BiasGelu", 1, kNewest, BiasedUnary<U::GELU_STANDARD>, ""},
    {"com.microsoft", "FastGelu", 1, kNewest, BiasedUnary<U::GELU>, ""},
    {"com.microsoft", "QuickGelu", 1, kNewest, QuickGelu, ""},
    {"com.microsoft", "BiasAdd", 1, kNewest, BiasAdd, ""},
    {"com.microsoft", "BiasSplitGelu", 1, kNewest, BiasSplitGelu, ""},
    {"com.microsoft", "FusedMatMul", 1, kNewest, FusedMatMul, ""},
    {"com.microsoft", "FusedGemm", 1, kNewest, FusedGemm, "activations Relu, LeakyRelu, Tanh, Sigmoid, Clip, HardSigmoid"},
    {"com.microsoft", "FusedConv", 1, kNewest, FusedConv, "activations Relu, LeakyRelu, Tanh, Sigmoid, Clip, HardSigmoid"},
};

}  // namespace

std::span<const OpRow> FusedLayerOps() { return kRows; }

}  // namespace quantpress::graph::onnx
