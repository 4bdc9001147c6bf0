#include "graph/inspect.h"

#include <algorithm>
#include <map>

#include "graph/import/mnn/mnn_importer.h"
#include "graph/ir/bytes.h"
#include "graph/weight_summary.h"

namespace quantpress::graph {
namespace {

std::string TypeName(mnn::DataType type) {
  switch (type) {
    case mnn::DataType::DT_FLOAT: return "float32";
    case mnn::DataType::DT_INT32: return "int32";
    case mnn::DataType::DT_INT64: return "int64";
    case mnn::DataType::DT_UINT8: return "uint8";
    case mnn::DataType::DT_INT8: return "int8";
    case mnn::DataType::DT_HALF: return "float16";
    case mnn::DataType::DT_BFLOAT16: return "bfloat16";
    default: return mnn::EnumNameDataType(type);
  }
}

GraphSummary Summarize(const Graph& graph, const std::vector<std::string>& output_names) {
  GraphSummary summary;
  summary.name = graph.name;
  summary.tensors = graph.tensors.size();
  summary.ops = graph.ops.size();
  std::map<std::string, uint64_t> counts;
  for (const Op& op : graph.ops) {
    ++counts[mnn::EnumNameOpType(op.type)];
    const mnn::InputT* input = op.type == mnn::OpType::Input ? op.main.AsInput() : nullptr;
    if (input == nullptr || !graph.inputs.empty()) continue;
    TensorSummary tensor;
    if (!op.outputs.empty() && op.outputs[0] >= 0) tensor.name = graph.tensors[static_cast<size_t>(op.outputs[0])];
    tensor.dims = input->dims;
    tensor.type = TypeName(input->dtype);
    tensor.format = mnn::EnumNameMNN_DATA_FORMAT(input->dformat);
    summary.inputs.push_back(std::move(tensor));
  }
  const auto add = [&](const std::vector<int>& indexes, std::vector<TensorSummary>* out) {
    for (const int index : indexes) out->push_back({graph.tensors[static_cast<size_t>(index)], {}, "", ""});
  };
  add(graph.inputs, &summary.inputs);
  if (output_names.empty()) {
    add(graph.outputs, &summary.outputs);
  } else {
    for (const std::string& name : output_names) summary.outputs.push_back({name, {}, "", ""});
  }
  for (const auto& [type, count] : counts) summary.op_types.push_back({type, count});
  return summary;
}

void AddWeights(const Graph& graph, ModelSummary* summary) {
  for (const Op& op : graph.ops) {
    const std::optional<WeightView> view = ViewAnyWeight(op);
    if (!view.has_value()) continue;
    summary->weights.push_back(SummarizeWeight(graph, op, *view));
    summary->weight_elements += summary->weights.back().elements;
    summary->weight_bytes += summary->weights.back().bytes;
  }
}

std::string VersionIn(const std::string& path) {
  const StatusOr<Bytes> file = MapFile(path);
  if (!file.ok() || !LooksLikeMnn(*file)) return "";
  const mnn::Net* net = mnn::GetNet(file->data);
  return net->extraInfo() != nullptr && net->extraInfo()->version() != nullptr ? net->extraInfo()->version()->str() : "";
}

}  // namespace

StatusOr<ModelSummary> Inspect(const std::string& path) {
  ModelSummary summary;
  QP_ASSIGN_OR_RETURN(summary.format, DetectFormat(path));
  ImportOptions options;
  options.model_path = path;
  QP_ASSIGN_OR_RETURN(const Model model, ImportModel(options));
  summary.file_bytes = FileSize(path);
  if (summary.format == SourceFormat::kMnn) summary.version = VersionIn(path);
  summary.source = mnn::EnumNameNetSource(model.source);
  summary.uuid = model.uuid;
  summary.biz_code = model.biz_code;
  summary.auth_code = model.auth_code;
  summary.metadata = model.metadata;
  summary.main = Summarize(model.main, model.output_names);
  AddWeights(model.main, &summary);
  for (const Graph& graph : model.subgraphs) {
    summary.subgraphs.push_back(Summarize(graph, {}));
    AddWeights(graph, &summary);
  }
  for (const WeightSummary& weight : summary.weights) {
    if (weight.external && summary.external_bytes == 0) summary.external_bytes = FileSize(path + ".weight");
  }
  return summary;
}

}  // namespace quantpress::graph
