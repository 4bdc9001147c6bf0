#include "graph/import/onnx/ops/window.h"

#include <algorithm>

namespace quantpress::graph::onnx {

Window ReadWindow(NodeContext& n, std::vector<int64_t> kernel, const std::optional<Shape>& input) {
  const size_t axes = kernel.size();
  Window w;
  w.kernel = std::move(kernel);
  w.stride = n.Ints("strides", std::vector<int64_t>(axes, 1));
  w.dilation = n.Ints("dilations", std::vector<int64_t>(axes, 1));
  w.pads = n.Ints("pads", std::vector<int64_t>(2 * axes, 0));
  const std::string auto_pad = n.String("auto_pad", "NOTSET");
  constexpr int64_t kLimit = int64_t{1} << 30;
  if (w.stride.size() != axes || w.dilation.size() != axes || w.pads.size() != 2 * axes) {
    n.Fail("{} strides, {} dilations and {} pads for {} spatial axes", w.stride.size(), w.dilation.size(), w.pads.size(), axes);
    return w;
  }
  for (size_t i = 0; i < axes; ++i) {
    if (w.kernel[i] < 1 || w.stride[i] < 1 || w.dilation[i] < 1 || w.kernel[i] > kLimit || w.stride[i] > kLimit ||
        w.dilation[i] > kLimit || w.pads[i] > kLimit || w.pads[i + axes] > kLimit) {
      n.Fail("kernel {}, stride {}, dilation {} along spatial axis {}; all must be positive", w.kernel[i], w.stride[i], w.dilation[i], i);
      return w;
    }
  }
  if (auto_pad == "VALID") w.pads.assign(2 * axes, 0);
  if (auto_pad == "SAME_UPPER" || auto_pad == "SAME_LOWER") {
    for (size_t i = 0; i < axes; ++i) {
      const Dim size = input && input->size() == axes + 2 ? (*input)[i + 2] : -1;
      int64_t total = w.dilation[i] * (w.kernel[i] - 1) + 1 - w.stride[i];
      if (IsKnown(size)) {
        const int64_t out = (size + w.stride[i] - 1) / w.stride[i];
        total = (out - 1) * w.stride[i] + w.dilation[i] * (w.kernel[i] - 1) + 1 - size;
      } else if (w.stride[i] != 1) {
        (auto_pad == "SAME_UPPER" ? w.same_upper : w.same_lower) = true;
      }
      total = std::max<int64_t>(total, 0);
      w.pads[i] = auto_pad == "SAME_UPPER" ? total / 2 : total - total / 2;
      w.pads[i + axes] = total - w.pads[i];
    }
  } else if (auto_pad != "NOTSET" && auto_pad != "VALID" && !auto_pad.empty()) {
    n.Fail("auto_pad '{}'; expected NOTSET, VALID, SAME_UPPER or SAME_LOWER", auto_pad);
  }
  return w;
}

Window2D ToWindow2D(const Window& w) {
  Window2D out;
  const size_t axes = w.kernel.size();
  for (size_t i = 0; i < axes; ++i) {
    out.kernel[i] = w.kernel[i];
    out.stride[i] = w.stride[i];
    out.dilation[i] = w.dilation[i];
    out.pads[i] = w.pads[i];
    out.pads[i + 2] = w.pads[i + axes];
  }
  return out;
}

}  // namespace quantpress::graph::onnx
