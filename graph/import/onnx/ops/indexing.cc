// Slices, gathers, splits and padding.
#include <numeric>

#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

void Slice(NodeContext& n) {
  const Value x = n.Input(0);
  if (n.opset() < 10) {
    const std::vector<int64_t> starts = n.Ints("starts");
    std::vector<int64_t> axes(starts.size());
    std::iota(axes.begin(), axes.end(), 0);
    return n.SetOutput(0, n.b.Slice(x, starts, n.Ints("ends"), n.Ints("axes", axes)));
  }
  n.SetOutput(0, n.b.SliceDynamic(x, n.Input(1), n.Input(2), n.OptionalInput(3), n.OptionalInput(4)));
}

void Gather(NodeContext& n) { n.SetOutput(0, n.b.Gather(n.Input(0), n.Input(1), n.Int("axis", 0))); }

void GatherElements(NodeContext& n) { n.SetOutput(0, n.b.GatherElements(n.Input(0), n.Input(1), n.Int("axis", 0))); }

void GatherND(NodeContext& n) { n.SetOutput(0, n.b.GatherND(n.Input(0), n.Input(1), n.Int("batch_dims", 0))); }

// Parts whose sizes a run knows: one slice each.
void SplitAtRunTime(NodeContext& n, Value x, size_t axis, Value sizes) {
  const auto parts = static_cast<int64_t>(n.output_count());
  const Value axes = n.b.IntList({static_cast<int64_t>(axis)});
  // Equal parts, the last one smaller: every part is ceil(length / parts).
  const Value length = sizes.valid() ? Value{} : n.b.Reshape(n.b.DimOf(x, axis), n.b.IntList({1}));
  const Value chunk = sizes.valid() ? Value{} : n.b.Div(n.b.Add(length, n.b.IntList({parts - 1})), n.b.IntList({parts}));
  Value begin = n.b.IntList({0});
  for (int64_t i = 0; i < parts; ++i) {
    const Value size = sizes.valid() ? n.b.Slice(sizes, {i}, {i + 1}, {0}) : chunk;
    const Value end = n.b.Add(begin, size);
    n.SetOutput(static_cast<size_t>(i), n.b.SliceDynamic(x, begin, end, axes, {}));
    begin = end;
  }
}

void Split(NodeContext& n) {
  const Value x = n.Input(0);
  const size_t rank = n.b.Rank(x), parts = n.output_count();
  const int64_t axis = n.Int("axis", 0);
  if (!n.ok()) return;
  const auto a = NormalizeAxis(axis, rank);
  if (!a || parts == 0) return n.Fail("axis {} lies outside a tensor of rank {}", axis, rank);
  std::optional<std::vector<int64_t>> sizes;
  if (n.Has("split")) {
    sizes = n.Ints("split");
  } else if (const Value given = n.OptionalInput(1); given.valid()) {
    sizes = n.b.ConstantInts(given);
    if (!sizes) return SplitAtRunTime(n, x, *a, given);
  }
  if (!n.ok()) return;
  if (!sizes) {
    const Dim length = (*n.b.shape(x))[*a];
    if (!IsKnown(length)) return SplitAtRunTime(n, x, *a, {});
    // The last part is the smaller one where the length does not divide.
    const auto count = static_cast<int64_t>(parts);
    const int64_t size = (length + count - 1) / count;
    sizes.emplace();
    for (int64_t left = length; sizes->size() < parts; left -= sizes->back()) sizes->push_back(std::min(size, std::max<int64_t>(left, 0)));
  }
  if (sizes->size() != parts) return n.Fail("{} sizes for {} outputs", sizes->size(), parts);
  const std::vector<Value> out = n.b.Split(x, axis, *sizes);
  for (size_t i = 0; i < out.size(); ++i) n.SetOutput(i, out[i]);
}

