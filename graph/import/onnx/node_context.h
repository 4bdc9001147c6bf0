// What a conversion function sees of a node: checked attributes, inputs as values, outputs to set. It cannot see the
// file. Errors are sticky, like the builder's: after the first, accessors return defaults.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_NODE_CONTEXT_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_NODE_CONTEXT_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "graph/build/graph_builder.h"
#include "graph/convert.h"
#include "graph/import/onnx/model_view.h"

namespace quantpress::graph::onnx {

class Importer;
class Scope;

class NodeContext {
 public:
  NodeContext(Importer* importer, Scope* scope, const NodeView& node, int64_t opset);

  GraphBuilder& b;  // where the ops go

  std::string_view op() const { return node_.op_type; }
  int64_t opset() const { return opset_; }
  const ImportOptions& options() const;

  // ---- attributes; a wrong type is an error
  bool Has(std::string_view name) const { return Find(name) != nullptr; }
  int64_t Int(std::string_view name, int64_t fallback);
  float Float(std::string_view name, float fallback);
  std::string String(std::string_view name, std::string_view fallback);
  std::vector<int64_t> Ints(std::string_view name, std::vector<int64_t> fallback = {});
  std::vector<float> Floats(std::string_view name, std::vector<float> fallback = {});
  std::vector<std::string> Strings(std::string_view name);
  // A tensor attribute (or sparse tensor) as a constant; invalid without the attribute.
  Value TensorAttribute(std::string_view name);
  // An attribute that holds a TensorProto.DataType; an error if the runtime has no such tensors.
  ElementType ElementTypeAttribute(std::string_view name);
  const GraphView* Subgraph(std::string_view name);

  // ---- inputs
  size_t input_count() const { return node_.inputs.size(); }
  bool HasInput(size_t i) const { return i < node_.inputs.size() && !node_.inputs[i].empty(); }
  // The value of input i; an error if it is absent.
  Value Input(size_t i);
  // Invalid without an error if it is absent.
  Value OptionalInput(size_t i) { return HasInput(i) ? Input(i) : Value{}; }
  // An integer tensor that must be known at conversion time: "axes", "pads". Error naming `what` otherwise.
  std::vector<int64_t> ConstantInts(size_t i, std::string_view what);
  // `axes` in its two forms: attribute before `since`, input `index` from then on. nullopt if absent.
  std::optional<std::vector<int64_t>> AxesInputOrAttribute(std::string_view name, size_t index);

  // ---- outputs
  size_t output_count() const { return node_.outputs.size(); }
  // Present in the node and used by somebody.
  bool OutputUsed(size_t i) const;
  void SetOutput(size_t i, Value v);
  // Name of output i in the source.
  std::string OutputName(size_t i) const { return std::string(node_.outputs[i]); }

  // ---- errors. fmt syntax; the message gets the node's name, op, opset and place in front.
  template <typename... Args>
  void Fail(fmt::format_string<Args...> format, Args&&... args) {
    b.Fail(Unsupported(format, std::forward<Args>(args)...));
  }
  bool ok() const { return b.ok(); }
  // A remark for the user; the conversion goes on.
  void Note(std::string text);

  // ---- for control flow and functions
  Importer& importer() { return *importer_; }
  Scope& scope() { return *scope_; }
  const NodeView& node() const { return node_; }

 private:
  const AttributeView* Find(std::string_view name) const;
  const AttributeView* FindTyped(std::string_view name, AttributeType type);

  Importer* importer_;
  Scope* scope_;
  const NodeView& node_;
  int64_t opset_;
};

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_NODE_CONTEXT_H_
