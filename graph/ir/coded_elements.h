// Tensors whose elements are integer codes times scales, as a quantized source model holds them.
#ifndef QUANTPRESS_GRAPH_IR_CODED_ELEMENTS_H_
#define QUANTPRESS_GRAPH_IR_CODED_ELEMENTS_H_

#include <cstdint>

#include "graph/ir/tensor_source.h"

namespace quantpress::graph {

// A second face of a TensorSource: element i is (codes[i] - center()) * ScaleOf(i), one float32 product. Sources that can say so
// implement it; whatever changes the numbers (a factor per channel, a cast) does not.
class CodedElements {
 public:
  virtual ~CodedElements() = default;

  // Width of a code: 4 or 8. 0: the elements are not of this form (a zero point elsewhere than in the middle of the range,
  // a scale that is not finite, another width); nothing else may be asked then.
  virtual int CodeBits() const = 0;
  // The code of 0.0: 0 for signed codes, the middle of the range for unsigned ones.
  virtual int64_t Center() const = 0;
  virtual TensorSourcePtr Codes() const = 0;
  virtual float ScaleOf(uint64_t element) const = 0;
  // Elements from `element` on that are known to share its scale, at least 1. There may be more: see GroupsShareScale.
  virtual uint64_t ScaleRun(uint64_t element) const = 0;

  // Each run of `group_size` elements has one scale. Precondition: group_size divides the number of elements.
  bool GroupsShareScale(uint64_t group_size) const;
};

// That face of `source`, or null where it has none.
const CodedElements* CodedElementsOf(const TensorSourcePtr& source);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IR_CODED_ELEMENTS_H_
