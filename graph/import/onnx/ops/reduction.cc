// Reductions.
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

using R = mnn::ReductionType;

// Axes are an attribute, from opset 18 (ReduceSum: 13) an input.
template <R kOp>
void Reduce(NodeContext& n) {
  const Value x = n.Input(0);
  const auto axes = n.AxesInputOrAttribute("axes", 1);
  const bool keep = n.Int("keepdims", 1) != 0;
  if (!n.ok()) return;
  if ((!axes || axes->empty()) && n.Int("noop_with_empty_axes", 0) != 0) return n.SetOutput(0, x);
  n.SetOutput(0, n.b.Reduce(kOp, x, axes.value_or(std::vector<int64_t>{}), keep));
}

constexpr OpRow kRows[] = {
    {"", "ReduceMean", 1, kNewest, Reduce<R::MEAN>, ""},
    {"", "ReduceSum", 1, kNewest, Reduce<R::SUM>, ""},
    {"", "ReduceMax", 1, kNewest, Reduce<R::MAXIMUM>, ""},
    {"", "ReduceMin", 1, kNewest, Reduce<R::MINIMUM>, ""},
    {"", "ReduceProd", 1, kNewest, Reduce<R::PROD>, ""},
};

}  // namespace

std::span<const OpRow> ReductionOps() { return kRows; }

}  // namespace quantpress::graph::onnx
