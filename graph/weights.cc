#include "graph/weights.h"

#include <algorithm>

#include "graph/import/mnn/coded_weight.h"

namespace quantpress::graph {
namespace {

// Slices of a transposed convolution's weights are at least this long, unless those of the stock converter are shorter.
constexpr uint64_t kMinSlice = 16;

// Kernels in one row of a transposed convolution's weights. The stock converter cuts them into as many equal slices as there are output
// channels, each of `coarse` kernels. One input channel (or a few, so that they have enough weights) is the better row where it is at most
// half as long. Else a row is a part of such a slice, or all of it: rows of about the same length that lie across the slices would have a
// larger error as often as a smaller one.
uint64_t DeconvolutionRow(uint64_t coarse, uint64_t outputs, uint64_t kernel) {
  const uint64_t total = coarse * outputs;  // of one group of the convolution
  uint64_t natural = outputs;
  while (natural < total && (natural * kernel < kMinSlice || total % natural != 0)) natural += outputs;
  if (natural <= coarse / 2) return natural;
  uint64_t part = std::min(natural, coarse);
  while (part * kernel > kMinSlice && coarse % part != 0) --part;
  return coarse % part == 0 && part * kernel >= kMinSlice ? part : coarse;
}

bool IsConvolution(mnn::OpType type) {
  return type == mnn::OpType::Convolution || type == mnn::OpType::ConvolutionDepthwise ||
         type == mnn::OpType::Deconvolution || type == mnn::OpType::DeconvolutionDepthwise;
}

bool IsInt8Convolution(mnn::OpType type) {
  return type == mnn::OpType::ConvInt8 || type == mnn::OpType::DepthwiseConvInt8;
}

uint64_t SizeOf(const Bulk& bulk) {
  if (const auto* bytes = std::get_if<Bytes>(&bulk.data)) return bytes->size;
  const auto& source = std::get<TensorSourcePtr>(bulk.data);
  return (source->count() * static_cast<uint64_t>(ElementBits(source->type())) + 7) / 8;
}

uint64_t SizeOf(const Op& op, std::initializer_list<BulkField> fields) {
  uint64_t size = 0;
  for (const BulkField field : fields) {
    if (const Bulk* bulk = op.FindBulk(field)) size += SizeOf(*bulk);
  }
  return size;
}

// The bulk's elements as numbers; null for plain bytes.
TensorSourcePtr SourceOf(const Bulk& bulk, ElementType type_of_bytes) {
  if (const auto* source = std::get_if<TensorSourcePtr>(&bulk.data)) return *source;
  const auto& bytes = std::get<Bytes>(bulk.data);
  auto dense = DenseSource(bytes, type_of_bytes, bytes.size * 8 / static_cast<uint64_t>(ElementBits(type_of_bytes)));
  return dense.ok() ? *dense : nullptr;
}

WeightView Floats(WeightForm form, const Bulk& bulk, ElementType type) {
  WeightView view;
  view.form = form;
  view.source = SourceOf(bulk, type);
  view.elements = view.source->count();
  view.stored_bytes = SizeOf(bulk);
  return view;
}

// Of an op that computes with int8: its codes, coded weights or float weights; 0 where the coding cannot be read.
uint64_t ElementsOfInt8(const Op& op) {
  if (const Bulk* codes = op.FindBulk(BulkField::kInt8Weight)) return SizeOf(*codes);
  if (const StatusOr<CodedWeight> coded = ParseCodedWeight(op); coded.ok()) return coded->elements;
  const Bulk* weight = op.FindBulk(BulkField::kWeight);
  return weight != nullptr ? SizeOf(*weight) / sizeof(float) : 0;
}

std::optional<WeightView> ViewConvolution(const Op& op, const mnn::Convolution2DT& conv) {
  const mnn::IDSTQuanT* quan = conv.quanParameter.get();
  const Bulk* weight = op.FindBulk(BulkField::kWeight);
  const uint64_t coded = SizeOf(op, {BulkField::kQuanBuffer, BulkField::kQuanAlpha, BulkField::kQuanAlphaFp16,
                                     BulkField::kQuanIndex, BulkField::kInt8Weight});
  const bool int8_model = IsInt8Convolution(op.type) || conv.symmetricQuan != nullptr ||
                          (quan != nullptr && (quan->scaleIn != 0.0f || quan->has_scaleInt));
  if (int8_model) {
    const uint64_t bytes = coded + (weight != nullptr ? SizeOf(*weight) : 0);
    if (bytes == 0) return std::nullopt;
    return WeightView{WeightForm::kInt8Model, nullptr, ElementsOfInt8(op), bytes};
  }
  if (coded > 0) {
    const Bulk* buffer = op.FindBulk(BulkField::kQuanBuffer);
    if (quan != nullptr && quan->type == 3 && buffer != nullptr) {
      return Floats(WeightForm::kHalf, *buffer, ElementType::kFloat16);
    }
    return WeightView{WeightForm::kCoded, nullptr, 0, coded};
  }
  if (weight == nullptr) return std::nullopt;
  return Floats(WeightForm::kFloat, *weight, ElementType::kFloat32);
}

}  // namespace

std::optional<WeightView> ViewWeight(const Op& op) {
  if (IsConvolution(op.type) || IsInt8Convolution(op.type)) {
    const mnn::Convolution2DT* conv = op.main.AsConvolution2D();
    return conv != nullptr ? ViewConvolution(op, *conv) : std::nullopt;
  }
  if (op.type == mnn::OpType::InnerProduct) {
    const Bulk* weight = op.FindBulk(BulkField::kWeight);
    if (weight == nullptr) return std::nullopt;
    return Floats(WeightForm::kFullyConnected, *weight, ElementType::kFloat32);
  }
  if (op.type == mnn::OpType::Const || op.type == mnn::OpType::TrainableParam) {
    const mnn::BlobT* blob = op.main.AsBlob();
    const Bulk* values = op.FindBulk(BulkField::kBlobFloat32s);
    if (blob == nullptr || values == nullptr || blob->dataType != mnn::DataType::DT_FLOAT) return std::nullopt;
    WeightView view = Floats(WeightForm::kConstant, *values, ElementType::kFloat32);
    if (view.elements < kMinHalfConstant) return std::nullopt;
    return view;
  }
  return std::nullopt;
}

dispatch::WeightGeometry GeometryOfInt8(const Op& op, uint64_t elements) {
  if (const StatusOr<dispatch::WeightGeometry> exact = GeometryOf(op, elements); exact.ok()) return *exact;
  dispatch::WeightGeometry geometry;
  geometry.op_type = mnn::EnumNameOpType(op.type);
  geometry.rows = 1;
  geometry.input_channels = elements;
  return geometry;
}

bool MayComputeWithInt8(const Op& op) {
  if (op.type != mnn::OpType::Convolution && op.type != mnn::OpType::ConvolutionDepthwise) return false;
  return op.main.AsConvolution2D() != nullptr && !op.inputs.empty() && op.inputs.front() >= 0 && !op.outputs.empty() &&
         op.outputs.front() >= 0;
}

bool IsGroupedConvolution(const Op& op) {
  const mnn::Convolution2DT* conv = op.main.AsConvolution2D();
  return op.type == mnn::OpType::Convolution && conv != nullptr && conv->common != nullptr && conv->common->group > 1;
}

StatusOr<dispatch::WeightGeometry> GeometryOf(const Op& op, uint64_t elements) {
  dispatch::WeightGeometry geometry;
  geometry.op_type = mnn::EnumNameOpType(op.type);
  geometry.rows = 1;
  geometry.input_channels = elements;
  const mnn::Convolution2DT* conv = op.main.AsConvolution2D();
  if (conv == nullptr || conv->common == nullptr) {
    const mnn::InnerProductT* dense = op.main.AsInnerProduct();
    const int outputs = dense != nullptr ? dense->outputCount : 0;
    if (outputs > 0 && elements % static_cast<uint64_t>(outputs) == 0) {
      geometry.rows = static_cast<uint64_t>(outputs);
      geometry.input_channels = elements / geometry.rows;
    }
    return geometry;
  }
  const auto& common = *conv->common;
  if (common.outputCount <= 0 || common.kernelX <= 0 || common.kernelY <= 0) {
    return InvalidInput("layer '{}': {} output channels and a {}x{} kernel", op.name, common.outputCount, common.kernelY,
                        common.kernelX);
  }
  const auto outputs = static_cast<uint64_t>(common.outputCount);
  const uint64_t kernel = static_cast<uint64_t>(common.kernelX) * static_cast<uint64_t>(common.kernelY);
  if (elements == 0 || elements % outputs != 0 || elements / outputs % kernel != 0) {
    return InvalidInput("layer '{}': {} weights do not fit {} output channels and a {}x{} kernel", op.name, elements, outputs,
                        common.kernelY, common.kernelX);
  }
  geometry.rows = outputs;
  geometry.kernel_size = kernel;
  geometry.input_channels = elements / outputs / kernel;
  if (op.type != mnn::OpType::Deconvolution) return geometry;

  const uint64_t groups = common.group > 1 ? static_cast<uint64_t>(common.group) : 1;
  if (outputs % groups != 0) return geometry;
  geometry.input_channels = DeconvolutionRow(geometry.input_channels, outputs / groups, kernel);
  geometry.rows = elements / kernel / geometry.input_channels;
  return geometry;
}

}  // namespace quantpress::graph
