// Optimizer steps of ai.onnx.preview.training: arithmetic on the tensors, one after the other.
#include "graph/build/expr.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

// Inputs are R, T, then all X, all G, and all tensors of each kind of state; outputs are all X, then each kind of state.
struct Step {
  Expr rate, count;                  // R, T as float
  std::vector<std::vector<Expr>> at; // [kind][tensor]
};

// Precondition: `kinds` >= 3 tensors belong to each optimized one.
std::optional<Step> ReadStep(NodeContext& n, size_t kinds) {
  const size_t inputs = n.input_count();
  if (inputs < 2 + kinds || (inputs - 2) % kinds != 0) {
    n.Fail("{} inputs; expected R, T, and {} for each tensor", inputs, kinds);
    return std::nullopt;
  }
  const size_t tensors = (inputs - 2) / kinds;
  const auto input = [&](size_t i) { return Expr{&n.b, n.Input(i)}; };
  Step step;
  step.rate = input(0);
  step.count = ToFloat(input(1));
  for (size_t kind = 0; kind < kinds; ++kind) {
    step.at.emplace_back();
    for (size_t t = 0; t < tensors; ++t) step.at.back().push_back(input(2 + kind * tensors + t));
  }
  if (!n.ok()) return std::nullopt;
  return step;
}

void SetOutputs(NodeContext& n, size_t tensor, size_t tensors, const std::vector<Expr>& values) {
  for (size_t kind = 0; kind < values.size(); ++kind) {
    const size_t i = kind * tensors + tensor;
    if (i < n.output_count()) n.SetOutput(i, values[kind]);
  }
}

Expr Root(Expr x) { return expr_internal::Apply(mnn::UnaryOpOperation::SQRT, x); }

void Adagrad(NodeContext& n) {
  const double decay = n.Float("decay_factor", 0), epsilon = n.Float("epsilon", 1e-6f), norm = n.Float("norm_coefficient", 0);
  const auto step = ReadStep(n, 3);
  if (!step) return;
  const size_t tensors = step->at[0].size();
  const Expr rate = step->rate / (step->count * decay + 1.0);
  for (size_t t = 0; t < tensors; ++t) {
    const Expr x = step->at[0][t], g = x * norm + step->at[1][t];
    const Expr h = step->at[2][t] + g * g;
    SetOutputs(n, t, tensors, {x - rate * g / (Root(h) + epsilon), h});
  }
}

void Adam(NodeContext& n) {
  const double alpha = n.Float("alpha", 0.9f), beta = n.Float("beta", 0.999f), epsilon = n.Float("epsilon", 1e-6f);
  const double norm = n.Float("norm_coefficient", 0), post = n.Float("norm_coefficient_post", 0);
  const auto step = ReadStep(n, 4);
  if (!step) return;
  const size_t tensors = step->at[0].size();
  const auto power = [&](double base) { return Power(step->count * 0.0 + base, step->count); };
  const Expr corrected = step->rate * Root(1.0 - power(beta)) / (1.0 - power(alpha));
  const Expr rate = Where(step->count > 0.0, corrected, step->rate);
  for (size_t t = 0; t < tensors; ++t) {
    const Expr x = step->at[0][t], g = x * norm + step->at[1][t];
    const Expr v = step->at[2][t] * alpha + g * (1 - alpha), h = step->at[3][t] * beta + g * g * (1 - beta);
    SetOutputs(n, t, tensors, {(x - rate * v / (Root(h) + epsilon)) * (1 - post), v, h});
  }
}

void Momentum(NodeContext& n) {
  const double alpha = n.Float("alpha", 0), beta = n.Float("beta", 0), norm = n.Float("norm_coefficient", 0);
  const std::string mode = n.String("mode", "standard");
  const auto step = ReadStep(n, 3);
  if (!step) return;
  if (mode != "standard" && mode != "nesterov") return n.Fail("mode '{}'; expected standard or nesterov", mode);
  const size_t tensors = step->at[0].size();
  const Expr gain = Where(step->count > 0.0, step->count * 0.0 + beta, step->count * 0.0 + 1.0);
  for (size_t t = 0; t < tensors; ++t) {
    const Expr x = step->at[0][t], g = x * norm + step->at[1][t];
    const Expr v = step->at[2][t] * alpha + gain * g;
    SetOutputs(n, t, tensors, {x - step->rate * (mode == "nesterov" ? g + v * alpha : v), v});
  }
}

constexpr std::string_view kTraining = "ai.onnx.preview.training";

constexpr OpRow kRows[] = {
    {kTraining, "Adagrad", 1, kNewest, Adagrad, ""},
    {kTraining, "Adam", 1, kNewest, Adam, ""},
    {kTraining, "Momentum", 1, kNewest, Momentum, ""},
};

}  // namespace

std::span<const OpRow> TrainingOps() { return kRows; }

}  // namespace quantpress::graph::onnx
