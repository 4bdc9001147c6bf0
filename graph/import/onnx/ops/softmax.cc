// Softmax and its kin.
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/softmax.h"

namespace quantpress::graph::onnx {

Value LogSoftmaxAlong(GraphBuilder& b, Value x, int64_t axis) {
  if (!b.ok() || !x.valid()) return {};
  using R = mnn::ReductionType;
  using U = mnn::UnaryOpOperation;
  if (b.Rank(x) == 0) return b.Sub(x, x);
  const Value shifted = b.Sub(x, b.Reduce(R::MAXIMUM, x, {axis}, true));
  return b.Sub(shifted, b.Unary(U::LOG, b.Reduce(R::SUM, b.Unary(U::EXP, shifted), {axis}, true)));
}

namespace {

// 1 at the first largest element, 0 elsewhere.
Value HardmaxAlong(GraphBuilder& b, Value x, int64_t axis) {
  const size_t rank = b.Rank(x);
  const auto a = NormalizeAxis(axis, rank);
  if (!b.ok() || !a) return b.Fail(InvalidInput("axis {} lies outside a tensor of rank {}", axis, rank));
  const Value count = b.DimOf(x, *a);
  Value places = b.Range(b.ScalarInt(0), count, b.ScalarInt(1));
  std::vector<int64_t> added;
  for (size_t i = *a + 1; i < rank; ++i) added.push_back(static_cast<int64_t>(i - *a));
  places = b.Unsqueeze(places, added);
  const Value hit = b.Equal(b.ArgMax(x, static_cast<int64_t>(*a), true), places);
  return b.Opaque(b.Cast(hit, b.type(x)), b.shape(x));
}

// Before opset 13 the tensor is seen as a matrix: axes before `axis` are rows, the others one column axis.
template <Value (*kAlong)(GraphBuilder&, Value, int64_t)>
void Along(NodeContext& n) {
  const Value x = n.Input(0);
  if (n.opset() >= 13) return n.SetOutput(0, kAlong(n.b, x, n.Int("axis", -1)));
  const size_t rank = n.b.Rank(x);
  const auto axis = NormalizeAxis(n.Int("axis", 1), rank);
  if (!n.ok()) return;
  if (!axis) return n.Fail("axis {} lies outside a tensor of rank {}", n.Int("axis", 1), rank);
  if (*axis + 1 == rank) return n.SetOutput(0, kAlong(n.b, x, -1));
  const Shape shape = *n.b.shape(x);
  std::vector<int64_t> dims(*axis, 0);
  dims.push_back(-1);
  n.SetOutput(0, n.b.ReshapeLike(kAlong(n.b, n.b.ReshapeTo(x, dims), -1), shape, n.b.ShapeOf(x)));
}

Value SoftmaxAlong(GraphBuilder& b, Value x, int64_t axis) { return b.Softmax(x, axis); }

constexpr OpRow kRows[] = {
    {"", "Softmax", 1, kNewest, Along<SoftmaxAlong>, ""},
    {"", "LogSoftmax", 1, kNewest, Along<LogSoftmaxAlong>, ""},
    {"", "Hardmax", 1, kNewest, Along<HardmaxAlong>, ""},
};

}  // namespace

std::span<const OpRow> SoftmaxOps() { return kRows; }

}  // namespace quantpress::graph::onnx
