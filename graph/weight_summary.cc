#include "graph/weight_summary.h"

#include "graph/import/mnn/coded_weight.h"

namespace quantpress::graph {
namespace {

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
    case 4: weight->coding = "raw int8"; break;
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

// An op that computes with int8: codes alone, coded weights with their scales, or float weights.
void DescribeInt8(const Op& op, WeightSummary* weight) {
  const bool only_codes = op.FindBulk(BulkField::kInt8Weight) != nullptr;
  if (!only_codes && ParseCodedWeight(op).ok()) {
    DescribeCoded(op, weight);
  } else {
    weight->bits = only_codes || op.FindBulk(BulkField::kWeight) == nullptr ? 8 : 32;
  }
  weight->coding = weight->bits == 32 ? "float32" : "int8";
}

// Half constants have no entry in a plan, but they are weights to whoever looks at a file.
std::optional<WeightView> HalfConstant(const Op& op) {
  const mnn::BlobT* blob = op.main.AsBlob();
  const Bulk* data = op.FindBulk(BulkField::kBlobUint8s);
  if (blob == nullptr || data == nullptr || blob->dataType != mnn::DataType::DT_HALF) return std::nullopt;
  const auto* bytes = std::get_if<Bytes>(&data->data);
  if (bytes == nullptr || bytes->size / 2 < kMinHalfConstant) return std::nullopt;
  StatusOr<TensorSourcePtr> values = DenseSource(*bytes, ElementType::kFloat16, bytes->size / 2);
  return WeightView{WeightForm::kHalf, values.ok() ? *std::move(values) : nullptr, bytes->size / 2, bytes->size};
}

}  // namespace

std::optional<WeightView> ViewAnyWeight(const Op& op) {
  std::optional<WeightView> view = ViewWeight(op);
  return view.has_value() ? view : HalfConstant(op);
}

WeightSummary SummarizeWeight(const Graph& graph, const Op& op, const WeightView& view) {
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
    case WeightForm::kInt8Model: DescribeInt8(op, &weight); break;
    case WeightForm::kCoded: DescribeCoded(op, &weight); break;
  }
  return weight;
}

}  // namespace quantpress::graph
