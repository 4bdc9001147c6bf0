#include "graph/import/onnx/custom_op.h"

#include <map>

#include "graph/build/params.h"
#include "graph/import/onnx/importer.h"
#include "graph/import/onnx/node_context.h"

namespace quantpress::graph::onnx {
namespace {

constexpr char kEngine[] = "ONNX";
// An attribute lives in the table of its op, which is not meant for weights.
constexpr uint64_t kMostElements = uint64_t{1} << 20;

// Inside a function, attributes may stand for those of the call. Null: the caller leaves it out.
const AttributeView* Resolve(NodeContext& n, const AttributeView& attribute) {
  if (attribute.reference.empty()) return &attribute;
  const Scope& scope = n.scope();
  const std::vector<AttributeView>* lists[] = {scope.call_attributes, scope.function ? &scope.function->default_attributes : nullptr};
  for (const auto* list : lists) {
    if (list == nullptr) continue;
    for (const AttributeView& given : *list) {
      if (given.name == attribute.reference) return &given;
    }
  }
  return nullptr;
}

int32_t Narrow(NodeContext& n, std::string_view name, int64_t value) {
  if (value < INT32_MIN || value > INT32_MAX) n.Fail("attribute '{}' holds {}; an MNN file holds numbers of 32 bits", name, value);
  return static_cast<int32_t>(value);
}

std::unique_ptr<mnn::BlobT> MakeBlob(NodeContext& n, std::string_view name, const StatusOr<Constant>& constant) {
  auto blob = std::make_unique<mnn::BlobT>();
  if (!constant.ok()) {
    n.Fail("attribute '{}': {}", name, Message(constant.status()));
    return blob;
  }
  if (constant->count() > kMostElements) {
    n.Fail("attribute '{}' is a tensor of {} elements; at most {} fit an operator that is kept as it is, so make it an input", name,
           constant->count(), kMostElements);
    return blob;
  }
  blob->dataFormat = mnn::MNN_DATA_FORMAT::NCHW;
  for (int64_t d : constant->shape) blob->dims.push_back(Narrow(n, name, d));
  switch (StoredType(constant->type)) {
    case ElementType::kFloat32:
      blob->dataType = mnn::DataType::DT_FLOAT;
      blob->float32s = constant->Floats();
      break;
    case ElementType::kInt8:
      blob->dataType = mnn::DataType::DT_INT8;
      for (int64_t v : constant->Ints()) blob->int8s.push_back(static_cast<int8_t>(v));
      break;
    case ElementType::kUInt8:
      blob->dataType = mnn::DataType::DT_UINT8;
      for (int64_t v : constant->Ints()) blob->uint8s.push_back(static_cast<uint8_t>(v));
      break;
    default:
      blob->dataType = mnn::DataType::DT_INT32;
      for (int64_t v : constant->Ints()) blob->int32s.push_back(Narrow(n, name, v));
  }
  return blob;
}

std::unique_ptr<mnn::AttributeT> MakeAttribute(NodeContext& n, std::string_view name, const AttributeView& view) {
  auto attribute = std::make_unique<mnn::AttributeT>();
  attribute->key = std::string(name);
  const auto list = [&]() -> mnn::ListValueT& {
    attribute->list = std::make_unique<mnn::ListValueT>();
    return *attribute->list;
  };
  switch (view.type) {
    case AttributeType::kFloat: attribute->f = view.f; break;
    case AttributeType::kInt: attribute->i = Narrow(n, name, view.i); break;
    case AttributeType::kString: attribute->s = std::string(view.s); break;
    case AttributeType::kTensor:
      if (view.tensor) attribute->tensor = MakeBlob(n, name, ToConstant(*view.tensor, n.importer().view().file, n.importer().external()));
      break;
    case AttributeType::kFloats: list().f = view.floats; break;
    case AttributeType::kInts: {
      mnn::ListValueT& numbers = list();
      for (int64_t v : view.ints) numbers.i.push_back(Narrow(n, name, v));
      break;
    }
    case AttributeType::kStrings: {
      mnn::ListValueT& texts = list();
      for (std::string_view text : view.strings) texts.s.emplace_back(text);
      break;
    }
    default:
      n.Fail("attribute '{}' is a graph, a list of tensors or a sparse tensor; an operator that is kept as it is cannot have those", name);
  }
  return attribute;
}

OutputSpec SpecOf(NodeContext& n, std::string_view name) {
  OutputSpec spec;
  const ValueView* declared = name.empty() ? nullptr : n.scope().Declared(name);
  if (declared == nullptr) return spec;
  const ElementType type = FromOnnxType(declared->elem_type);
  if (type != ElementType::kUnknown && type != ElementType::kString) spec.type = type;
  spec.stored = StoredType(spec.type);
  spec.shape = n.importer().ShapeOf(*declared);
  return spec;
}

}  // namespace

void ConvertCustomOp(NodeContext& n) {
  mnn::ExtraT extra;
  extra.type = std::string(n.op());
  extra.engine = kEngine;
  for (const AttributeView& attribute : n.node().attributes) {
    if (const AttributeView* view = Resolve(n, attribute)) extra.attr.push_back(MakeAttribute(n, attribute.name, *view));
  }
  auto version = std::make_unique<mnn::AttributeT>();
  version->key = "onnx_opset_version";
  version->i = Narrow(n, version->key, n.scope().Opset(""));
  extra.attr.push_back(std::move(version));

  std::vector<Value> inputs;
  for (size_t i = 0; i < n.input_count(); ++i) {
    if (n.HasInput(i)) inputs.push_back(n.Input(i));
  }
  std::vector<OutputSpec> outputs;
  for (std::string_view name : n.node().outputs) outputs.push_back(SpecOf(n, name));
  const std::vector<Value> values = n.b.EmitMulti(mnn::OpType::Extra, Param(std::move(extra)), std::move(inputs), std::move(outputs));
  if (!n.ok()) return;
  std::vector<int>& indexes = n.b.last_op().inputs;
  for (size_t i = 0; i < n.input_count(); ++i) {
    if (!n.HasInput(i)) indexes.insert(indexes.begin() + static_cast<int64_t>(i), -1);
  }
  for (size_t i = 0; i < values.size(); ++i) n.SetOutput(i, values[i]);
}

std::vector<std::string> CustomOpNotes(const Model& model) {
  struct Found {
    size_t count = 0;
    std::string first;
  };
  std::map<std::string, Found> found;
  const auto collect = [&](const Graph& graph) {
    for (const Op& op : graph.ops) {
      const mnn::ExtraT* extra = op.type == mnn::OpType::Extra ? op.main.AsExtra() : nullptr;
      if (extra == nullptr) continue;
      Found& kind = found[extra->type];
      if (kind.count++ == 0) kind.first = op.name;
    }
  };
  collect(model.main);
  for (const Graph& graph : model.subgraphs) collect(graph);
  if (found.empty()) return {"--allowCustomOp has no effect: every operator is known"};
  std::vector<std::string> notes;
  for (const auto& [type, kind] : found) {
    notes.push_back(fmt::format("operator {} is not known and written as it is ({} node{}, first '{}'); only a runtime that has it can run "
                                "the model",
                                type, kind.count, kind.count == 1 ? "" : "s", kind.first));
  }
  return notes;
}

}  // namespace quantpress::graph::onnx
