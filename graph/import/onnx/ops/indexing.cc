// Picking and placing elements.
#include <numeric>

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

void Split(NodeContext& n) {
  const Value x = n.Input(0);
  const size_t rank = n.b.Rank(x), parts = n.output_count();
  const int64_t axis = n.Int("axis", 0);
  auto sizes = n.AxesInputOrAttribute("split", 1);
  if (!n.ok()) return;
  const auto a = NormalizeAxis(axis, rank);
  if (!a || parts == 0) return n.Fail("axis {} lies outside a tensor of rank {}", axis, rank);
  if (!sizes) {
    const Dim length = (*n.b.shape(x))[*a];
    if (!IsKnown(length)) return n.Fail("a split into equal parts of an axis of unknown size");
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

constexpr OpRow kRows[] = {
    {"", "Slice", 1, kNewest, Slice, ""},
    {"", "Gather", 1, kNewest, Gather, ""},
    {"", "Split", 1, kNewest, Split, ""},
};

}  // namespace

std::span<const OpRow> IndexingOps() { return kRows; }

}  // namespace quantpress::graph::onnx
