// Reading a tensor at positions that a run computes: what GridSample, RoiAlign and DeformConv have in common.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_SAMPLING_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_SAMPLING_H_

#include <vector>

#include "graph/build/expr.h"
#include "graph/import/onnx/ops/sizes.h"

namespace quantpress::graph::onnx {

// One neighbour along one axis: a whole number inside the axis, as a float, and its weight (invalid: 1).
struct AxisTap {
  Expr index;
  Expr weight;
};

// A tensor [N, C, S1, ... Sk] with the channels last, ready to be read: [N * S1 * ... * Sk, C].
struct SampleSource {
  Value rows;
  std::vector<Size> sizes;  // N, S1, ... Sk
};

SampleSource PrepareSource(GraphBuilder& b, Value x);

// Length of spatial axis `axis` as a float scalar.
Expr AxisLength(GraphBuilder& b, const SampleSource& source, size_t axis);

// For every element of the tap indices (which all broadcast with `batch`, int64) the weighted sum over all combinations of
// taps, one list of taps per spatial axis. The result has one more axis than the indices, the channels, at the end.
Value SampleTaps(GraphBuilder& b, const SampleSource& source, Value batch, const std::vector<std::vector<AxisTap>>& axes);

// Calls use(values, weight) for every combination of taps instead of adding them; values as above but not weighted, weight
// without the channel axis (invalid: 1).
template <typename Use>
void ForEachSample(GraphBuilder& b, const SampleSource& source, Value batch, const std::vector<std::vector<AxisTap>>& axes, Use use);

// 0, 1, ... N - 1 in a shape that broadcasts against [N, ...] of this rank.
Value BatchIndex(GraphBuilder& b, const Size& batch, size_t rank);

// The value of one combination: gathered rows at batch, index[0], ... index[k - 1].
Value GatherRows(GraphBuilder& b, const SampleSource& source, Value batch, const std::vector<Expr>& index);

template <typename Use>
void ForEachSample(GraphBuilder& b, const SampleSource& source, Value batch, const std::vector<std::vector<AxisTap>>& axes, Use use) {
  std::vector<size_t> at(axes.size(), 0);
  while (b.ok()) {
    std::vector<Expr> index;
    Expr weight{&b, {}};
    for (size_t i = 0; i < axes.size(); ++i) {
      const AxisTap& tap = axes[i][at[i]];
      index.push_back(tap.index);
      if (tap.weight.v.valid()) weight = weight.v.valid() ? weight * tap.weight : tap.weight;
    }
    use(GatherRows(b, source, batch, index), weight.v);
    size_t i = axes.size();
    while (i > 0 && ++at[i - 1] == axes[i - 1].size()) at[--i] = 0;
    if (i == 0) return;
  }
}

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_SAMPLING_H_
