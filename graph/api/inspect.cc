#include "graph/inspect.h"

#include "graph/api/access.h"

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

}  // namespace

Result<ModelInfo> Inspect(const std::string& path) {
  return Guarded([&]() -> Result<ModelInfo> {
    const StatusOr<graph::ModelSummary> summary = graph::Inspect(path);
    if (!summary.ok()) return ToError(summary.status());
    return ToInfo(*summary);
  });
}

}  // namespace quantpress
