// Which scale belongs to which element of a quantized tensor.
//
// Element i sits at axis position a = i / inner % axis_length, outer index o = i / (inner * axis_length).
//   block == 0: scale index = a, or 0 where there is one scale
//   block > 0:  the scale tensor has the shape of the data with the axis cut down to blocks = ceil(axis_length / block):
//               scale index = (o * blocks + a / block) * inner + i % inner
#ifndef QUANTPRESS_GRAPH_IR_QUANTIZE_LAYOUT_H_
#define QUANTPRESS_GRAPH_IR_QUANTIZE_LAYOUT_H_

#include <algorithm>
#include <cstdint>

#include "graph/ir/tensor_source.h"

namespace quantpress::graph {

class ScaleIndexer {
 public:
  // `count` elements under `scales` scales.
  ScaleIndexer(DequantizeLayout layout, uint64_t count, uint64_t scales) : layout_(layout), count_(count), single_(scales == 1) {
    layout_.axis_length = std::max<uint64_t>(1, layout_.axis_length);
    layout_.inner = std::max<uint64_t>(1, layout_.inner);
  }

  uint64_t IndexOf(uint64_t element) const {
    if (single_) return 0;
    const uint64_t a = element / layout_.inner % layout_.axis_length;
    if (layout_.block == 0) return a;
    const uint64_t blocks = (layout_.axis_length + layout_.block - 1) / layout_.block;
    const uint64_t o = element / layout_.inner / layout_.axis_length;
    return (o * blocks + a / layout_.block) * layout_.inner + element % layout_.inner;
  }

  // Elements from `element` on that share one scale.
  uint64_t RunLength(uint64_t element) const {
    if (single_) return count_ - element;
    if (layout_.block == 0) return layout_.inner - element % layout_.inner;
    if (layout_.inner > 1) return 1;
    const uint64_t a = element % layout_.axis_length;
    return std::min(layout_.block - a % layout_.block, layout_.axis_length - a);
  }

 private:
  DequantizeLayout layout_;
  uint64_t count_;
  bool single_;
};

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IR_QUANTIZE_LAYOUT_H_
