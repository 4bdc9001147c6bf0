// Writing elements by index.
#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

using Reduction = GraphBuilder::Reduction;

Reduction ReadReduction(NodeContext& n) {
  const std::string name = n.String("reduction", "none");
  if (name == "none") return Reduction::kNone;
  if (name == "add") return Reduction::kAdd;
  if (name == "mul") return Reduction::kMul;
  if (name == "min") return Reduction::kMin;
  if (name == "max") return Reduction::kMax;
  n.Fail("reduction '{}'; expected none, add, mul, min or max", name);
  return Reduction::kNone;
}

void ScatterElements(NodeContext& n) {
  const Reduction reduction = ReadReduction(n);
  n.SetOutput(0, n.b.ScatterElements(n.Input(0), n.Input(1), n.Input(2), n.Int("axis", 0), reduction));
}

void ScatterND(NodeContext& n) {
  const Reduction reduction = ReadReduction(n);
  n.SetOutput(0, n.b.ScatterND(n.Input(0), n.Input(1), n.Input(2), reduction));
}

// Writes `update` into a cache from a position of its own per batch entry on.
void TensorScatter(NodeContext& n) {
  const Value cache = n.Input(0), update = n.Input(1), where = n.OptionalInput(2);
  const size_t rank = n.b.Rank(cache);
  const int64_t axis = n.Int("axis", -2);
  const std::string mode = n.String("mode", "linear");
  if (!n.ok()) return;
  const auto a = NormalizeAxis(axis, rank);
  if (!a || *a == 0) return n.Fail("axis {} of a tensor of rank {}; axis 0 is the batch", axis, rank);
  if (mode != "linear" && mode != "circular") return n.Fail("mode '{}'; expected linear or circular", mode);
  n.b.AssumeRank(update, rank);
  const Value steps = n.b.Range(n.b.ScalarInt(0), n.b.DimOf(update, *a), n.b.ScalarInt(1));
  std::vector<int64_t> after(rank - 1 - *a), others;  // axes of size 1 behind the axis
  for (size_t i = 0; i < after.size(); ++i) after[i] = static_cast<int64_t>(i) + 1;
  Value positions = n.b.Unsqueeze(steps, after);
  if (where.valid()) {
    for (size_t i = 1; i < rank; ++i) others.push_back(static_cast<int64_t>(i));
    positions = n.b.Add(n.b.Unsqueeze(where, others), positions);
  }
  if (mode == "circular") positions = n.b.Binary(mnn::BinaryOpOperation::MOD, positions, n.b.DimOf(cache, *a));
  n.SetOutput(0, n.b.ScatterElements(cache, n.b.Expand(positions, n.b.ShapeOf(update)), update, static_cast<int64_t>(*a)));
}

constexpr OpRow kRows[] = {
    {"", "Scatter", 9, kNewest, ScatterElements, ""},
    {"", "ScatterElements", 11, kNewest, ScatterElements, "sums and products of integers are exact to 2^24"},
    {"", "ScatterND", 11, kNewest, ScatterND, "sums and products of integers are exact to 2^24"},
    {"", "TensorScatter", 24, kNewest, TensorScatter, ""},
};

}  // namespace

std::span<const OpRow> ScatterOps() { return kRows; }

}  // namespace quantpress::graph::onnx
