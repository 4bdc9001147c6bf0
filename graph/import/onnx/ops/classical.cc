// The operators of ai.onnx.ml that are arithmetic on tensors: scalers, linear models, feature selection.
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

using R = mnn::ReductionType;
using U = mnn::UnaryOpOperation;

Value AsFloat(NodeContext& n, size_t input) { return n.b.Cast(n.Input(input), ElementType::kFloat32); }

Value Row(NodeContext& n, const std::vector<float>& values) {
  return n.b.Floats(values, {static_cast<int64_t>(values.size())});
}

void Scaler(NodeContext& n) {
  Value x = AsFloat(n, 0);
  const std::vector<float> offset = n.Floats("offset"), scale = n.Floats("scale");
  if (!offset.empty()) x = n.b.Sub(x, Row(n, offset));
  if (!scale.empty()) x = n.b.Mul(x, Row(n, scale));
  n.SetOutput(0, x);
}

void Binarizer(NodeContext& n) {
  const Value x = AsFloat(n, 0);
  n.SetOutput(0, n.b.Cast(n.b.Greater(x, n.b.ScalarFloat(n.Float("threshold", 0))), ElementType::kFloat32));
}

// Rows over their sum, length or largest element; rows of zeros stay.
void Normalizer(NodeContext& n) {
  const Value x = AsFloat(n, 0);
  const std::string norm = n.String("norm", "MAX");
  if (!n.ok()) return;
  Value size;
  if (norm == "MAX") {
    size = n.b.Reduce(R::MAXIMUM, x, {-1}, true);
  } else if (norm == "L1") {
    size = n.b.Reduce(R::SUM, n.b.Unary(U::ABS, x), {-1}, true);
  } else if (norm == "L2") {
    size = n.b.Unary(U::SQRT, n.b.Reduce(R::SUM, n.b.Unary(U::SQUARE, x), {-1}, true));
  } else {
    return n.Fail("norm '{}'; expected MAX, L1 or L2", norm);
  }
  n.SetOutput(0, n.b.Div(x, n.b.Select(n.b.Equal(size, n.b.ScalarFloat(0)), n.b.ScalarFloat(1), size)));
}

void ArrayFeatureExtractor(NodeContext& n) {
  const Value x = n.Input(0), chosen = n.b.ReshapeTo(n.Input(1), {-1});
  const size_t rank = n.b.Rank(x);
  if (!n.ok()) return;
  if (rank == 0) return n.Fail("a scalar");
  const Value picked = n.b.Gather(x, chosen, static_cast<int64_t>(rank) - 1);
  n.SetOutput(0, rank == 1 ? n.b.Unsqueeze(picked, {0}) : picked);
}

void FeatureVectorizer(NodeContext& n) {
  std::vector<Value> parts;
  for (size_t i = 0; i < n.input_count(); ++i) {
    const Value x = AsFloat(n, i);
    const size_t rank = n.b.Rank(x);
    if (!n.ok()) return;
    if (rank < 1 || rank > 2) return n.Fail("a tensor of shape {}; expected rank 1 or 2", ShapeText(n.b.shape(x)));
    parts.push_back(rank == 1 ? n.b.Unsqueeze(x, {1}) : x);
  }
  n.SetOutput(0, n.b.Concat(std::move(parts), 1));
}

Value PostTransform(NodeContext& n, Value scores) {
  const std::string transform = n.String("post_transform", "NONE");
  if (!n.ok() || transform == "NONE") return scores;
  if (transform == "SOFTMAX") return n.b.Softmax(scores, -1);
  if (transform == "LOGISTIC") return n.b.Unary(U::SIGMOID, scores);
  n.Fail("post_transform '{}'; expected NONE, SOFTMAX or LOGISTIC", transform);
  return {};
}

// x times the rows of `coefficients` plus `intercepts`: [N, rows]
Value LinearScores(NodeContext& n, Value x, int64_t rows) {
  const std::vector<float> coefficients = n.Floats("coefficients"), intercepts = n.Floats("intercepts");
  const size_t rank = n.b.Rank(x);
  if (!n.ok()) return {};
  const auto count = static_cast<int64_t>(coefficients.size());
  if ((rank != 1 && rank != 2) || rows < 1 || count == 0 || count % rows != 0 ||
      (!intercepts.empty() && static_cast<int64_t>(intercepts.size()) != rows)) {
    n.Fail("{} coefficients and {} intercepts for {} results of a tensor of shape {}", count, intercepts.size(), rows, ShapeText(n.b.shape(x)));
    return {};
  }
  if (rank == 1) x = n.b.Unsqueeze(x, {0});
  const Value scores = n.b.MatMul(x, n.b.Floats(coefficients, {rows, count / rows}), false, true);
  return intercepts.empty() ? scores : n.b.Add(scores, Row(n, intercepts));
}

void LinearRegressor(NodeContext& n) { n.SetOutput(0, PostTransform(n, LinearScores(n, AsFloat(n, 0), n.Int("targets", 1)))); }

void LinearClassifier(NodeContext& n) {
  const std::vector<int64_t> labels = n.Ints("classlabels_ints");
  if (!n.Strings("classlabels_strings").empty()) return n.Fail("labels that are strings; the runtime has no strings");
  if (labels.size() < 2) return n.Fail("{} labels; expected 2 or more", labels.size());
  const Value scores = LinearScores(n, AsFloat(n, 0), static_cast<int64_t>(labels.size()));
  if (!n.ok()) return;
  n.SetOutput(0, n.b.Gather(n.b.IntList(labels), n.b.ArgMax(scores, -1, false), 0));
  n.SetOutput(1, PostTransform(n, scores));
}

constexpr OpRow kRows[] = {
    {"ai.onnx.ml", "ArrayFeatureExtractor", 1, kNewest, ArrayFeatureExtractor, ""},
    {"ai.onnx.ml", "Binarizer", 1, kNewest, Binarizer, ""},
    {"ai.onnx.ml", "FeatureVectorizer", 1, kNewest, FeatureVectorizer, ""},
    {"ai.onnx.ml", "LinearClassifier", 1, kNewest, LinearClassifier, "integer labels, one row of coefficients a label"},
    {"ai.onnx.ml", "LinearRegressor", 1, kNewest, LinearRegressor, ""},
    {"ai.onnx.ml", "Normalizer", 1, kNewest, Normalizer, ""},
    {"ai.onnx.ml", "Scaler", 1, kNewest, Scaler, ""},
};

}  // namespace

std::span<const OpRow> ClassicalOps() { return kRows; }

}  // namespace quantpress::graph::onnx
