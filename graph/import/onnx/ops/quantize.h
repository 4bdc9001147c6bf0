// Linear quantization: real = (integer - zero point) * scale. The runtime computes quantized tensors in float32; integers are
// whole numbers there, rounded half to even and clamped as the operators say, so that every code comes out as in the source.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_QUANTIZE_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_QUANTIZE_H_

#include "graph/import/onnx/node_context.h"

namespace quantpress::graph::onnx {

// Where scale and zero point come from, and how they lie on the tensor: one for all, one per position of `axis`, or one per
// `block` elements along it.
struct Quantization {
  Value scale;
  Value zero;  // invalid: 0
  int64_t axis = 1;
  int64_t block = 0;
};

// integer - zero point, in float32. `q.scale` is not used. Constants stay where they are in the source file.
Value Centered(NodeContext& node, Value integers, const Quantization& q);

// The real numbers, of the float type `type`. Constants stay where they are in the source file.
Value Dequantize(NodeContext& node, Value integers, const Quantization& q, ElementType type = ElementType::kFloat32);

// Integers of `type` from real numbers.
Value Quantize(NodeContext& node, Value x, const Quantization& q, ElementType type);

// Integers of `type` from numbers that are divided by the scale already: round, add the zero point, clamp.
Value RoundToCodes(NodeContext& node, Value scaled, const Quantization& q, ElementType type);

// Inputs i (scale) and i + 1 (zero point, may be absent).
Quantization QuantizationAt(NodeContext& node, size_t i);

// Whole numbers from float32 numbers below 2^22, half to even. Larger ones stay about as large.
Value RoundSmall(GraphBuilder& builder, Value x);

// Known to have one element.
bool IsSingle(const GraphBuilder& builder, Value v);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_QUANTIZE_H_
