// Element types of source tensors. The MNN runtime computes in float32, int32, uint8 and int8 only; importers keep the
// source's type as long as semantics depend on it.
#ifndef QUANTPRESS_GRAPH_IR_ELEMENT_TYPE_H_
#define QUANTPRESS_GRAPH_IR_ELEMENT_TYPE_H_

#include <cstdint>
#include <string_view>

namespace quantpress::graph {

enum class ElementType : uint8_t {
  kUnknown,
  kFloat32,
  kFloat16,
  kBFloat16,
  kFloat64,
  kInt8,
  kUInt8,
  kInt16,
  kUInt16,
  kInt32,
  kUInt32,
  kInt64,
  kUInt64,
  kBool,
  kInt4,   // two elements per byte, low nibble first
  kUInt4,
  kString,
};

constexpr bool IsFloat(ElementType t) {
  return t == ElementType::kFloat32 || t == ElementType::kFloat16 || t == ElementType::kBFloat16 ||
         t == ElementType::kFloat64;
}

constexpr bool IsInteger(ElementType t) {
  return (t >= ElementType::kInt8 && t <= ElementType::kUInt64) || t == ElementType::kInt4 || t == ElementType::kUInt4;
}

constexpr bool IsUnsigned(ElementType t) {
  return t == ElementType::kUInt8 || t == ElementType::kUInt16 || t == ElementType::kUInt32 ||
         t == ElementType::kUInt64 || t == ElementType::kUInt4 || t == ElementType::kBool;
}

// Bits of one stored element; 0 where elements have no fixed size.
constexpr int ElementBits(ElementType t) {
  switch (t) {
    case ElementType::kFloat64:
    case ElementType::kInt64:
    case ElementType::kUInt64:
      return 64;
    case ElementType::kFloat32:
    case ElementType::kInt32:
    case ElementType::kUInt32:
      return 32;
    case ElementType::kFloat16:
    case ElementType::kBFloat16:
    case ElementType::kInt16:
    case ElementType::kUInt16:
      return 16;
    case ElementType::kInt8:
    case ElementType::kUInt8:
    case ElementType::kBool:
      return 8;
    case ElementType::kInt4:
    case ElementType::kUInt4:
      return 4;
    case ElementType::kUnknown:
    case ElementType::kString:
      return 0;
  }
  return 0;
}

// "float32", "int64", ...
std::string_view ElementTypeName(ElementType t);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IR_ELEMENT_TYPE_H_
