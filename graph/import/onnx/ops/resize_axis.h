// Interpolation along one axis as ONNX Resize defines it, computed at conversion time.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_RESIZE_AXIS_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_RESIZE_AXIS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace quantpress::graph::onnx {

struct ResizeMode {
  std::string mode = "nearest";  // nearest, linear, cubic
  std::string coordinates = "half_pixel";
  std::string nearest = "round_prefer_floor";
  double cubic_a = -0.75;
  bool antialias = false;
  bool exclude_outside = false;
};

struct AxisResize {
  int64_t in = 1;
  int64_t out = 1;
  double scale = 1;  // as given, or out / in
  double roi_start = 0, roi_end = 1;
};

// Source index of every output element (mode nearest), clamped to the axis.
std::vector<int64_t> NearestIndices(const ResizeMode& mode, const AxisResize& axis);

// Row-major [out, in] weights (modes linear and cubic).
std::vector<float> InterpolationMatrix(const ResizeMode& mode, const AxisResize& axis);

// 1 where the output element's source lies inside the axis, else 0: tf_crop_and_resize fills the others.
std::vector<float> InsideMask(const ResizeMode& mode, const AxisResize& axis);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_RESIZE_AXIS_H_
