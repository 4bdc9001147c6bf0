// Pooling written as arithmetic on strided slices, one per kernel tap: for the forms that the runtime's pooling lacks or
// gets wrong (dilation, indices of the maximum, three spatial axes, Lp sums).
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_POOLING_TAPS_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_POOLING_TAPS_H_

#include "graph/import/onnx/ops/window.h"

namespace quantpress::graph::onnx {

// Output sizes of a pooling window by ONNX's rule; symbols where the input's are unknown.
Shape PooledShape(NodeContext& node, const Shape& input, const Window& window, bool ceil_mode);

// The maximum over each window; with `indices`, also where it lies in the flattened input (ONNX MaxPool output 1).
// Errors (through the node): sizes that are not known at conversion time.
Value MaxOfTaps(NodeContext& node, Value x, const Window& window, const Shape& out, bool column_major, Value* indices);

// The sum over each window; elements in the padding count as zero.
Value SumOfTaps(NodeContext& node, Value x, const Window& window, const Shape& out);

// How many elements each window position averages over, as a constant of shape [1, 1, out...].
Value TapCounts(NodeContext& node, const Shape& in, const Window& window, const Shape& out, bool include_pad);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_POOLING_TAPS_H_
