// Tensors that a model computes in int8.
#ifndef QUANTPRESS_GRAPH_INT8_TENSORS_H_
#define QUANTPRESS_GRAPH_INT8_TENSORS_H_

#include <set>

#include "graph/ir/model.h"

namespace quantpress::graph {

// Tensors with a scale in the descriptions of a graph.
inline std::set<int> DescribedTensors(const Graph& graph) {
  std::set<int> tensors;
  for (const auto& describe : graph.tensor_describes) {
    if (describe->quantInfo != nullptr) tensors.insert(describe->index);
  }
  return tensors;
}

// Whether an op's first input and first output are both among `described`: the runtime then takes the op for one that
// computes with int8, and of a convolution that does not it reads the weights only where they are float32 or quantized,
// and in the model file.
inline bool IsBetweenInt8(const std::set<int>& described, const Op& op) {
  return !op.inputs.empty() && !op.outputs.empty() && described.contains(op.inputs.front()) &&
         described.contains(op.outputs.front());
}

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_INT8_TENSORS_H_
