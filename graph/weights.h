// The weight tensor of an op, as planning and export see it.
#ifndef QUANTPRESS_GRAPH_WEIGHTS_H_
#define QUANTPRESS_GRAPH_WEIGHTS_H_

#include <cstdint>
#include <optional>
#include <string>

#include "dispatch/plan.h"
#include "graph/ir/model.h"

namespace quantpress::graph {

// Constants with fewer elements stay float32 with --fp16: they hold epsilons, scales and limits that a half may lose, and there is
// nothing to gain.
inline constexpr uint64_t kMinHalfConstant = 256;

enum class WeightForm : uint8_t {
  kFloat,       // a convolution's float weights (of any float type in the source)
  kHalf,        // a convolution's weights as halves in quanParameter (type 3)
  kCoded,       // a convolution's weights in quanParameter, quantized or sparse
  kInt8Model,   // weights of an op that computes with int8 activations
  kFullyConnected,  // InnerProduct: the runtime reads float weights only
  kConstant,    // a float32 Const or TrainableParam of at least kMinHalfConstant elements
};

struct WeightView {
  WeightForm form = WeightForm::kFloat;
  TensorSourcePtr source;     // null for kCoded and kInt8Model
  uint64_t elements = 0;      // 0 where the coding does not say without decoding
  uint64_t stored_bytes = 0;  // in the source
};

// The weight tensor that the plan has an entry for, or nothing.
std::optional<WeightView> ViewWeight(const Op& op);

// Rows and columns of a convolution's weights. Convolution: a row is one output channel. Deconvolution, whose weights
// are [input][output][kernel]: a row is one input channel (or a few, so that it has at least 16 weights), or where that is hardly
// shorter than the slices of the stock converter, such a slice or a part of it; the runtime decodes any equal slices. Errors: the
// element count does not fit the op's channels.
StatusOr<dispatch::WeightGeometry> GeometryOf(const Op& op, uint64_t elements);

// The same for weights of an op that computes with int8 (WeightForm::kInt8Model), which are copied whatever they are: one row where they do
// not fit the op's channels.
dispatch::WeightGeometry GeometryOfInt8(const Op& op, uint64_t elements);

// Whether the op is of a kind that can compute with int8, and has the tensors for it.
bool MayComputeWithInt8(const Op& op);

// A convolution with groups that is not depthwise.
bool IsGroupedConvolution(const Op& op);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_WEIGHTS_H_
