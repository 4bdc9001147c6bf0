// Where the elements of a tensor come from. A source describes how to get elements; it holds no copy of them: they stay
// in the mapped source file until a fill task or the constant folder reads a range.
#ifndef QUANTPRESS_GRAPH_IR_TENSOR_SOURCE_H_
#define QUANTPRESS_GRAPH_IR_TENSOR_SOURCE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "dispatch/status.h"
#include "graph/ir/bytes.h"
#include "graph/ir/element_type.h"

namespace quantpress::graph {

// Immutable, safe to read from several threads. Elements are numbered in row-major order of the tensor's shape.
class TensorSource {
 public:
  virtual ~TensorSource() = default;

  uint64_t count() const { return count_; }
  // The type that the elements have in the source.
  ElementType type() const { return type_; }

  // Elements [begin, begin + out.size()) as float32. Precondition: the range lies inside [0, count).
  virtual void ReadFloats(uint64_t begin, std::span<float> out) const = 0;
  // The same as integers: exact for integer and bool types, truncated toward zero for float types.
  virtual void ReadInts(uint64_t begin, std::span<int64_t> out) const = 0;

  // The elements as they lie in memory (little-endian, of type()), or an empty view where they are computed.
  virtual Bytes Stored() const { return {}; }

  // Ranges that start at a multiple of this many elements are the cheapest to read (rows of a transposed matrix).
  virtual uint64_t RowLength() const { return 1; }

 protected:
  TensorSource(ElementType type, uint64_t count) : count_(count), type_(type) {}

 private:
  uint64_t count_;
  ElementType type_;
};

using TensorSourcePtr = std::shared_ptr<const TensorSource>;

// Elements stored one after another. Error if the bytes do not hold `count` elements of `type`.
StatusOr<TensorSourcePtr> DenseSource(Bytes bytes, ElementType type, uint64_t count);

// From values on the heap; never fails.
TensorSourcePtr FloatSource(std::vector<float> values);
TensorSourcePtr IntSource(std::vector<int64_t> values, ElementType type = ElementType::kInt64);

// A strided view: element (i0, i1, ...) of `shape` is element offset + sum(ik * strides[k]) of `base`. Covers transposes,
// slices, broadcasts (stride 0) and reversals. Precondition: every index lies inside base.
TensorSourcePtr StridedSource(TensorSourcePtr base, std::vector<int64_t> shape, std::vector<int64_t> strides,
                              int64_t offset);

// value * scale[c] + shift[c] in float32 with c = (index / inner) % channels, channels = scale.size(). `shift` may be
// empty. For folded batch normalisation and constant factors.
TensorSourcePtr AffineSource(TensorSourcePtr base, std::vector<float> scale, std::vector<float> shift, uint64_t inner);

// (value - zero_point[c]) * scale[c] with the integer value; c as above with blocks: c = (index / inner) % channels where
// the axis is cut into blocks of `block` elements (1 = per channel). The formula of ONNX DequantizeLinear.
// scale and zero_point have outer * blocks entries laid out as the ONNX scale tensor: see quantize_layout.h.
struct DequantizeLayout {
  uint64_t axis_length = 1;  // elements along the quantized axis
  uint64_t inner = 1;        // elements per step of the axis
  uint64_t block = 0;        // 0: one scale per axis position (or a single scale); else elements per block along the axis
};
TensorSourcePtr DequantizeSource(TensorSourcePtr base, std::vector<float> scale, std::vector<int64_t> zero_point,
                                 DequantizeLayout layout);

// round(value / scale[c]) + zero_point[c], half to even, clamped to the range of the integer `type`: the formula of ONNX
// QuantizeLinear. The layout is the same.
TensorSourcePtr QuantizeSource(TensorSourcePtr base, std::vector<float> scale, std::vector<int64_t> zero_point,
                               DequantizeLayout layout, ElementType type);

// The same elements with another type: float to integer truncates, to bool compares with zero, integers wrap.
TensorSourcePtr CastSource(TensorSourcePtr base, ElementType type);

// Parts one after another (concatenation along axis 0).
TensorSourcePtr ConcatSource(std::vector<TensorSourcePtr> parts);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IR_TENSOR_SOURCE_H_
