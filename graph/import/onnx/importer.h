// The machinery behind ImportOnnx: scopes of names, node order, function bodies, collected errors.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_IMPORTER_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_IMPORTER_H_

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "graph/build/graph_builder.h"
#include "graph/convert.h"
#include "graph/import/onnx/model_view.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/tensor.h"

namespace quantpress::graph::onnx {

// The names that a graph or a function body can see. A graph scope sees its parent's names (captured through the builder); a
// function scope sees only its own.
class Scope {
 public:
  using Opsets = std::map<std::string, int64_t, std::less<>>;

  // Graph scope: `parent` may be null. Function scope: shares the caller's builder and sees none of its names, so `parent` is
  // null too; `caller_opsets` says what domains mean that the function does not import.
  Scope(GraphBuilder* builder, Scope* parent, const Opsets* opsets, std::string path, const Opsets* caller_opsets = nullptr);

  GraphBuilder& builder() { return *builder_; }
  void Define(std::string_view name, Value v) { values_.insert_or_assign(std::string(name), v); }
  // Invalid if no scope knows the name.
  Value Find(std::string_view name);
  bool Defines(std::string_view name) const { return values_.find(std::string(name)) != values_.end(); }

  int64_t Opset(std::string_view domain) const;
  const Opsets* opsets() const { return opsets_; }
  // What the file declares of a value of this graph; null if it says nothing.
  const ValueView* Declared(std::string_view name) const;
  // Where in the model this scope is: "" for the main graph, "If_3.then_branch", "function pkg.Name".
  const std::string& path() const { return path_; }

  // Function scopes: attributes that the call gives, by name.
  const std::vector<AttributeView>* call_attributes = nullptr;
  const FunctionView* function = nullptr;
  // Names of this scope's graph that somebody reads.
  std::unordered_set<std::string_view> used;
  std::unordered_map<std::string_view, const ValueView*> declared;
  // Tensors get the names of the source. Not where nodes are copied into a graph that is not theirs.
  bool names_tensors = true;
  int depth = 0;

 private:
  GraphBuilder* builder_;
  Scope* parent_;
  const Opsets* opsets_;
  const Opsets* caller_opsets_;
  std::string path_;
  std::unordered_map<std::string, Value> values_;
};

class Importer {
 public:
  Importer(const ImportOptions& options, ModelView view);

  // The whole model.
  StatusOr<Model> Run();

  const ImportOptions& options() const { return options_; }
  SymbolTable* symbols() { return &symbols_; }
  Model* model() { return &model_; }
  const ModelView& view() const { return view_; }
  ExternalFiles* external() { return &external_; }
  void Note(std::string text) { model_.notes.push_back(std::move(text)); }

  // Converts initializers and nodes of `graph` into scope->builder(), as far as the given outputs need them. Inputs of the
  // graph must be defined already. Errors are collected; see failed().
  void ConvertGraph(const GraphView& graph, Scope* scope, const std::vector<std::string_view>& outputs);
  // A scope for a subgraph of a node in `parent`: it sees the parent's names. `builder` may be the parent's own.
  Scope SubgraphScope(GraphBuilder* builder, Scope* parent, std::string path);
  void ConvertNodes(const std::vector<NodeView>& nodes, Scope* scope);
  // Starts a subgraph of the model with a unique name based on `name`; the graph lives as long as the model.
  // Pointers to graphs stay valid.
  Graph* NewSubgraph(std::string_view name);
  // Shape and type of a declared value.
  ElementType TypeOf(const ValueView& value) const { return FromOnnxType(value.elem_type); }
  std::optional<Shape> ShapeOf(const ValueView& value);

  // Records an error about a node; conversion of the others goes on so that all are reported at once.
  void AddError(const NodeView& node, const Scope& scope, int64_t opset, const Status& status);
  bool failed() const { return !errors_.empty() || !unknown_ops_.empty() || exhausted_; }
  // Grows with every problem.
  size_t problem_count() const { return errors_.size() + unknown_nodes_ + (exhausted_ ? 1 : 0); }

  // Where a conversion that may be taken back started.
  struct Mark {
    size_t errors, notes, subgraphs, unknown_nodes;
    std::map<std::string, std::pair<int, std::string>> unknown_ops;
  };
  Mark Save() const { return {errors_.size(), model_.notes.size(), subgraphs_.size(), unknown_nodes_, unknown_ops_}; }
  // Forgets what was reported, and the subgraphs that were made, since.
  void Restore(const Mark& mark);

 private:
  void ConvertNode(const NodeView& node, Scope* scope);
  bool ConvertFunctionCall(const NodeView& node, Scope* scope);
  Status FixNamedDimensions();
  Status DefineInputs(Scope* scope);
  void NoteOpenShapes();
  Status ErrorSummary() const;
  void StoreSubgraphs();

  ImportOptions options_;
  ModelView view_;
  ExternalFiles external_;
  SymbolTable symbols_;
  std::map<std::string_view, int64_t> fixed_dims_;  // named dimensions of inputs whose shape the user fixes
  Model model_;
  std::vector<std::unique_ptr<Graph>> subgraphs_;
  std::set<std::string> subgraph_names_;
  std::map<std::tuple<std::string_view, std::string_view, std::string_view>, const FunctionView*> functions_;
  std::vector<std::string> errors_;
  size_t unknown_nodes_ = 0;
  uint64_t converted_nodes_ = 0;
  bool exhausted_ = false;  // functions and loops expand to more nodes than is sane
  // Operators nobody converts: "domain.op (opset n)" -> how many nodes, name of the first.
  std::map<std::string, std::pair<int, std::string>> unknown_ops_;
};

// Order in which nodes can run: inputs before users. Names that two nodes produce are resolved to the last producer,
// as onnxruntime does. Errors: a cycle (names a node on it).
StatusOr<std::vector<const NodeView*>> SortNodes(const std::vector<NodeView>& nodes, std::vector<std::string>* notes);

// Names that a node reads, those that its subgraphs capture included.
void CollectReads(const NodeView& node, std::vector<std::string_view>* names);

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_IMPORTER_H_
