#include "graph/export/metadata.h"

#include "graph/version.h"

namespace quantpress::graph {
namespace {

using flatbuffers::FlatBufferBuilder;
using flatbuffers::Offset;

template <typename T>
using Table = Offset<flatbuffers::Vector<Offset<T>>>;
template <typename T>
using Scalars = Offset<flatbuffers::Vector<T>>;

// Empty vectors and strings are left out: the runtime treats some of them differently from absent ones.
Offset<flatbuffers::String> PackString(FlatBufferBuilder& fbb, const std::string& text) {
  return text.empty() ? Offset<flatbuffers::String>() : fbb.CreateString(text);
}

Scalars<int32_t> PackInts(FlatBufferBuilder& fbb, const std::vector<int>& values) {
  return values.empty() ? Scalars<int32_t>() : fbb.CreateVector(values);
}

Table<flatbuffers::String> PackStrings(FlatBufferBuilder& fbb, const std::vector<std::string>& texts) {
  return texts.empty() ? Table<flatbuffers::String>() : fbb.CreateVectorOfStrings(texts);
}

template <typename T>
Table<T> PackTables(FlatBufferBuilder& fbb, const std::vector<Offset<T>>& tables) {
  return tables.empty() ? Table<T>() : fbb.CreateVector(tables);
}

Table<mnn::Op> PackOps(FlatBufferBuilder& fbb, std::vector<Op>* ops) {
  std::vector<Offset<mnn::Op>> offsets;
  offsets.reserve(ops->size());
  for (Op& op : *ops) {
    mnn::OpT table;
    table.name = op.name;
    table.type = op.type;
    table.inputIndexes = op.inputs;
    table.outputIndexes = op.outputs;
    table.defaultDimentionFormat = op.default_format;
    table.externalPath = op.external_path;
    table.main = std::move(op.main);
    offsets.push_back(mnn::CreateOp(fbb, &table));
    op.main = std::move(table.main);
  }
  return fbb.CreateVector(offsets);
}

Table<mnn::TensorDescribe> PackDescribes(FlatBufferBuilder& fbb,
                                         const std::vector<std::unique_ptr<mnn::TensorDescribeT>>& describes) {
  std::vector<Offset<mnn::TensorDescribe>> offsets;
  for (const auto& describe : describes) offsets.push_back(mnn::CreateTensorDescribe(fbb, describe.get()));
  return PackTables(fbb, offsets);
}

Offset<mnn::SubGraphProto> PackSubgraph(FlatBufferBuilder& fbb, Graph* graph) {
  const auto name = PackString(fbb, graph->name);
  const auto inputs = PackInts(fbb, graph->inputs);
  const auto outputs = PackInts(fbb, graph->outputs);
  const auto tensors = PackStrings(fbb, graph->tensors);
  const auto nodes = PackOps(fbb, &graph->ops);
  const auto describes = PackDescribes(fbb, graph->tensor_describes);
  return mnn::CreateSubGraphProto(fbb, name, inputs, outputs, tensors, nodes, describes);
}

Scalars<int8_t> PackProperties(FlatBufferBuilder& fbb, const std::vector<std::pair<std::string, std::string>>& properties) {
  if (properties.empty()) return {};
  mnn::ExtraT extra;
  extra.type = "Meta";
  extra.engine = "MNN";
  for (const auto& [key, value] : properties) {
    auto attribute = std::make_unique<mnn::AttributeT>();
    attribute->key = key;
    attribute->s = value;
    extra.attr.push_back(std::move(attribute));
  }
  FlatBufferBuilder nested;
  nested.Finish(mnn::CreateExtra(nested, &extra));
  return fbb.CreateVector(reinterpret_cast<const int8_t*>(nested.GetBufferPointer()), nested.GetSize());
}

Offset<mnn::ExtraInfo> PackExtraInfo(FlatBufferBuilder& fbb, const Model& model) {
  const auto buffer = PackProperties(fbb, model.metadata);
  const auto name = PackString(fbb, model.auth_code);
  const auto version = fbb.CreateString(kMnnVersion);
  return mnn::CreateExtraInfo(fbb, buffer, name, version);
}

}  // namespace

std::vector<uint8_t> PackMetadata(Model* model) {
  FlatBufferBuilder fbb;
  const auto biz_code = PackString(fbb, model->biz_code);
  const auto describes = PackDescribes(fbb, model->main.tensor_describes);
  const auto extra = PackExtraInfo(fbb, *model);
  const auto ops = PackOps(fbb, &model->main.ops);
  const auto outputs = PackStrings(fbb, model->output_names);
  const auto tensors = PackStrings(fbb, model->main.tensors);
  std::vector<Offset<mnn::SubGraphProto>> graphs;
  for (Graph& graph : model->subgraphs) graphs.push_back(PackSubgraph(fbb, &graph));
  const auto subgraphs = PackTables(fbb, graphs);
  const auto uuid = PackString(fbb, model->uuid);
  const int tensor_number = model->tensor_number > 0 ? static_cast<int>(model->main.tensors.size()) : 0;
  fbb.Finish(mnn::CreateNet(fbb, biz_code, describes, extra, ops, outputs, model->prefer_forward_type, model->source, tensors,
                            tensor_number, model->usage, subgraphs, uuid));
  return {fbb.GetBufferPointer(), fbb.GetBufferPointer() + fbb.GetSize()};
}

}  // namespace quantpress::graph
