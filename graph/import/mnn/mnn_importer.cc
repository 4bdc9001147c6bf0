#include "graph/import/mnn/mnn_importer.h"

#include <unordered_map>

#include "graph/import/mnn/unpack_op.h"
#include "graph/import/mnn/unpacked_size.h"

namespace quantpress::graph {
namespace {

// Limits of the runtime's own verification.
constexpr flatbuffers::uoffset_t kMaxDepth = 64;
constexpr flatbuffers::uoffset_t kMaxTables = 1000000;

Status CheckIndexes(const std::string& what, const std::vector<int>& indexes, size_t tensors, bool optional) {
  for (const int index : indexes) {
    if (index >= 0 && static_cast<size_t>(index) < tensors) continue;
    if (index == -1 && optional) continue;
    return InvalidInput("{} refers to tensor {}; the graph has {} tensors", what, index, tensors);
  }
  return {};
}

bool IsData(mnn::OpType type) {
  return type == mnn::OpType::Const || type == mnn::OpType::TrainableParam || type == mnn::OpType::Input;
}

// Ops run in list order: what an op reads must not be computed later only.
Status CheckOrder(const Graph& graph) {
  constexpr size_t kNever = SIZE_MAX;
  std::vector<size_t> first(graph.tensors.size(), kNever);  // op that writes the tensor first
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    const size_t position = IsData(graph.ops[i].type) ? 0 : i + 1;
    for (const int out : graph.ops[i].outputs) {
      size_t& at = first[static_cast<size_t>(out)];
      if (at == kNever || position < at) at = position;
    }
  }
  for (size_t i = 0; i < graph.ops.size(); ++i) {
    for (const int in : graph.ops[i].inputs) {
      if (in < 0) continue;
      const size_t at = first[static_cast<size_t>(in)];
      if (at != kNever && at > i + 1) {
        return InvalidInput("op '{}' reads tensor '{}' before op '{}' computes it: the graph is cyclic or out of order",
                            graph.ops[i].name, graph.tensors[static_cast<size_t>(in)], graph.ops[at - 1].name);
      }
    }
  }
  return {};
}

using OpTables = flatbuffers::Vector<flatbuffers::Offset<mnn::Op>>;
using Strings = flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>;
using Describes = flatbuffers::Vector<flatbuffers::Offset<mnn::TensorDescribe>>;

Status ReadGraph(const OpTables* ops, const Strings* tensors, const Describes* describes, const Bytes& file,
                 ExternalFile* external, Graph* graph) {
  if (ops == nullptr) return InvalidInput("a graph has no list of ops");
  if (tensors == nullptr) return InvalidInput("a graph has no tensor names");
  for (const auto* name : *tensors) graph->tensors.push_back(name->str());
  graph->ops.reserve(ops->size());
  for (flatbuffers::uoffset_t i = 0; i < ops->size(); ++i) {
    QP_ASSIGN_OR_RETURN(Op op, UnpackOp(*ops->Get(i), i, file, external));
    const std::string what = fmt::format("op '{}'", op.name);
    QP_RETURN_IF_ERROR(CheckIndexes(what, op.inputs, graph->tensors.size(), true));
    QP_RETURN_IF_ERROR(CheckIndexes(what, op.outputs, graph->tensors.size(), false));
    graph->ops.push_back(std::move(op));
  }
  QP_RETURN_IF_ERROR(CheckOrder(*graph));
  if (describes == nullptr) return {};
  for (const auto* describe : *describes) {
    graph->tensor_describes.emplace_back(describe->UnPack());
    QP_RETURN_IF_ERROR(CheckIndexes("a tensor description", {describe->index()}, graph->tensors.size(), false));
  }
  return {};
}

void ReadExtraInfo(const mnn::ExtraInfo& info, Model* model) {
  if (info.name() != nullptr) model->auth_code = info.name()->str();
  const auto* buffer = info.buffer();
  if (buffer == nullptr || buffer->size() == 0) return;
  // The nested buffer may start anywhere; reading it needs an aligned copy.
  std::vector<uint8_t> copy(buffer->Data(), buffer->Data() + buffer->size());
  flatbuffers::Verifier verifier(copy.data(), copy.size(), kMaxDepth, kMaxTables);
  if (copy.size() < 8 || !verifier.VerifyBuffer<mnn::Extra>(nullptr)) {
    model->notes.push_back("the model's metadata cannot be read and is dropped");
    return;
  }
  const auto* attributes = flatbuffers::GetRoot<mnn::Extra>(copy.data())->attr();
  if (attributes == nullptr) return;
  for (const auto* attribute : *attributes) {
    if (attribute->key() == nullptr || attribute->s() == nullptr) continue;
    model->metadata.emplace_back(attribute->key()->str(), attribute->s()->str());
  }
}

Status ReadSubgraph(const mnn::SubGraphProto& in, const Bytes& file, ExternalFile* external, Graph* graph) {
  if (in.name() != nullptr) graph->name = in.name()->str();
  if (graph->name.empty()) return InvalidInput("a subgraph has no name");
  const Status status = ReadGraph(in.nodes(), in.tensors(), in.extraTensorDescribe(), file, external, graph);
  if (!status.ok()) return Annotate(status, fmt::format("subgraph '{}'", graph->name));
  if (in.inputs() != nullptr) graph->inputs.assign(in.inputs()->begin(), in.inputs()->end());
  if (in.outputs() != nullptr) graph->outputs.assign(in.outputs()->begin(), in.outputs()->end());
  const std::string what = fmt::format("subgraph '{}'", graph->name);
  QP_RETURN_IF_ERROR(CheckIndexes(what, graph->inputs, graph->tensors.size(), false));
  return CheckIndexes(what, graph->outputs, graph->tensors.size(), false);
}

// The main graph's outputs: those named by the file, else (as the runtime does) every tensor that is computed and never read.
void ResolveOutputs(Model* model) {
  if (model->output_names.empty()) {
    std::vector<int> state(model->main.tensors.size(), 0);  // 1: computed, 2: read
    for (const Op& op : model->main.ops) {
      for (const int out : op.outputs) state[static_cast<size_t>(out)] |= IsData(op.type) ? 0 : 1;
      for (const int in : op.inputs) {
        if (in >= 0) state[static_cast<size_t>(in)] |= 2;
      }
    }
    for (size_t i = 0; i < state.size(); ++i) {
      if (state[i] == 1) model->main.outputs.push_back(static_cast<int>(i));
    }
    return;
  }
  std::unordered_map<std::string, int> index;
  for (size_t i = 0; i < model->main.tensors.size(); ++i) index.emplace(model->main.tensors[i], static_cast<int>(i));
  for (const std::string& name : model->output_names) {
    const auto found = index.find(name);
    if (found != index.end()) model->main.outputs.push_back(found->second);
  }
}

StatusOr<Model> ReadNet(const Bytes& file, const std::string& path) {
  QP_RETURN_IF_ERROR(CheckUnpackedSize(file));
  const mnn::Net& net = *mnn::GetNet(file.data);
  ExternalFile external(path + ".weight");
  Model model;
  model.source = net.sourceType();
  model.usage = net.usage();
  model.prefer_forward_type = net.preferForwardType();
  model.tensor_number = net.tensorNumber();
  if (net.bizCode() != nullptr) model.biz_code = net.bizCode()->str();
  if (net.mnn_uuid() != nullptr) model.uuid = net.mnn_uuid()->str();
  if (net.outputName() != nullptr) {
    for (const auto* name : *net.outputName()) model.output_names.push_back(name->str());
  }
  if (net.extraInfo() != nullptr) ReadExtraInfo(*net.extraInfo(), &model);
  QP_RETURN_IF_ERROR(
      ReadGraph(net.oplists(), net.tensorName(), net.extraTensorDescribe(), file, &external, &model.main));
  if (net.subgraphs() != nullptr) {
    for (const auto* subgraph : *net.subgraphs()) {
      QP_RETURN_IF_ERROR(ReadSubgraph(*subgraph, file, &external, &model.subgraphs.emplace_back()));
    }
  }
  if (external.used()) model.external_files.push_back(external.path());
  ResolveOutputs(&model);
  return model;
}

}  // namespace

