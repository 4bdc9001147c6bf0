// Unique: distinct elements, or distinct slices along an axis.
#include <numeric>

#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

using Kind = mnn::BinaryOpOperation;

struct UniqueParts {
  Value values, first, inverse, counts;
};

// Positions that sort a list of any length.
Value ArgSort(GraphBuilder& b, Value list) { return b.TopK(list, b.SizeOf(list), 0, false, false).indices; }

void SetOutputs(NodeContext& n, const UniqueParts& u) {
  n.SetOutput(0, u.values);
  n.SetOutput(1, u.first);
  n.SetOutput(2, u.inverse);
  n.SetOutput(3, u.counts);
}

void UniqueElements(NodeContext& n, Value x, bool sorted) {
  GraphBuilder& b = n.b;
  const ElementType type = b.type(x);
  x = b.Widen(b.ReshapeTo(x, {-1}));
  if (!n.ok()) return;
  const Shape list = {b.symbols()->Fresh()};
  // With two outputs the runtime gives other things than with four.
  const std::vector<Value> out = b.EmitMulti(mnn::OpType::Unique, {}, {x},
                                             {{type, list}, {ElementType::kInt64, list}, {ElementType::kInt64, b.shape(x)}, {ElementType::kInt64, list}});
  if (out.size() != 4) return;
  for (size_t i = 1; i < 4; ++i) b.MarkNonNegative(out[i]);
  UniqueParts u{out[0], out[1], out[2], out[3]};
  // The order is that of the bits: right for integers, wrong for negative floats.
  if (!sorted || IsFloat(type)) {
    const Value order = ArgSort(b, sorted ? u.values : u.first);
    u = {b.Gather(u.values, order, 0), b.Gather(u.first, order, 0),
         n.OutputUsed(2) ? b.Gather(ArgSort(b, order), u.inverse, 0) : u.inverse, b.Gather(u.counts, order, 0)};
  }
  SetOutputs(n, u);
}

// Every slice is compared with every other.
void UniqueSlices(NodeContext& n, Value x, size_t axis, bool sorted) {
  GraphBuilder& b = n.b;
  const size_t rank = b.Rank(x);
  const Dim length = (*b.shape(x))[axis];
  if (IsKnown(length) && length > 2048) return n.Fail("an axis of {} slices; at most 2048 are compared", length);
  std::vector<int64_t> perm(rank);
  std::iota(perm.begin(), perm.end(), 0);
  perm.erase(perm.begin() + static_cast<int64_t>(axis));
  perm.insert(perm.begin(), static_cast<int64_t>(axis));
  const Value rows = b.Cast(b.Widen(b.ReshapeTo(b.Transpose(x, perm), {0, -1})), ElementType::kFloat32);  // [n, m]
  const Value left = b.Unsqueeze(rows, {1}), right = b.Unsqueeze(rows, {0});
  const auto number = [&](Value v) { return b.Cast(v, ElementType::kFloat32); };
  const auto sum = [&](Value v, int64_t at) { return b.Reduce(mnn::ReductionType::SUM, v, {at}, false); };
  // Sign of the first difference of rows i and j: [n, n].
  const Value sign = b.Sub(number(b.Greater(left, right)), number(b.Greater(right, left)));
  const Value differs = b.Mul(sign, sign);
  mnn::CumSumT before;
  before.exclusive = true;
  const Value seen = b.Emit(mnn::OpType::CumSum, Param(before), {differs, b.ScalarInt(2, ElementType::kInt32)}, {ElementType::kFloat32, b.shape(differs)});
  const Value order = sum(b.Mul(sign, number(b.Equal(seen, b.ScalarFloat(0)))), 2);
  const Value same = number(b.Equal(order, b.ScalarFloat(0)));
  const Value positions = number(b.Range(b.ScalarInt(0), b.DimOf(x, axis), b.ScalarInt(1)));
  const Value earlier = number(b.Greater(b.Unsqueeze(positions, {1}), positions));  // [i, j]: j < i
  const Value is_first = number(b.Equal(sum(b.Mul(same, earlier), 1), b.ScalarFloat(0)));  // [n]
  // Distinct rows in front of row i, by value or by first appearance.
  Value rank_of = sum(b.Mul(number(b.Greater(order, b.ScalarFloat(0))), is_first), 1);
  const Value firsts_before = sum(b.Mul(earlier, is_first), 1);
  if (!sorted) rank_of = sum(b.Mul(b.Mul(same, is_first), firsts_before), 1);
  Value kept = b.Squeeze(b.NonZero(is_first), {1});
  if (sorted) kept = b.Gather(kept, ArgSort(b, b.Gather(rank_of, kept, 0)), 0);
  SetOutputs(n, {b.Gather(x, kept, static_cast<int64_t>(axis)), kept, b.Cast(rank_of, ElementType::kInt64),
                 b.Cast(b.Gather(sum(same, 1), kept, 0), ElementType::kInt64)});
}

void Unique(NodeContext& n) {
  const Value x = n.Input(0);
  const bool sorted = n.Int("sorted", 1) != 0;
  if (!n.Has("axis")) return n.ok() ? UniqueElements(n, x, sorted) : void();
  const size_t rank = n.b.Rank(x);
  const int64_t axis = n.Int("axis", 0);
  if (!n.ok()) return;
  const auto a = NormalizeAxis(axis, rank);
  if (!a) return n.Fail("axis {} lies outside a tensor of rank {}", axis, rank);
  UniqueSlices(n, x, *a, sorted);
}

constexpr OpRow kRows[] = {
    {"", "Unique", 11, kNewest, Unique, "along an axis: all pairs of slices are compared"},
};

}  // namespace

std::span<const OpRow> UniqueOps() { return kRows; }

}  // namespace quantpress::graph::onnx
