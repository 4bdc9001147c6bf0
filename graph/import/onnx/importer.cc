#include "graph/import/onnx/importer.h"

#include <algorithm>

#include "graph/import/input_shapes.h"
#include "graph/import/onnx/custom_op.h"
#include "graph/import/onnx/node_context.h"

namespace quantpress::graph::onnx {
namespace {

constexpr int kMaxCallDepth = 64;
// Nodes after functions are expanded and loops unrolled. Calls that call twice what calls twice make any number of them.
constexpr uint64_t kMaxNodes = 2'000'000;

BuildOptions ToBuildOptions(const ImportOptions& options) {
  BuildOptions build;
  build.convert_matmul_to_conv = options.convert_matmul_to_conv;
  build.group_conv_native = options.group_conv_native;
  build.recurrent_native = options.recurrent_native;
  return build;
}

std::string NodeLabel(const NodeView& node) {
  if (!node.name.empty()) return std::string(node.name);
  return node.outputs.empty() ? "(unnamed)" : std::string(node.outputs[0]);
}

}  // namespace

Scope::Scope(GraphBuilder* builder, Scope* parent, const Opsets* opsets, std::string path, const Opsets* caller_opsets)
    : depth(parent ? parent->depth + 1 : 0),
      builder_(builder),
      parent_(parent),
      opsets_(opsets),
      caller_opsets_(caller_opsets),
      path_(std::move(path)) {}

Value Scope::Find(std::string_view name) {
  if (const auto it = values_.find(std::string(name)); it != values_.end()) return it->second;
  if (parent_ == nullptr) return {};
  const Value outer = parent_->Find(name);
  if (!outer.valid()) return {};
  const Value inner = builder_->CaptureFrom(parent_->builder_, outer);
  Define(name, inner);
  return inner;
}

int64_t Scope::Opset(std::string_view domain) const {
  for (const Opsets* opsets : {opsets_, caller_opsets_}) {
    if (opsets == nullptr) continue;
    const auto it = opsets->find(domain);
    if (it != opsets->end()) return it->second;
  }
  return 1;  // old models import nothing
}

const ValueView* Scope::Declared(std::string_view name) const {
  const auto it = declared.find(name);
  return it == declared.end() ? nullptr : it->second;
}

Importer::Importer(const ImportOptions& options, ModelView view)
    : options_(options), view_(std::move(view)), external_(options.model_path) {
  for (const FunctionView& f : view_.functions) functions_[{f.domain, f.name, f.overload}] = &f;
}

void Importer::Restore(const Mark& mark) {
  errors_.resize(mark.errors);
  model_.notes.resize(mark.notes);
  unknown_ops_ = mark.unknown_ops;
  unknown_nodes_ = mark.unknown_nodes;
  while (subgraphs_.size() > mark.subgraphs) {
    subgraph_names_.erase(subgraphs_.back()->name);
    subgraphs_.pop_back();
  }
}

Scope Importer::SubgraphScope(GraphBuilder* builder, Scope* parent, std::string path) {
  Scope scope(builder, parent, parent->opsets(), std::move(path));
  scope.call_attributes = parent->call_attributes;
  scope.function = parent->function;
  scope.names_tensors = builder != &parent->builder();
  return scope;
}

std::optional<Shape> Importer::ShapeOf(const ValueView& value) {
  if (!value.shape) return std::nullopt;
  Shape shape;
  for (const DimView& d : *value.shape) {
    const auto fixed = d.param.empty() ? fixed_dims_.end() : fixed_dims_.find(d.param);
    if (d.value && *d.value >= 0) shape.push_back(*d.value);
    else if (fixed != fixed_dims_.end()) shape.push_back(fixed->second);
    else shape.push_back(symbols_.Named(d.param));
  }
  return shape;
}

Graph* Importer::NewSubgraph(std::string_view name) {
  std::string unique(name);
  for (int n = 2; !subgraph_names_.insert(unique).second; ++n) unique = fmt::format("{}__{}", name, n);
  subgraphs_.push_back(std::make_unique<Graph>());
  subgraphs_.back()->name = std::move(unique);
  return subgraphs_.back().get();
}

void Importer::AddError(const NodeView& node, const Scope& scope, int64_t opset, const Status& status) {
  // A node that fails because of its subgraph says nothing new.
  if (status.code() == absl::StatusCode::kAborted && failed()) return;
  const std::string place = scope.path().empty() ? "" : fmt::format(" in {}", scope.path());
  errors_.push_back(fmt::format("node '{}' ({}{}{}, opset {}){}: {}", NodeLabel(node), node.domain,
                                node.domain.empty() ? "" : ".", node.op_type, opset, place, Message(status)));
}

void Importer::ConvertGraph(const GraphView& graph, Scope* scope, const std::vector<std::string_view>& outputs) {
  for (const TensorView& t : graph.initializers) {
    auto constant = ToConstant(t, view_.file, &external_);
    if (constant.ok()) {
      scope->Define(t.name, scope->builder().MakeConstant(*std::move(constant), std::string(t.name)));
    } else if (FromOnnxType(t.data_type) != ElementType::kString) {  // unused strings do no harm
      errors_.push_back(Message(constant.status()));
    }
  }
  for (const SparseTensorView& t : graph.sparse_initializers) {
    auto constant = ToConstant(t, view_.file, &external_);
    if (!constant.ok()) {
      errors_.push_back(Message(constant.status()));
      continue;
    }
    scope->Define(t.values.name, scope->builder().MakeConstant(*std::move(constant), std::string(t.values.name)));
  }
  for (const auto* list : {&graph.value_info, &graph.outputs}) {
    for (const ValueView& v : *list) {
      if (v.is_tensor && v.shape) scope->declared.insert_or_assign(v.name, &v);
    }
  }
  scope->used.insert(outputs.begin(), outputs.end());
  ConvertNodes(graph.nodes, scope);
}

void Importer::ConvertNodes(const std::vector<NodeView>& nodes, Scope* scope) {
  auto order = SortNodes(nodes, &model_.notes);
  if (!order.ok()) {
    errors_.push_back(Message(order.status()));
    return;
  }
  // What nobody needs is not converted: its operators need not be known.
  std::vector<const NodeView*> live;
  std::vector<std::string_view> reads;
  std::unordered_map<std::string_view, const NodeView*> last_producer;
  for (const NodeView& n : nodes) {
    for (std::string_view name : n.outputs) last_producer[name] = &n;
  }
  for (auto it = order->rbegin(); it != order->rend(); ++it) {
    const auto wanted = [&](std::string_view name) {
      return !name.empty() && scope->used.contains(name) && last_producer[name] == *it;
    };
    if (std::none_of((*it)->outputs.begin(), (*it)->outputs.end(), wanted)) continue;
    live.push_back(*it);
    reads.clear();
    CollectReads(**it, &reads);
    scope->used.insert(reads.begin(), reads.end());
  }
  for (auto it = live.rbegin(); it != live.rend(); ++it) ConvertNode(**it, scope);
}

void Importer::ConvertNode(const NodeView& node, Scope* scope) {
  if (exhausted_) return;
  if (++converted_nodes_ > kMaxNodes) {
    exhausted_ = true;
    errors_.push_back(fmt::format("functions and loops expand to more than {} nodes", kMaxNodes));
    return;
  }
  const int64_t opset = scope->Opset(node.domain);
  GraphBuilder& builder = scope->builder();
  const std::string name = node.outputs.empty() ? std::string(node.name) : std::string(node.outputs[0]);
  if (ConvertFunctionCall(node, scope)) return;
  const OpRow* row = FindOp(node.domain, node.op_type, opset);
  if (row == nullptr && !options_.allow_custom_op) {
    auto& [count, first] = unknown_ops_[fmt::format("{}{}{} (opset {})", node.domain, node.domain.empty() ? "" : ".",
                                                    node.op_type, opset)];
    if (count++ == 0) first = NodeLabel(node);
    ++unknown_nodes_;
    return;
  }
  // A failed producer was reported already; its users would only repeat it.
  for (std::string_view input : node.inputs) {
    if (!input.empty() && failed() && !scope->Find(input).valid()) return;
  }
  if (scope->names_tensors) builder.SetNamePrefix(name);
  NodeContext context(this, scope, node, opset);
  (row != nullptr ? row->function : ConvertCustomOp)(context);
  const Status status = builder.TakeStatus();
  if (!status.ok()) AddError(node, *scope, opset, status);
}

bool Importer::ConvertFunctionCall(const NodeView& node, Scope* scope) {
  if (functions_.empty()) return false;
  const auto it = functions_.find({node.domain, node.op_type, node.overload});
  if (it == functions_.end()) return false;
  const FunctionView* function = it->second;
  const int64_t opset = scope->Opset(node.domain);
  if (scope->depth >= kMaxCallDepth) {
    AddError(node, *scope, opset, InvalidInput("function calls are nested more than {} deep", kMaxCallDepth));
    return true;
  }
  // A function sees only its parameters, so its scope has no parent.
  Scope body(&scope->builder(), nullptr, &function->opsets, fmt::format("function {}.{}", function->domain, function->name),
             scope->opsets());
  body.depth = scope->depth + 1;
  body.function = function;
  body.names_tensors = false;
  // Attributes that themselves refer to the caller's attributes are resolved here.
  std::vector<AttributeView> given;
  for (const AttributeView& a : node.attributes) {
    AttributeView resolved = a;
    if (!a.reference.empty()) {
      const AttributeView* found = nullptr;
      if (scope->call_attributes != nullptr) {
        for (const AttributeView& outer : *scope->call_attributes) {
          if (outer.name == a.reference) found = &outer;
        }
      }
      if (found == nullptr) continue;
      resolved = *found;
      resolved.name = a.name;
    }
    given.push_back(std::move(resolved));
  }
  body.call_attributes = &given;
  for (size_t i = 0; i < function->inputs.size() && i < node.inputs.size(); ++i) {
    if (node.inputs[i].empty()) continue;
    const Value v = scope->Find(node.inputs[i]);
    if (!v.valid()) {
      if (!failed()) {
        AddError(node, *scope, opset, InvalidInput("input '{}' is produced by no node, initializer or graph input", node.inputs[i]));
      }
      return true;
    }
    body.Define(function->inputs[i], v);
  }
  body.used.insert(function->outputs.begin(), function->outputs.end());
  if (scope->names_tensors) {
    scope->builder().SetNamePrefix(node.outputs.empty() ? std::string(node.name) : std::string(node.outputs[0]));
  }
  ConvertNodes(function->nodes, &body);
  for (size_t i = 0; i < function->outputs.size() && i < node.outputs.size(); ++i) {
    if (node.outputs[i].empty()) continue;
    const Value v = body.Find(function->outputs[i]);
    if (!v.valid()) continue;
    if (scope->names_tensors) scope->builder().Rename(v, std::string(node.outputs[i]));
    scope->Define(node.outputs[i], v);
  }
  return true;
}

Status Importer::ErrorSummary() const {
  std::vector<std::string> lines;
  for (const auto& [op, where] : unknown_ops_) {
    lines.push_back(fmt::format("operator {} is not supported ({} node{}, first '{}')", op, where.first,
                                where.first == 1 ? "" : "s", where.second));
  }
  lines.insert(lines.end(), errors_.begin(), errors_.end());
  constexpr size_t kShown = 20;
  std::string text = fmt::format("'{}' cannot be converted, {} problem{} ('quantpress ops --format onnx' lists what is supported):", options_.model_path, lines.size(), lines.size() == 1 ? "" : "s");
  for (size_t i = 0; i < lines.size() && i < kShown; ++i) text += "\n  " + lines[i];
  if (lines.size() > kShown) text += fmt::format("\n  and {} more", lines.size() - kShown);
  return MakeStatus(absl::StatusCode::kUnimplemented, text);
}

// The runtime wants a subgraph in front of those that use it.
void Importer::StoreSubgraphs() {
  std::map<std::string_view, size_t> index;
  for (size_t i = 0; i < subgraphs_.size(); ++i) index.emplace(subgraphs_[i]->name, i);
  std::vector<std::vector<size_t>> users(subgraphs_.size());
  std::vector<size_t> waiting(subgraphs_.size(), 0), ready;
  for (size_t i = 0; i < subgraphs_.size(); ++i) {
    for (const Op& op : subgraphs_[i]->ops) {
      std::vector<std::string_view> names;
      if (const auto* branch = op.main.AsIfParam()) names = {branch->then_graph, branch->else_graph};
      if (const auto* loop = op.main.AsWhileParam()) names = {loop->body_graph};
      for (std::string_view name : names) {
        const auto it = index.find(name);
        if (it == index.end()) continue;
        users[it->second].push_back(i);
        ++waiting[i];
      }
    }
  }
  for (size_t i = subgraphs_.size(); i-- > 0;) {
    if (waiting[i] == 0) ready.push_back(i);
  }
  while (!ready.empty()) {
    const size_t i = ready.back();
    ready.pop_back();
    for (size_t user : users[i]) {
      if (--waiting[user] == 0) ready.push_back(user);
    }
    model_.subgraphs.push_back(std::move(*subgraphs_[i]));
  }
}

// A dimension with a name has one size, wherever the name stands.
Status Importer::FixNamedDimensions() {
  for (const InputShape& given : options_.input_shapes) {
    for (const ValueView& v : view_.graph->inputs) {
      if (v.name != given.name || !v.shape || v.shape->size() != given.dims.size()) continue;
      for (size_t i = 0; i < given.dims.size(); ++i) {
        const DimView& d = (*v.shape)[i];
        if (d.value || d.param.empty()) continue;
        const auto [known, is_new] = fixed_dims_.emplace(d.param, given.dims[i]);
        if (is_new || known->second == given.dims[i]) continue;
        return InvalidInput("'{}': dimension {} of input '{}' is called '{}', which is {} elsewhere; the shape given says {}",
                            options_.model_path, i, v.name, d.param, known->second, given.dims[i]);
      }
    }
  }
  return {};
}

Status Importer::DefineInputs(Scope* scope) {
  const GraphView& graph = *view_.graph;
  std::unordered_set<std::string_view> weights;
  for (const TensorView& t : graph.initializers) weights.insert(t.name);
  for (const SparseTensorView& t : graph.sparse_initializers) weights.insert(t.values.name);
  std::vector<std::string> names;
  for (const ValueView& v : graph.inputs) {
    if (!weights.contains(v.name)) names.emplace_back(v.name);
  }
  QP_RETURN_IF_ERROR(CheckShapedInputs(options_, names));
  QP_RETURN_IF_ERROR(FixNamedDimensions());
  for (const ValueView& v : graph.inputs) {
    if (weights.contains(v.name)) continue;  // an initializer that is also an input is its default value
    if (!v.is_tensor || TypeOf(v) == ElementType::kUnknown || TypeOf(v) == ElementType::kString) {
      return Unsupported("'{}': input '{}' is {}; the runtime takes tensors of numbers only", options_.model_path, v.name,
                         v.is_tensor ? "of type " + OnnxTypeName(v.elem_type) : std::string("no tensor"));
    }
    std::optional<Shape> shape = ShapeOf(v);
    if (shape && !shape->empty() && !IsKnown((*shape)[0]) && options_.batch > 0) (*shape)[0] = options_.batch;
    if (options_.static_shapes) {
      QP_ASSIGN_OR_RETURN(shape, FixedShape(options_, v.name, shape));
    }
    scope->Define(v.name, scope->builder().Input(std::string(v.name), TypeOf(v), std::move(shape)));
  }
  return {};
}

void Importer::NoteOpenShapes() {
  size_t open = 0;
  std::string_view first;
  for (const Op& op : model_.main.ops) {
    for (int t : op.outputs) {
      const auto& shape = model_.main.shapes[static_cast<size_t>(t)];
      if (shape && IsStatic(*shape)) continue;
      if (open++ == 0) first = op.name;
    }
  }
  if (open == 0) return;
  Note(fmt::format("--saveStaticModel: the sizes of {} tensor{} depend on data and stay open, the first in '{}'", open,
                   open == 1 ? "" : "s", first));
}

StatusOr<Model> Importer::Run() {
  const GraphView& graph = *view_.graph;
  model_.source = mnn::NetSource::ONNX;
  for (const auto& [key, value] : view_.metadata) model_.metadata.emplace_back(key, value);
  GraphBuilder builder(&model_.main, &symbols_, ToBuildOptions(options_));
  Scope scope(&builder, nullptr, &view_.opsets, "");
  QP_RETURN_IF_ERROR(DefineInputs(&scope));
  if (!builder.ok()) return Annotate(builder.TakeStatus(), options_.model_path);
  std::vector<std::string_view> outputs;
  for (const ValueView& v : graph.outputs) outputs.push_back(v.name);
  ConvertGraph(graph, &scope, outputs);
  if (failed()) return ErrorSummary();
  if (graph.outputs.empty()) return InvalidInput("'{}': the graph has no outputs", options_.model_path);
  for (const ValueView& v : graph.outputs) {
    const Value found = scope.Find(v.name);
    if (!found.valid()) return InvalidInput("'{}': output '{}' is produced by no node", options_.model_path, v.name);
    const Value named = builder.NameOutput(found, std::string(v.name));
    if (!named.valid()) return Annotate(builder.TakeStatus(), options_.model_path);
    model_.main.outputs.push_back(builder.Tensor(named));
    model_.output_names.emplace_back(v.name);
  }
  builder.RecordShapes();
  if (options_.static_shapes) NoteOpenShapes();
  model_.external_files = external_.paths();
  StoreSubgraphs();
  if (options_.allow_custom_op) {
    for (std::string& note : CustomOpNotes(model_)) Note(std::move(note));
  }
  return std::move(model_);
}

}  // namespace quantpress::graph::onnx
