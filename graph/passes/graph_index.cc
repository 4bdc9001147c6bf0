#include "graph/passes/graph_index.h"

#include <algorithm>

#include "graph/build/params.h"

namespace quantpress::graph {

GraphIndex::GraphIndex(Graph* graph)
    : graph_(graph),
      producer_(graph->tensors.size()),
      users_(graph->tensors.size()),
      is_output_(graph->tensors.size(), false),
      removed_(graph->ops.size(), false) {
  for (size_t i = 0; i < graph->ops.size(); ++i) {
    for (int t : graph->ops[i].outputs) producer_[static_cast<size_t>(t)] = i;
    for (int t : graph->ops[i].inputs) {
      if (t >= 0) users_[static_cast<size_t>(t)].push_back(i);
    }
  }
  for (int t : graph->outputs) is_output_[static_cast<size_t>(t)] = true;
}

Op* GraphIndex::Producer(int t) {
  if (t < 0 || !producer_[static_cast<size_t>(t)]) return nullptr;
  const size_t i = *producer_[static_cast<size_t>(t)];
  return removed_[i] ? nullptr : &graph_->ops[i];
}

Op* GraphIndex::OnlyUser(int t) {
  const OpPositions& users = Users(t);
  return users.size() == 1 && !IsOutput(t) ? &graph_->ops[users[0]] : nullptr;
}

const std::vector<int64_t>* GraphIndex::ShapeOf(int t) const {
  const auto i = static_cast<size_t>(t);
  return t >= 0 && i < graph_->shapes.size() && graph_->shapes[i] ? &*graph_->shapes[i] : nullptr;
}

Op* GraphIndex::ConstProducer(int t) {
  Op* op = Producer(t);
  return op != nullptr && op->type == mnn::OpType::Const ? op : nullptr;
}

void GraphIndex::ReplaceUses(int from, int to) {
  for (size_t user : users_[static_cast<size_t>(from)]) {
    for (int& t : graph_->ops[user].inputs) {
      if (t == from) t = to;
    }
    users_[static_cast<size_t>(to)].push_back(user);
  }
  users_[static_cast<size_t>(from)].clear();
}

void GraphIndex::MoveOutput(Op* op, int t) {
  if (Op* old = Producer(t); old != nullptr && old != op) Remove(old);
  producer_[static_cast<size_t>(op->outputs[0])].reset();
  op->outputs[0] = t;
  producer_[static_cast<size_t>(t)] = Position(op);
}

void GraphIndex::ForgetInputs(const Op* op) {
  for (int t : op->inputs) {
    if (t < 0) continue;
    OpPositions& users = users_[static_cast<size_t>(t)];
    users.erase(std::remove(users.begin(), users.end(), Position(op)), users.end());
  }
}

void GraphIndex::Remove(Op* op) {
  removed_[Position(op)] = true;
  ForgetInputs(op);
}

void GraphIndex::SetInputs(Op* op, std::vector<int> inputs) {
  ForgetInputs(op);
  for (int t : inputs) {
    if (t >= 0) users_[static_cast<size_t>(t)].push_back(Position(op));
  }
  op->inputs = std::move(inputs);
}

void GraphIndex::Become(Op* op, mnn::OpType type, mnn::OpParameterUnion main, std::vector<int> inputs) {
  SetInputs(op, std::move(inputs));
  op->type = type;
  op->main = std::move(main);
  op->bulk.clear();
}

void GraphIndex::Commit() {
  size_t to = 0;
  for (size_t i = 0; i < graph_->ops.size(); ++i) {
    if (removed_[i]) continue;
    if (to != i) graph_->ops[to] = std::move(graph_->ops[i]);
    ++to;
  }
  graph_->ops.resize(to);
}

std::optional<ConstFloats> FloatsOf(const Op* op) {
  if (op == nullptr || op->type != mnn::OpType::Const || op->main.type != mnn::OpParameter::Blob) return std::nullopt;
  const auto* blob = TableOf<mnn::BlobT>(op->main);
  ConstFloats out;
  out.shape.assign(blob->dims.begin(), blob->dims.end());
  if (const Bulk* bulk = op->FindBulk(BulkField::kBlobFloat32s)) {
    if (const auto* source = std::get_if<TensorSourcePtr>(&bulk->data)) out.data = *source;
  } else if (const Bulk* half = op->FindBulk(BulkField::kBlobUint8s); half && blob->dataType == mnn::DataType::DT_HALF) {
    const Bytes* bytes = std::get_if<Bytes>(&half->data);
    auto source = bytes ? DenseSource(*bytes, ElementType::kFloat16, bytes->size / 2) : InvalidInput("no bytes");
    if (source.ok()) out.data = *source;
  }
  if (out.data == nullptr) return std::nullopt;
  return out;
}

}  // namespace quantpress::graph