// Pads of all axes, from those of some.
std::vector<int64_t> FullPads(NodeContext& n, const std::vector<int64_t>& pads, const std::vector<int64_t>& axes, size_t rank) {
  std::vector<int64_t> full(2 * rank, 0);
  if (pads.size() != 2 * axes.size()) {
    n.Fail("{} pads for {} axes; expected {}", pads.size(), axes.size(), 2 * axes.size());
    return full;
  }
  for (size_t i = 0; i < axes.size(); ++i) {
    const auto a = NormalizeAxis(axes[i], rank);
    if (!a) {
      n.Fail("axis {} lies outside a tensor of rank {}", axes[i], rank);
      return full;
    }
    full[*a] = pads[i];
    full[*a + rank] = pads[i + axes.size()];
  }
  return full;
}

// The same where the axes are computed: each pad goes to the axes that its own axis equals.
Value SpreadPads(NodeContext& n, Value pads, Value axes, size_t rank) {
  const auto size = static_cast<int64_t>(rank);
  n.b.AssumeRank(axes, 1);
  const Value wrapped = n.b.Binary(mnn::BinaryOpOperation::MOD, n.b.Cast(axes, ElementType::kInt32), n.b.ScalarInt(size, ElementType::kInt32));
  const Value all = n.b.Range(n.b.ScalarInt(0, ElementType::kInt32), n.b.ScalarInt(size, ElementType::kInt32), n.b.ScalarInt(1, ElementType::kInt32));
  const Value hit = n.b.Cast(n.b.Equal(n.b.Unsqueeze(wrapped, {1}), all), ElementType::kInt32);  // [axes, rank]
  const Value pairs = n.b.Unsqueeze(n.b.ReshapeTo(n.b.Cast(pads, ElementType::kInt32), {2, -1}), {2});  // [2, axes, 1]
  return n.b.ReshapeTo(n.b.Reduce(mnn::ReductionType::SUM, n.b.Mul(pairs, hit), {1}, false), {-1});
}

void Pad(NodeContext& n) {
  const Value x = n.Input(0);
  const std::string mode = n.String("mode", "constant");
  const bool as_attributes = n.opset() < 11;
  Value value;
  if (as_attributes) value = n.b.ScalarFloat(n.Float("value", 0));
  else value = n.OptionalInput(2);
  std::optional<std::vector<int64_t>> pads;
  Value computed;
  if (as_attributes) {
    pads = n.Ints(n.Has("pads") ? "pads" : "paddings");
  } else {
    computed = n.Input(1);
    pads = n.b.ConstantInts(computed);
  }
  if (!n.ok()) return;
  if (pads && !n.HasInput(3)) n.b.AssumeRank(x, pads->size() / 2);
  const size_t rank = n.b.Rank(x);
  if (!n.ok()) return;
  std::vector<int64_t> axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  if (const Value given = n.OptionalInput(3); given.valid()) {
    if (const auto known = n.b.ConstantInts(given)) {
      axes = *known;
    } else {
      if (pads) computed = n.b.IntList(*pads);
      computed = SpreadPads(n, computed, given, rank);
      pads.reset();
    }
  }
  if (!n.ok()) return;
  if (mode == "wrap") return n.SetOutput(0, n.b.PadWrap(x, pads ? n.b.IntList(*pads) : computed, axes));
  if (pads) pads = FullPads(n, *pads, axes, rank);
  if (!n.ok()) return;
  mnn::PadValueMode kind = mnn::PadValueMode::CONSTANT;
  if (mode == "reflect") kind = mnn::PadValueMode::REFLECT;
  else if (mode == "edge") kind = mnn::PadValueMode::EDGE;
  else if (mode != "constant") return n.Fail("mode '{}'; expected constant, reflect, edge or wrap", mode);
  n.SetOutput(0, pads ? n.b.Pad(x, *pads, kind, value) : n.b.PadDynamic(x, computed, axes, kind, value));
}

constexpr OpRow kRows[] = {
    {"", "Slice", 1, kNewest, Slice, ""},
    {"", "Gather", 1, kNewest, Gather, ""},
    {"", "GatherElements", 11, kNewest, GatherElements, ""},
    {"", "GatherND", 11, kNewest, GatherND, ""},
    {"", "Split", 1, kNewest, Split, ""},
    {"", "Pad", 1, kNewest, Pad, ""},
};

}  // namespace

std::span<const OpRow> IndexingOps() { return kRows; }

}  // namespace quantpress::graph::onnx
