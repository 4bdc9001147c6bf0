// An ONNX file as a plain structure of views into the mapping. The reader knows the container and no operators.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_MODEL_VIEW_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_MODEL_VIEW_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dispatch/status.h"
#include "graph/ir/bytes.h"

namespace quantpress::graph::onnx {

struct TensorView {
  std::string_view name;
  int data_type = 0;  // TensorProto.DataType
  std::vector<int64_t> dims;
  std::string_view raw_data;                // little-endian elements
  std::string_view float_data;              // packed float32: little-endian elements as well
  std::vector<float> unpacked_floats;       // float_data written without packing
  std::vector<int32_t> int32_data;
  std::vector<int64_t> int64_data;
  std::vector<double> double_data;
  std::vector<uint64_t> uint64_data;
  size_t string_count = 0;
  bool external = false;
  std::vector<std::pair<std::string_view, std::string_view>> external_data;  // location, offset, length, ...
};

struct SparseTensorView {
  TensorView values;
  TensorView indices;
  std::vector<int64_t> dims;
};

struct GraphView;

// AttributeProto.AttributeType
enum class AttributeType : int {
  kUndefined = 0,
  kFloat = 1,
  kInt = 2,
  kString = 3,
  kTensor = 4,
  kGraph = 5,
  kFloats = 6,
  kInts = 7,
  kStrings = 8,
  kTensors = 9,
  kGraphs = 10,
  kSparseTensor = 11,
};

struct AttributeView {
  std::string_view name;
  std::string_view reference;  // ref_attr_name: inside a function, the caller's attribute of that name
  AttributeType type = AttributeType::kUndefined;
  float f = 0;
  int64_t i = 0;
  std::string_view s;
  std::shared_ptr<const TensorView> tensor;
  std::shared_ptr<const SparseTensorView> sparse_tensor;
  std::shared_ptr<const GraphView> graph;
  std::vector<float> floats;
  std::vector<int64_t> ints;
  std::vector<std::string_view> strings;
};

struct NodeView {
  std::string_view name;
  std::string_view op_type;
  std::string_view domain;
  std::string_view overload;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::vector<AttributeView> attributes;
};

struct DimView {
  std::optional<int64_t> value;
  std::string_view param;
};

struct ValueView {
  std::string_view name;
  bool is_tensor = false;  // else sequence, map, optional, sparse tensor or absent
  int elem_type = 0;
  std::optional<std::vector<DimView>> shape;
};

struct GraphView {
  std::string_view name;
  std::vector<NodeView> nodes;
  std::vector<TensorView> initializers;
  std::vector<SparseTensorView> sparse_initializers;
  std::vector<std::string_view> sparse_names;
  std::vector<ValueView> inputs;
  std::vector<ValueView> outputs;
  std::vector<ValueView> value_info;
};

struct FunctionView {
  std::string_view name;
  std::string_view domain;
  std::string_view overload;
  std::vector<std::string_view> inputs;
  std::vector<std::string_view> outputs;
  std::vector<std::string_view> attributes;
  std::vector<AttributeView> default_attributes;
  std::vector<NodeView> nodes;
  std::map<std::string, int64_t, std::less<>> opsets;
};

struct ModelView {
  Bytes file;  // keeps the views alive
  int64_t ir_version = 0;
  std::string_view producer;
  std::map<std::string, int64_t, std::less<>> opsets;  // "" is the standard domain ("ai.onnx" is stored as "")
  std::unique_ptr<GraphView> graph;
  std::vector<FunctionView> functions;
  std::vector<std::pair<std::string_view, std::string_view>> metadata;
};

// Decodes the structure. Errors: not a protobuf message, no graph, nesting deeper than 64.
StatusOr<ModelView> ReadModel(Bytes file);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_MODEL_VIEW_H_
