// What is known of a tensor while a graph is built.
#ifndef QUANTPRESS_GRAPH_BUILD_VALUE_H_
#define QUANTPRESS_GRAPH_BUILD_VALUE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "graph/build/shape.h"
#include "graph/ir/tensor_source.h"

namespace quantpress::graph {

// A tensor whose elements are known at conversion time. Elements stay where they are until somebody reads them.
struct Constant {
  ElementType type = ElementType::kFloat32;
  std::vector<int64_t> shape;
  TensorSourcePtr data;
  // Set where the elements are those of a smaller constant, broadcast: what a large one is written as.
  std::shared_ptr<const Constant> base = nullptr;

  uint64_t count() const { return data->count(); }
  std::vector<float> Floats() const;      // all elements; callers bound count() first
  std::vector<int64_t> Ints() const;
};

// A handle. Invalid after an error; every builder function accepts invalid values and gives invalid ones back, so that
// the first error is the one that is reported.
struct Value {
  int id = -1;
  bool valid() const { return id >= 0; }
  bool operator==(const Value&) const = default;
};

// A sequence or an absent optional is known at conversion time only; no operator of the runtime sees it. kParts: a sequence of
// the parts of a tensor along an axis, of which only a run knows the number.
enum class ValueKind : uint8_t { kTensor, kSequence, kNothing, kParts };

struct ValueInfo {
  ValueKind kind = ValueKind::kTensor;
  std::vector<Value> items;                  // of a sequence; of kParts: the tensor, and the sizes where they are not all 1
  int parts_axis = 0;
  bool parts_keep_axis = true;               // false: each part has size 1 and lost the axis
  std::string name;
  ElementType type = ElementType::kUnknown;  // the type that the source model means
  // How the runtime holds it: float32, int32, uint8 or int8. (A bool, an int64 or a computed uint8 is an int32.)
  ElementType stored = ElementType::kUnknown;
  std::optional<Shape> shape;                // nullopt: even the rank is unknown
  std::shared_ptr<const Constant> constant;  // null: computed at run time
  // Integer tensors of rank 0 and 1 (shape arithmetic): every element, a number (may be negative) or a symbol.
  std::optional<std::vector<Dim>> elements;
  // A computed integer tensor whose elements are those of the float value `float_form` plus float_offset; -1: none.
  int float_form = -1;
  float float_offset = 0;
  bool non_negative = false;                 // integers of which none can be below zero
  int tensor = -1;                           // index in the graph; -1: not there (yet)
};

// The type in which the runtime holds elements of `type` when a converted graph declares them.
constexpr ElementType StoredType(ElementType type) {
  if (IsFloat(type)) return ElementType::kFloat32;
  if (type == ElementType::kInt8 || type == ElementType::kUInt8) return type;
  return ElementType::kInt32;
}

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_BUILD_VALUE_H_
