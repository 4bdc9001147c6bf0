// Layer normalisation written out, over the last axis:
//   (x - mean(x)) / sqrt(mean((x - mean(x))^2) + epsilon)   and, without the mean,   x / sqrt(mean(x^2) + epsilon)
// become the runtime's LayerNorm: one pass over the data instead of seven. Constants that are multiplied and added behind it
// become its gamma and beta.
#include "graph/passes/match.h"
#include "graph/passes/passes.h"

namespace quantpress::graph {
namespace {

using B = mnn::BinaryOpOperation;
using U = mnn::UnaryOpOperation;

struct Normalization {
  int x = -1;
  float epsilon = 0;
  bool rms = false;
};

// x where t is the mean of x over its last axis, which stays.
std::optional<int> MeanOf(GraphIndex& index, int t) {
  const Op* op = index.Producer(t);
  if (op == nullptr || op->type != mnn::OpType::Reduction || op->inputs.size() != 1) return std::nullopt;
  const auto* param = TableOf<mnn::ReductionParamT>(op->main);
  const auto* shape = index.ShapeOf(op->inputs[0]);
  if (param == nullptr || shape == nullptr || param->operation != mnn::ReductionType::MEAN || !param->keepDims) return std::nullopt;
  if (param->dim.size() != 1 || param->dim[0] + 1 != static_cast<int32_t>(shape->size())) return std::nullopt;
  return op->inputs[0];
}

// v where t = 1 / sqrt(v).
std::optional<int> InverseRootOf(GraphIndex& index, int t) {
  const Op* op = index.Producer(t);
  if (IsUnary(op, U::RSQRT)) return op->inputs[0];
  const bool inverse = IsUnary(op, U::RECIPROCAL);
  const bool quotient = IsBinary(op, B::REALDIV) && ScalarOf(index, op->inputs[0]) == 1.0f;
  if (!inverse && !quotient) return std::nullopt;
  const Op* root = index.Producer(op->inputs[inverse ? 0 : 1]);
  return IsUnary(root, U::SQRT) ? std::optional(root->inputs[0]) : std::nullopt;
}

// What `value` divided by the root of `power` is.
std::optional<Normalization> Match(GraphIndex& index, int value, int power) {
  const Op* sum = index.Producer(power);
  if (!IsBinary(sum, B::ADD)) return std::nullopt;
  for (size_t side = 0; side < 2; ++side) {
    const auto epsilon = ScalarOf(index, sum->inputs[1 - side]);
    const auto square = MeanOf(index, sum->inputs[side]);
    if (!epsilon || !square) continue;
    const Op* centred = index.Producer(value);
    const bool has_mean = IsBinary(centred, B::SUB) && MeanOf(index, centred->inputs[1]) == centred->inputs[0];
    const Op* difference = index.Producer(*square);
    const bool same_difference = has_mean && IsBinary(difference, B::SquaredDifference) && difference->inputs == centred->inputs;
    if (!same_difference && SquareOf(index, *square) != value) continue;
    return Normalization{has_mean ? centred->inputs[0] : value, *epsilon, !has_mean};
  }
  return std::nullopt;
}

std::optional<Normalization> Match(GraphIndex& index, const Op& op) {
  if (IsBinary(&op, B::REALDIV)) {
    const Op* root = index.Producer(op.inputs[1]);
    return IsUnary(root, U::SQRT) ? Match(index, op.inputs[0], root->inputs[0]) : std::nullopt;
  }
  if (!IsBinary(&op, B::MUL)) return std::nullopt;
  for (size_t side = 0; side < 2; ++side) {
    const auto power = InverseRootOf(index, op.inputs[side]);
    if (!power) continue;
    if (const auto match = Match(index, op.inputs[1 - side], *power)) return match;
  }
  return std::nullopt;
}

// The elements of tensor t, one per position of the last axis, if it is such a constant or a single number.
std::optional<std::vector<float>> PerElement(GraphIndex& index, int t, size_t rank, size_t count) {
  const auto constant = FloatsOf(index.ConstProducer(t));
  if (!constant || constant->shape.size() > rank) return std::nullopt;
  const uint64_t given = constant->data->count();
  if (given != 1 && (given != count || constant->shape.back() != static_cast<int64_t>(count))) return std::nullopt;
  std::vector<float> values(given);
  constant->data->ReadFloats(0, values);
  if (given == 1) values.assign(count, values[0]);
  return values;
}

// LayerNorm -> product or sum with a constant.
void FoldAffine(GraphIndex& index, Op& op) {
  const bool product = IsBinary(&op, B::MUL);
  if (!product && !IsBinary(&op, B::ADD)) return;
  for (size_t side = 0; side < 2; ++side) {
    Op* producer = index.Producer(op.inputs[side]);
    if (producer == nullptr || producer->type != mnn::OpType::LayerNorm || index.OnlyUser(op.inputs[side]) != &op) continue;
    auto* norm = TableOf<mnn::LayerNormT>(producer->main);
    const auto* shape = index.ShapeOf(op.inputs[side]);
    if (norm == nullptr || shape == nullptr || norm->axis != std::vector<int32_t>{-1} || norm->gamma.size() != norm->beta.size()) continue;
    if (norm->gamma.empty() || (!product && norm->useRMSNorm)) continue;
    const auto values = PerElement(index, op.inputs[1 - side], shape->size(), norm->gamma.size());
    if (!values) continue;
    for (size_t i = 0; i < values->size(); ++i) {
      if (product) norm->gamma[i] *= (*values)[i];
      norm->beta[i] = product ? norm->beta[i] * (*values)[i] : norm->beta[i] + (*values)[i];
    }
    producer->name = op.name;
    index.MoveOutput(producer, op.outputs[0]);
    return;
  }
}

}  // namespace

Status FuseLayerNorm(Graph& graph, const ImportOptions& options) {
  if (options.for_training) return absl::OkStatus();
  GraphIndex index(&graph);
  for (Op& op : graph.ops) {
    if (op.type != mnn::OpType::BinaryOp) continue;
    const auto match = Match(index, op);
    const auto* shape = match ? index.ShapeOf(match->x) : nullptr;
    if (shape == nullptr || shape->empty() || shape->back() < 1) {
      FoldAffine(index, op);
      continue;
    }
    mnn::LayerNormT param;
    param.axis = {-1};
    param.epsilon = match->epsilon;
    param.useRMSNorm = match->rms;
    param.gamma.assign(static_cast<size_t>(shape->back()), 1.0f);
    param.beta.assign(static_cast<size_t>(shape->back()), 0.0f);
    index.Become(&op, mnn::OpType::LayerNorm, Param(std::move(param)), {match->x});
  }
  index.Commit();
  return absl::OkStatus();
}

}  // namespace quantpress::graph
