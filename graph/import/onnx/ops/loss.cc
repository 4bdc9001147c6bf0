// Losses, from their definition: pick the log-probability of the target class, weigh it, reduce.
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/softmax.h"

namespace quantpress::graph::onnx {
namespace {

using R = mnn::ReductionType;

// -weight[target] * log_prob[target] over x [N, C, d1, ...] and target [N, d1, ...].
void NegativeLogLikelihood(NodeContext& n, Value log_prob, Value target, Value weight) {
  const size_t rank = n.b.Rank(log_prob);
  const std::string reduction = n.String("reduction", "mean");
  if (!n.ok()) return;
  if (rank < 2) return n.Fail("a score tensor of rank {}; expected [N, C, ...]", rank);
  if (reduction != "none" && reduction != "sum" && reduction != "mean") {
    return n.Fail("reduction '{}'; expected none, sum or mean", reduction);
  }
  std::vector<int64_t> behind;  // axes after the class axis
  for (size_t i = 2; i < rank; ++i) behind.push_back(static_cast<int64_t>(i) - 1);
  const Value count = n.b.DimOf(log_prob, 1);
  const Value classes = n.b.Unsqueeze(n.b.Range(n.b.ScalarInt(0), count, n.b.ScalarInt(1)), behind);
  const Value wanted = n.b.Unsqueeze(n.b.Cast(target, ElementType::kInt64), {1});
  Value hit = n.b.Equal(wanted, classes);
  const bool ignores = n.Has("ignore_index");
  if (ignores) {
    const Value ignored = n.b.Equal(wanted, n.b.ScalarInt(n.Int("ignore_index", 0)));
    hit = n.b.LogicalAnd(hit, n.b.LogicalNot(ignored));
  }
  // Select, not multiply: what is not picked may be infinite.
  const Value zero = n.b.ScalarLike(0, log_prob);
  Value weights;
  if (weight.valid()) weights = n.b.Unsqueeze(weight, behind);
  const Value scored = weights.valid() ? n.b.Mul(log_prob, weights) : log_prob;
  const Value loss = n.b.Unary(mnn::UnaryOpOperation::NEG, n.b.Reduce(R::SUM, n.b.Select(hit, scored, zero), {1}, false));
  if (reduction == "none") return n.SetOutput(0, loss);
  if (reduction == "mean" && !weights.valid() && !ignores) return n.SetOutput(0, n.b.Reduce(R::MEAN, loss, {}, false));
  const Value sum = n.b.Reduce(R::SUM, loss, {}, false);
  if (reduction == "sum") return n.SetOutput(0, sum);
  const Value one = weights.valid() ? weights : n.b.ScalarLike(1, log_prob);
  n.SetOutput(0, n.b.Div(sum, n.b.Reduce(R::SUM, n.b.Select(hit, one, zero), {}, false)));
}

void NegativeLogLikelihoodLoss(NodeContext& n) {
  NegativeLogLikelihood(n, n.Input(0), n.Input(1), n.OptionalInput(2));
}

void SoftmaxCrossEntropyLoss(NodeContext& n) {
  const Value log_prob = LogSoftmaxAlong(n.b, n.Input(0), 1);
  if (n.OutputUsed(1)) n.SetOutput(1, log_prob);
  NegativeLogLikelihood(n, log_prob, n.Input(1), n.OptionalInput(2));
}

constexpr OpRow kRows[] = {
    {"", "NegativeLogLikelihoodLoss", 12, kNewest, NegativeLogLikelihoodLoss, ""},
    {"", "SoftmaxCrossEntropyLoss", 12, kNewest, SoftmaxCrossEntropyLoss, ""},
};

}  // namespace

std::span<const OpRow> LossOps() { return kRows; }

}  // namespace quantpress::graph::onnx
