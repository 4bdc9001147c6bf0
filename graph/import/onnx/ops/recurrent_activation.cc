#include "graph/import/onnx/ops/recurrent_activation.h"

#include <algorithm>

#include "graph/build/params.h"

namespace quantpress::graph::onnx {
namespace {

using U = mnn::UnaryOpOperation;
using F = RecurrentFunction;

// What each function takes, and what it is without: the defaults of the operator of that name.
struct Row {
  std::string_view name;
  F function;
  bool has_alpha, has_beta;
  float alpha, beta;
};

constexpr Row kFunctions[] = {
    {"sigmoid", F::kSigmoid, false, false, 0, 0},       {"tanh", F::kTanh, false, false, 0, 0},
    {"relu", F::kRelu, false, false, 0, 0},             {"affine", F::kAffine, true, true, 1, 0},
    {"leakyrelu", F::kLeakyRelu, true, false, 0.01f, 0}, {"thresholdedrelu", F::kThresholdedRelu, true, false, 1, 0},
    {"scaledtanh", F::kScaledTanh, true, true, 1, 1},   {"hardsigmoid", F::kHardSigmoid, true, true, 0.2f, 0.5f},
    {"elu", F::kElu, true, false, 1, 0},                {"softsign", F::kSoftsign, false, false, 0, 0},
    {"softplus", F::kSoftplus, false, false, 0, 0},
};

std::string LowerCase(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : static_cast<char>(c); });
  return text;
}

}  // namespace

std::vector<RecurrentActivation> ReadActivations(NodeContext& n, std::initializer_list<F> defaults, size_t directions) {
  std::vector<RecurrentActivation> out;
  std::vector<std::string> names = n.Strings("activations");
  const std::vector<float> alphas = n.Floats("activation_alpha"), betas = n.Floats("activation_beta");
  if (names.empty()) {
    for (size_t d = 0; d < directions; ++d) {
      for (F f : defaults) names.emplace_back(std::find_if(std::begin(kFunctions), std::end(kFunctions), [&](const Row& r) { return r.function == f; })->name);
    }
  }
  const size_t wanted = defaults.size() * directions;
  if (names.size() < wanted) {
    n.Fail("{} names in 'activations'; expected {}", names.size(), wanted);
    return out;
  }
  size_t next_alpha = 0, next_beta = 0;
  for (size_t i = 0; i < wanted; ++i) {
    const std::string name = LowerCase(names[i]);
    const Row* row = std::find_if(std::begin(kFunctions), std::end(kFunctions), [&](const Row& r) { return r.name == name; });
    if (row == std::end(kFunctions)) {
      n.Fail("the activation '{}' is not one that the ONNX standard lists", names[i]);
      return out;
    }
    RecurrentActivation a{row->function, row->alpha, row->beta};
    if (row->has_alpha && next_alpha < alphas.size()) a.alpha = alphas[next_alpha++];
    if (row->has_beta && next_beta < betas.size()) a.beta = betas[next_beta++];
    out.push_back(a);
  }
  return out;
}

Value Activate(GraphBuilder& b, const RecurrentActivation& a, Value x) {
  if (!b.ok()) return {};
  const auto scaled = [&](Value v, float factor) { return factor == 1 ? v : b.Mul(v, b.ScalarLike(factor, x)); };
  const auto shifted = [&](Value v, float offset) { return offset == 0 ? v : b.Add(v, b.ScalarLike(offset, x)); };
  switch (a.function) {
    case F::kSigmoid: return b.Unary(U::SIGMOID, x);
    case F::kTanh: return b.Unary(U::TANH, x);
    case F::kRelu: return b.Relu(x);
    case F::kAffine: return shifted(scaled(x, a.alpha), a.beta);
    case F::kLeakyRelu: return b.Relu(x, a.alpha);
    case F::kThresholdedRelu: return b.Select(b.Less(x, b.ScalarLike(a.alpha, x)), b.ScalarLike(0, x), x);
    case F::kScaledTanh: return scaled(b.Unary(U::TANH, scaled(x, a.beta)), a.alpha);
    case F::kHardSigmoid: return b.Clip(shifted(scaled(x, a.alpha), a.beta), 0, 1);
    case F::kElu: {
      mnn::ELUT param;
      param.alpha = a.alpha;
      return b.Emit(mnn::OpType::ELU, Param(param), {x}, {b.type(x), b.shape(x)});
    }
    case F::kSoftsign: return b.Div(x, b.Add(b.Unary(U::ABS, x), b.ScalarLike(1, x)));
    case F::kSoftplus: return b.Unary(U::BNLL, x);
  }
  return {};
}

}  // namespace quantpress::graph::onnx
