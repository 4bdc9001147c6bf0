// Ops that compute the same thing from the same tensors become one: exporters and our own decompositions write shape
// arithmetic, index wraps and reshapes once for each user. Three projections of one tensor then share its packed copy.
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>

#include "graph/ir/content_hash.h"
#include "graph/passes/graph_index.h"
#include "graph/passes/passes.h"

namespace quantpress::graph {
namespace {

using mnn::OpType;

// Larger constants are one only if they come from the same source: to read them would take longer than to store them twice.
constexpr uint64_t kMaxComparedElements = 1 << 18;
// Content up to here is part of a key as it is, the rest as a hash.
constexpr size_t kMaxPlainBytes = 256;

// Without state or randomness, and without weights of its own.
bool IsMergeable(OpType type) {
  switch (type) {
    case OpType::Const:
    case OpType::Shape:
    case OpType::Rank:
    case OpType::Size:
    case OpType::Reshape:
    case OpType::Squeeze:
    case OpType::Unsqueeze:
    case OpType::Permute:
    case OpType::StridedSlice:
    case OpType::Slice:
    case OpType::SliceTf:
    case OpType::Concat:
    case OpType::Pack:
    case OpType::GatherV2:
    case OpType::GatherND:
    case OpType::GatherElements:
    case OpType::BroadcastTo:
    case OpType::Tile:
    case OpType::Padding:
    case OpType::Range:
    case OpType::Fill:
    case OpType::Cast:
    case OpType::Select:
    case OpType::BinaryOp:
    case OpType::UnaryOp:
    case OpType::Reduction:
    case OpType::ReLU:
    case OpType::ReLU6:
    case OpType::MatMul:
    case OpType::Softmax:
      return true;
    default:
      return false;
  }
}

void Append(std::string* key, const void* data, size_t size) { key->append(static_cast<const char*>(data), size); }

template <typename T>
void Append(std::string* key, const T& value) {
  Append(key, &value, sizeof(value));
}

void AppendContent(std::string* key, const void* data, size_t size) {
  if (size <= kMaxPlainBytes) return Append(key, data, size);
  *key += ContentHash({static_cast<const char*>(data), size});
}

// Elements of a bulk, or where they come from.
void AppendBulk(std::string* key, const Bulk& bulk) {
  Append(key, bulk.field);
  if (const auto* bytes = std::get_if<Bytes>(&bulk.data)) {
    Append(key, bytes->size);
    if (bytes->size <= kMaxComparedElements * sizeof(float)) return AppendContent(key, bytes->data, bytes->size);
    return Append(key, bytes->data);
  }
  const auto& source = std::get<TensorSourcePtr>(bulk.data);
  Append(key, source->count());
  if (source->count() > kMaxComparedElements) return Append(key, source.get());
  if (IsInteger(source->type())) {  // not all are floats
    std::vector<int64_t> values(source->count());
    source->ReadInts(0, values);
    return AppendContent(key, values.data(), values.size() * sizeof(int64_t));
  }
  std::vector<float> values(source->count());
  source->ReadFloats(0, values);
  AppendContent(key, values.data(), values.size() * sizeof(float));
}

// Equal keys: equal results.
std::string KeyOf(const Op& op) {
  std::string key;
  Append(&key, op.type);
  Append(&key, op.default_format);
  Append(&key, op.outputs.size());
  Append(&key, op.inputs.size());
  for (int t : op.inputs) Append(&key, t);
  Append(&key, op.main.type);
  flatbuffers::FlatBufferBuilder builder;
  op.main.Pack(builder);
  Append(&key, static_cast<uint64_t>(builder.GetSize()));
  // An op without parameters leaves the builder without a buffer.
  if (builder.GetSize() > 0) Append(&key, builder.GetCurrentBufferPointer(), builder.GetSize());
  for (const Bulk& bulk : op.bulk) AppendBulk(&key, bulk);
  return key;
}

}  // namespace

Status MergeEqualOps(Graph& graph, const ImportOptions&) {
  GraphIndex index(&graph);
  std::unordered_map<std::string, size_t> first;
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    Op& op = graph.ops[i];
    if (!IsMergeable(op.type) || !op.external_path.empty()) continue;
    bool is_output = false;
    for (int t : op.outputs) is_output |= index.IsOutput(t);
    const auto [place, is_new] = first.emplace(KeyOf(op), i);
    // An output keeps its own op, because it keeps its name.
    if (is_new || is_output) continue;
    for (size_t k = 0; k < op.outputs.size(); ++k) index.ReplaceUses(op.outputs[k], graph.ops[place->second].outputs[k]);
    index.Remove(&op);
  }
  index.Commit();
  return absl::OkStatus();
}

}  // namespace quantpress::graph
