#include "graph/inspect.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "graph/import/mnn/coded_weight.h"
#include "graph/import/mnn/mnn_importer.h"
#include "graph/weights.h"

namespace quantpress::graph {
namespace {

uint64_t FileSize(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

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

void DescribeCoded(const Op& op, WeightSummary* weight) {
  const StatusOr<CodedWeight> coded = ParseCodedWeight(op);
  if (!coded.ok()) {
    weight->coding = "unreadable";
    return;
  }
  weight->elements = coded->elements;
  weight->bits = coded->bits;
  switch (coded->type) {
    case 0: weight->coding = "sparse float32"; return;
    case 2: weight->coding = "sparse"; break;
    case 4: weight->coding = "int8"; break;
    default: weight->coding = "quantized"; break;
  }
  weight->asymmetric = coded->asymmetric;
  weight->scale_bits = coded->half_alpha ? 16 : 32;
  weight->groups = coded->groups;
  weight->group_size = coded->elements / coded->groups;
  const StatusOr<dispatch::WeightGeometry> geometry = GeometryOf(op, coded->elements);
  if (!geometry.ok() || coded->groups <= geometry->rows || weight->group_size % geometry->kernel_size != 0) return;
  weight->block = weight->group_size / geometry->kernel_size;
}

WeightSummary Describe(const Graph& graph, const Op& op, const WeightView& view) {
  WeightSummary weight;
  weight.layer = op.name;
  weight.subgraph = graph.name;
  weight.op_type = mnn::EnumNameOpType(op.type);
  weight.bytes = view.stored_bytes;
  weight.elements = view.elements;
  for (const Bulk& bulk : op.bulk) weight.external |= bulk.external;
  switch (view.form) {
    case WeightForm::kFloat:
    case WeightForm::kFullyConnected:
    case WeightForm::kConstant:
      weight.coding = ElementTypeName(view.source->type());
      weight.bits = ElementBits(view.source->type());
      break;
    case WeightForm::kHalf:
      weight.coding = "float16";
      weight.bits = 16;
      break;
    case WeightForm::kInt8Model:
      weight.coding = "int8";
      weight.bits = 8;
      break;
    case WeightForm::kCoded: DescribeCoded(op, &weight); break;
  }
  return weight;
}

// Half constants have no entry in a plan, but they are weights to whoever looks at a file.
std::optional<WeightView> HalfConstant(const Op& op) {
  const mnn::BlobT* blob = op.main.AsBlob();
  const Bulk* data = op.FindBulk(BulkField::kBlobUint8s);
  if (blob == nullptr || data == nullptr || blob->dataType != mnn::DataType::DT_HALF) return std::nullopt;
  const auto* bytes = std::get_if<Bytes>(&data->data);
  if (bytes == nullptr || bytes->size / 2 < kMinHalfConstant) return std::nullopt;
  return WeightView{WeightForm::kHalf, nullptr, bytes->size / 2, bytes->size};
}

void AddWeights(const Graph& graph, ModelSummary* summary) {
  for (const Op& op : graph.ops) {
    std::optional<WeightView> view = ViewWeight(op);
    if (!view.has_value()) view = HalfConstant(op);
    if (!view.has_value()) continue;
    summary->weights.push_back(Describe(graph, op, *view));
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
