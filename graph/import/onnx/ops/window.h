// Kernel, stride, dilation and padding attributes, shared by convolutions and pooling.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_WINDOW_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_WINDOW_H_

#include <cstdint>
#include <vector>

#include "graph/import/onnx/node_context.h"

namespace quantpress::graph::onnx {

// One entry per spatial axis; pads: all begins, then all ends.
struct Window {
  std::vector<int64_t> kernel, stride, dilation, pads;
  bool same_upper = false, same_lower = false;  // auto_pad whose pads depend on a size that is not known
};

// Reads the attributes for `kernel.size()` axes and resolves auto_pad where the input's sizes are known. Errors: wrong
// numbers of entries, values that are not positive.
Window ReadWindow(NodeContext& node, std::vector<int64_t> kernel, const std::optional<Shape>& input);

// The window of one or two spatial axes in MNN's 2-D form. Precondition: kernel.size() is 1 or 2.
Window2D ToWindow2D(const Window& window);

// The convolution that the attributes of a Conv-like node describe, over one to three spatial axes; in convolution.cc. The bias may be
// invalid.
Value Convolution(NodeContext& node, Value x, Value weight, Value bias);

// A convolution over three spatial axes; in convolution.cc.
Value Conv3D(NodeContext& node, Value x, Value weight, Value bias, const Window& window, int64_t group);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_WINDOW_H_
