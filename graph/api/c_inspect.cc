#include "dispatch/target.h"
#include "graph/api/c_common.h"

struct qp_model {
  quantpress::ModelInfo info;
};

namespace quantpress::c {
namespace {

qp_status TensorAt(const std::vector<Tensor>& tensors, size_t index, qp_tensor* out) {
  if (index >= tensors.size()) return QP_INVALID_INPUT;
  const Tensor& from = tensors[index];
  return Fill({0, from.name.c_str(), from.dims.data(), from.dims.size(), from.type.c_str(), from.layout.c_str()}, out);
}

}  // namespace
}  // namespace quantpress::c

using namespace quantpress::c;  // NOLINT: the functions below have no namespace of their own

const char* qp_isa_name(size_t index) {
  size_t at = 0;
  for (const quantpress::dispatch::Isa isa : quantpress::dispatch::AvailableIsas()) {
    if (at++ == index) return quantpress::dispatch::IsaName(isa).data();  // a literal
  }
  return nullptr;
}

qp_status qp_model_inspect(const char* path, qp_model** model, qp_error** error) {
  if (model != nullptr) *model = nullptr;
  return Call(error, [&]() -> quantpress::Error {
    if (model == nullptr) return IsNull("model");
    auto info = quantpress::Inspect(Text(path));
    if (!info.ok()) return info.error();
    *model = new qp_model{std::move(*info)};
    return {};
  });
}

qp_status qp_model_info_of(const qp_model* model, qp_model_info* info) {
  if (model == nullptr) return QP_INVALID_INPUT;
  const quantpress::ModelInfo& from = model->info;
  qp_model_info known{};
  known.format = static_cast<int32_t>(from.format);
  known.file_bytes = from.file_bytes;
  known.external_bytes = from.external_bytes;
  known.framework = from.framework.c_str();
  known.version = from.version.c_str();
  known.uuid = from.uuid.c_str();
  known.biz_code = from.biz_code.c_str();
  known.auth_code = from.auth_code.c_str();
  known.input_count = from.inputs.size();
  known.output_count = from.outputs.size();
  known.operator_count = from.operators.size();
  known.weight_count = from.weights.size();
  known.metadata_count = from.metadata.size();
  return Fill(known, info);
}

qp_status qp_model_input(const qp_model* model, size_t index, qp_tensor* tensor) {
  return model == nullptr ? QP_INVALID_INPUT : TensorAt(model->info.inputs, index, tensor);
}

qp_status qp_model_output(const qp_model* model, size_t index, qp_tensor* tensor) {
  return model == nullptr ? QP_INVALID_INPUT : TensorAt(model->info.outputs, index, tensor);
}

qp_status qp_model_weight(const qp_model* model, size_t index, qp_weight* weight) {
  if (model == nullptr || index >= model->info.weights.size()) return QP_INVALID_INPUT;
  const quantpress::StoredWeight& from = model->info.weights[index];
  qp_weight known{};
  known.layer = from.layer.c_str();
  known.subgraph = from.subgraph.c_str();
  known.op_type = from.op_type.c_str();
  known.coding = from.coding.c_str();
  known.weights = from.weights;
  known.groups = from.groups;
  known.group_size = from.group_size;
  known.block = from.block;
  known.bytes = from.bytes;
  known.bits = from.bits;
  known.asymmetric = from.asymmetric;
  known.scale_bits = from.scale_bits;
  known.external_data = from.external;
  return Fill(known, weight);
}

qp_status qp_model_operator(const qp_model* model, size_t index, const char** type, uint64_t* count) {
  if (model == nullptr || type == nullptr || count == nullptr || index >= model->info.operators.size())
    return QP_INVALID_INPUT;
  *type = model->info.operators[index].first.c_str();
  *count = model->info.operators[index].second;
  return QP_OK;
}

qp_status qp_model_metadata(const qp_model* model, size_t index, const char** key, const char** value) {
  if (model == nullptr || key == nullptr || value == nullptr || index >= model->info.metadata.size())
    return QP_INVALID_INPUT;
  *key = model->info.metadata[index].first.c_str();
  *value = model->info.metadata[index].second.c_str();
  return QP_OK;
}

void qp_model_free(qp_model* model) { delete model; }
