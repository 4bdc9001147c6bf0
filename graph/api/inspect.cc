#include "graph/inspect.h"

#include "graph/api/access.h"
#include "graph/examine.h"

namespace quantpress {
namespace {

std::vector<Tensor> TensorsOf(const std::vector<graph::TensorSummary>& from) {
  std::vector<Tensor> tensors;
  for (const graph::TensorSummary& tensor : from) {
    tensors.push_back({tensor.name, {tensor.dims.begin(), tensor.dims.end()}, tensor.type, tensor.format});
  }
  return tensors;
}

StoredWeight ToWeight(const graph::WeightSummary& from) {
  return {from.layer,  from.subgraph,   from.op_type, from.coding,     from.bits,     from.asymmetric, from.elements,
          from.groups, from.group_size, from.block,   from.scale_bits, from.external, from.bytes};
}

ModelInfo ToInfo(const graph::ModelSummary& from) {
  ModelInfo info;
  info.format = static_cast<Format>(from.format);
  info.file_bytes = from.file_bytes;
  info.external_bytes = from.external_bytes;
  info.framework = from.source;
  info.version = from.version;
  info.uuid = from.uuid;
  info.biz_code = from.biz_code;
  info.auth_code = from.auth_code;
  info.metadata = from.metadata;
  info.inputs = TensorsOf(from.main.inputs);
  info.outputs = TensorsOf(from.main.outputs);
  for (const graph::OpCount& op : from.main.op_types) info.operators.emplace_back(op.type, op.count);
  for (const graph::WeightSummary& weight : from.weights) info.weights.push_back(ToWeight(weight));
  return info;
}

WeightStatistics ToStatistics(graph::WeightStatistics from) {
  return {ToWeight(from.summary),
          from.codes,
          from.count,
          from.not_finite,
          from.zeros,
          from.smallest,
          from.largest,
          from.mean,
          from.deviation,
          from.rms,
          std::move(from.histogram)};
}

static_assert(static_cast<int>(Match::kCompared) == static_cast<int>(graph::DiffState::kCompared));
static_assert(static_cast<int>(Match::kOnlyFirst) == static_cast<int>(graph::DiffState::kOnlyFirst));
static_assert(static_cast<int>(Match::kOnlySecond) == static_cast<int>(graph::DiffState::kOnlySecond));
static_assert(static_cast<int>(Match::kOtherSize) == static_cast<int>(graph::DiffState::kOtherSize));
static_assert(static_cast<int>(Match::kNotReadable) == static_cast<int>(graph::DiffState::kNotReadable));

WeightDifference ToDifference(const graph::LayerDiff& from) {
  return {static_cast<Match>(from.state),
          ToWeight(from.first),
          ToWeight(from.second),
          from.problem,
          from.codes,
          from.different,
          from.rmse,
          from.sqnr_db,
          from.max_error,
          from.cosine};
}

}  // namespace

Result<ModelInfo> Inspect(const std::string& path) {
  return Guarded([&]() -> Result<ModelInfo> {
    const StatusOr<graph::ModelSummary> summary = graph::Inspect(path);
    if (!summary.ok()) return ToError(summary.status());
    return ToInfo(*summary);
  });
}

Result<std::vector<WeightStatistics>> InspectWeights(const std::string& path, const std::string& layer) {
  return Guarded([&]() -> Result<std::vector<WeightStatistics>> {
    StatusOr<std::vector<graph::WeightStatistics>> found = graph::ExamineWeights(path, layer);
    if (!found.ok()) return ToError(found.status());
    std::vector<WeightStatistics> all;
    for (graph::WeightStatistics& one : *found) all.push_back(ToStatistics(std::move(one)));
    return all;
  });
}

Result<std::vector<WeightDifference>> DiffWeights(const std::string& first, const std::string& second) {
  return Guarded([&]() -> Result<std::vector<WeightDifference>> {
    const StatusOr<std::vector<graph::LayerDiff>> found = graph::DiffWeights(first, second);
    if (!found.ok()) return ToError(found.status());
    std::vector<WeightDifference> all;
    for (const graph::LayerDiff& one : *found) all.push_back(ToDifference(one));
    return all;
  });
}

}  // namespace quantpress