bool MnnVerifies(const Bytes& file) {
  if (file.size < 8 || file.size >= FLATBUFFERS_MAX_BUFFER_SIZE) return false;
  flatbuffers::Verifier verifier(file.data, file.size, kMaxDepth, kMaxTables);
  return mnn::VerifyNetBuffer(verifier);
}

bool LooksLikeMnn(const Bytes& file) {
  if (!MnnVerifies(file)) return false;
  const mnn::Net* net = mnn::GetNet(file.data);
  return net->oplists() != nullptr && net->oplists()->size() > 0 && net->tensorName() != nullptr;
}

StatusOr<Bytes> MapMnn(const std::string& path) {
  QP_ASSIGN_OR_RETURN(Bytes file, MapFile(path));
  if (file.empty()) return InvalidInput("'{}' is empty; expected an MNN model", path);
  if (file.size >= FLATBUFFERS_MAX_BUFFER_SIZE) {
    return InvalidInput("'{}' has {} bytes; an MNN model file has less than 2 GiB", path, file.size);
  }
  if (!MnnVerifies(file)) return InvalidInput("'{}' is not an MNN model, or it is damaged or truncated", path);
  return file;
}

StatusOr<Model> ImportMnn(const std::string& path) {
  QP_ASSIGN_OR_RETURN(const Bytes file, MapMnn(path));
  return ImportMnnBytes(file, path);
}

StatusOr<Model> ImportMnnBytes(const Bytes& file, const std::string& path) {
  StatusOr<Model> model = ReadNet(file, path);
  if (!model.ok()) return Annotate(model.status(), fmt::format("'{}'", path));
  return model;
}

}  // namespace quantpress::graph
