// Activation functions.
#include <limits>

#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

using B = mnn::BinaryOpOperation;
using U = mnn::UnaryOpOperation;

template <U kOp>
void Unary(NodeContext& n) {
  n.SetOutput(0, n.b.Unary(kOp, n.Input(0)));
}

void Relu(NodeContext& n) { n.SetOutput(0, n.b.Relu(n.Input(0))); }
void LeakyRelu(NodeContext& n) { n.SetOutput(0, n.b.Relu(n.Input(0), n.Float("alpha", 0.01f))); }

// The limits are attributes before opset 11, inputs from then on.
void Clip(NodeContext& n) {
  Value x = n.Input(0);
  Value low = n.OptionalInput(1), high = n.OptionalInput(2);
  if (n.Has("min")) low = n.b.ScalarFloat(n.Float("min", 0));
  if (n.Has("max")) high = n.b.ScalarFloat(n.Float("max", 0));
  if (!n.ok()) return;
  const auto lo = n.b.ConstantFloats(low), hi = n.b.ConstantFloats(high);
  const bool constant = (!low.valid() || (lo && lo->size() == 1)) && (!high.valid() || (hi && hi->size() == 1));
  if (constant && IsFloat(n.b.type(x)) && (low.valid() || high.valid())) {
    const float l = lo ? (*lo)[0] : std::numeric_limits<float>::lowest();
    const float h = hi ? (*hi)[0] : std::numeric_limits<float>::max();
    // With crossed limits the upper one wins.
    return n.SetOutput(0, n.b.Clip(x, std::min(l, h), h));
  }
  if (low.valid()) x = n.b.Max(x, low);
  if (high.valid()) x = n.b.Min(x, high);
  n.SetOutput(0, x);
}

void Softmax(NodeContext& n) {
  const Value x = n.Input(0);
  if (n.opset() >= 13) return n.SetOutput(0, n.b.Softmax(x, n.Int("axis", -1)));
  // Before opset 13 the tensor is seen as a matrix: axes before `axis` are rows, the others one column axis.
  const size_t rank = n.b.Rank(x);
  const auto axis = NormalizeAxis(n.Int("axis", 1), rank);
  if (!n.ok()) return;
  if (!axis) return n.Fail("axis {} lies outside a tensor of rank {}", n.Int("axis", 1), rank);
  if (*axis + 1 == rank) return n.SetOutput(0, n.b.Softmax(x, -1));
  const Shape shape = *n.b.shape(x);
  std::vector<int64_t> dims(shape.begin(), shape.begin() + static_cast<int64_t>(*axis));
  for (size_t i = 0; i < dims.size(); ++i) dims[i] = 0;
  dims.push_back(-1);
  const Value rows = n.b.ReshapeTo(x, dims);
  n.SetOutput(0, n.b.ReshapeLike(n.b.Softmax(rows, -1), shape, n.b.ShapeOf(x)));
}

constexpr OpRow kRows[] = {
    {"", "Relu", 1, kNewest, Relu, ""},
    {"", "LeakyRelu", 1, kNewest, LeakyRelu, ""},
    {"", "Sigmoid", 1, kNewest, Unary<U::SIGMOID>, ""},
    {"", "Tanh", 1, kNewest, Unary<U::TANH>, ""},
    {"", "Clip", 1, kNewest, Clip, ""},
    {"", "Softmax", 1, kNewest, Softmax, ""},
};

}  // namespace

std::span<const OpRow> ActivationOps() { return kRows; }

}  // namespace quantpress::graph::onnx
