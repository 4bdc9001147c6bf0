// Shapes put together from dimensions of several tensors, for operators that reshape tensors of partly unknown shape.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_SIZES_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_SIZES_H_

#include <vector>

#include "graph/build/graph_builder.h"

namespace quantpress::graph::onnx {

// One dimension of a shape: a known size, or an axis of a tensor that has it at run time.
struct Size {
  Dim dim = 1;
  Value from;       // used where dim is a symbol
  size_t axis = 0;
};

inline Size Fixed(int64_t size) { return {size, {}, 0}; }
// Dimension `axis` of x. Precondition: the rank of x is known and axis lies inside it.
Size SizeOf(GraphBuilder& b, Value x, size_t axis);
// All dimensions of x, in order.
std::vector<Size> SizesOf(GraphBuilder& b, Value x);
// The int64 scalar.
Value ToScalar(GraphBuilder& b, const Size& size);
// The shape as a rank-1 tensor; constant if all sizes are known.
Value ToShape(GraphBuilder& b, const std::vector<Size>& sizes);

// x as a tensor of this shape. A row of several sizes stands for their product.
Value ReshapeToSizes(GraphBuilder& b, Value x, const std::vector<Size>& sizes);
Value ReshapeToProducts(GraphBuilder& b, Value x, const std::vector<std::vector<Size>>& sizes);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_SIZES_H_
