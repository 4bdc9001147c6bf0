#include "graph/import/onnx/node_context.h"

#include "graph/import/onnx/importer.h"

namespace quantpress::graph::onnx {
namespace {

std::string_view AttributeTypeName(AttributeType type) {
  static constexpr std::string_view kNames[] = {"undefined", "float",  "int",     "string",  "tensor", "graph",
                                                "floats",    "ints",   "strings", "tensors", "graphs", "sparse tensor"};
  return kNames[static_cast<int>(type)];
}

}  // namespace

NodeContext::NodeContext(Importer* importer, Scope* scope, const NodeView& node, int64_t opset)
    : b(scope->builder()), importer_(importer), scope_(scope), node_(node), opset_(opset) {}

const ImportOptions& NodeContext::options() const { return importer_->options(); }

const AttributeView* NodeContext::Find(std::string_view name) const {
  for (const AttributeView& a : node_.attributes) {
    if (a.name != name) continue;
    if (a.reference.empty()) return &a;
    // Inside a function: the caller's attribute, else the function's default, else absent.
    if (scope_->call_attributes != nullptr) {
      for (const AttributeView& given : *scope_->call_attributes) {
        if (given.name == a.reference) return &given;
      }
    }
    if (scope_->function != nullptr) {
      for (const AttributeView& given : scope_->function->default_attributes) {
        if (given.name == a.reference) return &given;
      }
    }
    return nullptr;
  }
  return nullptr;
}

const AttributeView* NodeContext::FindTyped(std::string_view name, AttributeType type) {
  const AttributeView* a = Find(name);
  if (a == nullptr || a->type == type) return a;
  // An empty list carries no type in some files.
  const bool list = type == AttributeType::kInts || type == AttributeType::kFloats || type == AttributeType::kStrings;
  if (list && a->type == AttributeType::kUndefined) return a;
  b.Fail(InvalidInput("attribute '{}' is of type {}; expected {}", name, AttributeTypeName(a->type), AttributeTypeName(type)));
  return nullptr;
}

int64_t NodeContext::Int(std::string_view name, int64_t fallback) {
  const AttributeView* a = FindTyped(name, AttributeType::kInt);
  return a ? a->i : fallback;
}

float NodeContext::Float(std::string_view name, float fallback) {
  const AttributeView* a = FindTyped(name, AttributeType::kFloat);
  return a ? a->f : fallback;
}

std::string NodeContext::String(std::string_view name, std::string_view fallback) {
  const AttributeView* a = FindTyped(name, AttributeType::kString);
  return std::string(a ? a->s : fallback);
}

std::vector<int64_t> NodeContext::Ints(std::string_view name, std::vector<int64_t> fallback) {
  const AttributeView* a = FindTyped(name, AttributeType::kInts);
  return a ? a->ints : std::move(fallback);
}

std::vector<float> NodeContext::Floats(std::string_view name, std::vector<float> fallback) {
  const AttributeView* a = FindTyped(name, AttributeType::kFloats);
  return a ? a->floats : std::move(fallback);
}

std::vector<std::string> NodeContext::Strings(std::string_view name) {
  const AttributeView* a = FindTyped(name, AttributeType::kStrings);
  if (a == nullptr) return {};
  return {a->strings.begin(), a->strings.end()};
}

Value NodeContext::TensorAttribute(std::string_view name) {
  const AttributeView* a = Find(name);
  if (a == nullptr) return {};
  StatusOr<Constant> constant = InvalidInput("attribute '{}' is of type {}; expected tensor", name, AttributeTypeName(a->type));
  if (a->tensor) constant = ToConstant(*a->tensor, importer_->view().file, importer_->external());
  if (a->sparse_tensor) constant = ToConstant(*a->sparse_tensor, importer_->view().file, importer_->external());
  if (!constant.ok()) return b.Fail(constant.status());
  return b.MakeConstant(*std::move(constant));
}

ElementType NodeContext::ElementTypeAttribute(std::string_view name) {
  const int64_t number = Int(name, 0);
  const ElementType type = number >= 0 && number < 64 ? FromOnnxType(static_cast<int>(number)) : ElementType::kUnknown;
  if (type == ElementType::kUnknown || type == ElementType::kString) {
    Fail("attribute '{}' is the element type {}; the runtime has no such tensors", name, number);
  }
  return type;
}

const GraphView* NodeContext::Subgraph(std::string_view name) {
  const AttributeView* a = FindTyped(name, AttributeType::kGraph);
  if (a == nullptr || a->graph == nullptr) {
    b.Fail(InvalidInput("the subgraph '{}' is missing", name));
    return nullptr;
  }
  return a->graph.get();
}

Value NodeContext::Input(size_t i) {
  if (!HasInput(i)) return b.Fail(InvalidInput("input {} is missing", i));
  const Value v = scope_->Find(node_.inputs[i]);
  if (!v.valid() && b.ok()) b.Fail(InvalidInput("input '{}' is produced by no node, initializer or graph input", node_.inputs[i]));
  return v;
}

std::vector<int64_t> NodeContext::ConstantInts(size_t i, std::string_view what) {
  const Value v = Input(i);
  if (!v.valid()) return {};
  if (auto ints = b.ConstantInts(v)) return *ints;
  Fail("{} (input {}, '{}') is computed at run time; it must be constant", what, i, node_.inputs[i]);
  return {};
}

std::optional<std::vector<int64_t>> NodeContext::AxesInputOrAttribute(std::string_view name, size_t index) {
  if (Has(name)) return Ints(name);
  if (HasInput(index)) return ConstantInts(index, name);
  return std::nullopt;
}

bool NodeContext::OutputUsed(size_t i) const {
  return i < node_.outputs.size() && !node_.outputs[i].empty() && scope_->used.contains(node_.outputs[i]);
}

void NodeContext::SetOutput(size_t i, Value v) {
  if (i >= node_.outputs.size() || node_.outputs[i].empty() || !v.valid()) return;
  // What the file says fills in where nothing is known.
  if (!b.HasRank(v) && b.info(v).kind == ValueKind::kTensor) {
    if (const ValueView* declared = scope_->Declared(node_.outputs[i])) b.Opaque(v, importer_->ShapeOf(*declared));
  }
  if (scope_->names_tensors) b.Rename(v, std::string(node_.outputs[i]));
  scope_->Define(node_.outputs[i], v);
}

void NodeContext::Note(std::string text) {
  importer_->Note(fmt::format("node '{}' ({}): {}", node_.outputs.empty() ? node_.name : node_.outputs[0], node_.op_type, text));
}

}  // namespace quantpress::graph::onnx
