#include "dispatch/target.h"
#include "graph/api/c_common.h"

struct qp_model {
  quantpress::ModelInfo info;
};

struct qp_weights {
  std::vector<quantpress::WeightStatistics> all;
};

struct qp_diff {
  std::vector<quantpress::WeightDifference> all;
};

namespace quantpress::c {
namespace {

qp_status FillWeight(const StoredWeight& from, qp_weight* weight) {
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
  return FillWeight(model->info.weights[index], weight);
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

qp_status qp_weights_inspect(const char* path, const char* layer, qp_weights** weights, qp_error** error) {
  if (weights != nullptr) *weights = nullptr;
  return Call(error, [&]() -> quantpress::Error {
    if (weights == nullptr) return IsNull("weights");
    auto all = quantpress::InspectWeights(Text(path), Text(layer));
    if (!all.ok()) return all.error();
    *weights = new qp_weights{std::move(*all)};
    return {};
  });
}

size_t qp_weights_count(const qp_weights* weights) { return weights == nullptr ? 0 : weights->all.size(); }

qp_status qp_weights_stored(const qp_weights* weights, size_t index, qp_weight* weight) {
  return index < qp_weights_count(weights) ? FillWeight(weights->all[index].stored, weight) : QP_INVALID_INPUT;
}

qp_status qp_weights_statistics(const qp_weights* weights, size_t index, qp_weight_statistics* statistics) {
  if (index >= qp_weights_count(weights)) return QP_INVALID_INPUT;
  const quantpress::WeightStatistics& from = weights->all[index];
  return Fill({0, from.codes, 0, from.count, from.not_finite, from.zeros, from.smallest, from.largest, from.mean,
               from.deviation, from.rms, from.histogram.data(), from.histogram.size()},
              statistics);
}

void qp_weights_free(qp_weights* weights) { delete weights; }

qp_status qp_diff_weights(const char* first, const char* second, qp_diff** diff, qp_error** error) {
  if (diff != nullptr) *diff = nullptr;
  return Call(error, [&]() -> quantpress::Error {
    if (diff == nullptr) return IsNull("diff");
    auto all = quantpress::DiffWeights(Text(first), Text(second));
    if (!all.ok()) return all.error();
    *diff = new qp_diff{std::move(*all)};
    return {};
  });
}

size_t qp_diff_count(const qp_diff* diff) { return diff == nullptr ? 0 : diff->all.size(); }

qp_status qp_diff_entry(const qp_diff* diff, size_t index, qp_difference* difference) {
  if (index >= qp_diff_count(diff)) return QP_INVALID_INPUT;
  const quantpress::WeightDifference& from = diff->all[index];
  return Fill({0, static_cast<int32_t>(from.match), from.codes, from.problem.c_str(), from.different, from.rmse,
               from.sqnr_db, from.max_error, from.cosine},
              difference);
}

qp_status qp_diff_first(const qp_diff* diff, size_t index, qp_weight* weight) {
  return index < qp_diff_count(diff) ? FillWeight(diff->all[index].first, weight) : QP_INVALID_INPUT;
}

qp_status qp_diff_second(const qp_diff* diff, size_t index, qp_weight* weight) {
  return index < qp_diff_count(diff) ? FillWeight(diff->all[index].second, weight) : QP_INVALID_INPUT;
}

void qp_diff_free(qp_diff* diff) { delete diff; }
