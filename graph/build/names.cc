// Names of tensors, and values of enclosing graphs.
#include <algorithm>

#include "graph/build/graph_builder.h"

namespace quantpress::graph {

std::string GraphBuilder::UniqueName(const std::string& base) {
  if (!base.empty() && !names_.contains(base)) return base;
  std::string name;
  size_t& n = next_suffix_.try_emplace(base, 2).first->second;
  do {
    name = fmt::format("{}__{}", base, n++);
  } while (names_.contains(name));
  return name;
}

int GraphBuilder::AddTensor(const std::string& name) {
  const auto tensor = static_cast<int>(graph_->tensors.size());
  names_.emplace(name, tensor);
  graph_->tensors.push_back(name);
  return tensor;
}

void GraphBuilder::AddOp(Op op) {
  producer_.resize(graph_->tensors.size(), -1);
  for (int t : op.outputs) producer_[static_cast<size_t>(t)] = static_cast<int>(graph_->ops.size());
  graph_->ops.push_back(std::move(op));
}

void GraphBuilder::SetNamePrefix(std::string prefix) {
  prefix_ = std::move(prefix);
  next_name_ = 0;
}

// Precondition: no tensor has the name.
void GraphBuilder::SetTensorName(int tensor, const std::string& name) {
  std::string& old = graph_->tensors[static_cast<size_t>(tensor)];
  names_.erase(old);
  names_.emplace(name, tensor);
  const auto t = static_cast<size_t>(tensor);
  if (t < producer_.size() && producer_[t] >= 0) {
    Op& op = graph_->ops[static_cast<size_t>(producer_[t])];
    if (op.outputs[0] == tensor && op.name == old) op.name = name;
  }
  old = name;
}

void GraphBuilder::Rename(Value v, const std::string& name) {
  if (!v.valid() || name.empty()) return;
  ValueInfo& info = Mutable(v);
  if (info.tensor < 0) {  // a constant that no op reads yet
    if (info.name.empty()) info.name = name;
    return;
  }
  if (source_named_.contains(info.tensor) || names_.contains(name)) return;  // an alias; the first name stays
  source_named_.insert(info.tensor);
  SetTensorName(info.tensor, name);
  info.name = name;
}

Value GraphBuilder::NameOutput(Value v, const std::string& name) {
  if (!v.valid()) return v;
  if (info(v).tensor < 0 && !names_.contains(name)) Mutable(v).name = name;
  const int tensor = Tensor(v);
  if (!ok()) return {};
  if (graph_->tensors[static_cast<size_t>(tensor)] == name) return v;
  // Another tensor may have the name, where the source gives it twice; outputs go first.
  if (const auto it = names_.find(name); it != names_.end()) {
    const int other = it->second;
    SetTensorName(other, UniqueName(name));
  }
  const ValueInfo copy = info(v);
  const Value out = Emit(mnn::OpType::Identity, {}, {v}, {copy.type, copy.shape, copy.stored});
  Rename(out, name);
  return out;
}

Value GraphBuilder::Capture(Value outer) {
  if (!outer.valid() || parent_ == nullptr || !ok()) return {};
  if (const auto it = captured_.find(outer.id); it != captured_.end()) return it->second;
  const ValueInfo info = parent_->info(outer);
  Value inner;
  if (info.constant != nullptr) {
    inner = MakeConstant(*info.constant, info.name);
    Mutable(inner).stored = info.stored;
  } else if (info.kind != ValueKind::kTensor) {
    std::vector<Value> items;
    for (Value item : info.items) items.push_back(Capture(item));
    switch (info.kind) {
      case ValueKind::kSequence: inner = MakeSequence(std::move(items), info.type); break;
      case ValueKind::kParts:
        inner = MakeParts(items[0], items.size() > 1 ? items[1] : Value{}, static_cast<size_t>(info.parts_axis), info.parts_keep_axis);
        break;
      default: inner = MakeNothing(info.type);
    }
    if (!inner.valid()) return {};
  } else {
    // The runtime pairs the inputs of both branches of an If by name, so a name must mean one tensor in both.
    inner = Input(UniqueName(fmt::format("{}{}", graph_->name.empty() ? "" : graph_->name + "/", info.name)), info.type, info.shape, info.stored);
    if (!inner.valid()) return {};
    Mutable(inner).elements = info.elements;
    Mutable(inner).non_negative = info.non_negative;
    captures_.emplace_back(outer, inner);
  }
  captured_.emplace(outer.id, inner);
  return inner;
}

Value GraphBuilder::CaptureFrom(GraphBuilder* owner, Value outer) {
  if (owner == this) return outer;
  if (parent_ == nullptr) return {};
  return Capture(parent_->CaptureFrom(owner, outer));
}

}  // namespace quantpress::graph
