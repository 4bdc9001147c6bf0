// Layers that compute with int8, as the runtime wants them.
#ifndef QUANTPRESS_GRAPH_EXPORT_INT8_LAYER_H_
#define QUANTPRESS_GRAPH_EXPORT_INT8_LAYER_H_

#include <span>

#include "dispatch/plan.h"
#include "graph/export/fill_measure.h"
#include "graph/ir/model.h"

namespace quantpress::graph {

// Adds what makes `op`, a convolution of `graph` with symmetric 8-bit weights, compute with int8: scales and zero
// points of input and output in its parameters, and descriptions of the two tensors where there are none yet (the first
// layer that has a tensor decides). Precondition: the op has an input and an output.
void ComputeWithInt8(const dispatch::Int8Layer& layer, Op* op, Graph* graph);

// Codes `rows` rows of weights from `first` on: one byte each to `indexes` (code + 128), one float per row to `scales`.
// The weights are finite. `measure` may be null.
void CodeInt8(const dispatch::WeightPlan& plan, const float* weights, uint64_t first, uint64_t rows,
              std::span<uint8_t> indexes, std::span<std::byte> scales, Measure* measure);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_INT8_LAYER_H_
