// Interpolation along one axis whose lengths, scale or region a run computes: the formulas of resize_axis.h, in float32.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_RESIZE_COMPUTED_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_RESIZE_COMPUTED_H_

#include "graph/build/expr.h"
#include "graph/import/onnx/ops/resize_axis.h"

namespace quantpress::graph::onnx {

struct ComputedAxis {
  Expr in;       // length of the axis, float scalar
  Expr out;      // length of the result, int64 scalar
  Expr scale;    // float scalar; invalid: out / in
  Expr roi_start, roi_end;  // of tf_crop_and_resize
};

// x resized along `axis`. `inside`, where not null, gets 1.0 for every element of the result whose source lies in the axis, else 0.0 [out].
Value ResizeComputed(GraphBuilder& b, const ResizeMode& mode, Value x, size_t axis, const ComputedAxis& a, Value* inside);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_RESIZE_COMPUTED_H_
