#include "graph/import/mnn/coded_weight.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "kernels/types.h"

namespace quantpress::graph {
namespace {

// Reads little-endian fields from the front of a payload.
class Cursor {
 public:
  explicit Cursor(Bytes bytes) : bytes_(std::move(bytes)) {}

  bool Take(uint64_t size, Bytes* out) {
    if (size > bytes_.size - at_) return false;
    *out = bytes_.Slice(at_, size);
    at_ += size;
    return true;
  }
  template <typename T>
  bool Take(T* value) {
    Bytes field;
    if (!Take(sizeof(T), &field)) return false;
    std::memcpy(value, field.data, sizeof(T));
    return true;
  }
  Bytes Rest() const { return bytes_.Slice(at_, bytes_.size - at_); }

 private:
  Bytes bytes_;
  uint64_t at_ = 0;
};

// A short list may stand for any number of zeros; the runtime counts the weights that it unpacks in 32 bits with a sign.
constexpr uint64_t kMostUnpacked = INT32_MAX;

Status Truncated(const Op& op) { return InvalidInput("layer '{}': quantized weights are truncated", op.name); }

Bytes BulkBytes(const Op& op, BulkField field) {
  const Bulk* bulk = op.FindBulk(field);
  if (bulk == nullptr) return {};
  if (const auto* bytes = std::get_if<Bytes>(&bulk->data)) return *bytes;
  return std::get<TensorSourcePtr>(bulk->data)->Stored();
}

uint64_t PackedSize(uint64_t count, int bits) {
  return count / 8 * static_cast<uint64_t>(bits) + (count % 8 * static_cast<uint64_t>(bits) + 7) / 8;
}

Status TakeDims(const Op& op, bool wide, Cursor* in, CodedWeight* weight) {
  uint8_t count = 0;
  if (!in->Take(&count)) return Truncated(op);
  if (count < 1 || count > 4) {
    return InvalidInput("layer '{}': quantized weights with {} dimensions; 1 to 4 are possible", op.name, count);
  }
  weight->elements = 1;
  for (int i = 0; i < count; ++i) {
    uint32_t dim = 0;
    if (wide) {
      if (!in->Take(&dim)) return Truncated(op);
    } else {
      uint16_t narrow = 0;
      if (!in->Take(&narrow)) return Truncated(op);
      dim = narrow;
    }
    if (i == 0) weight->rows = dim;
    if (__builtin_mul_overflow(weight->elements, uint64_t{dim}, &weight->elements) || weight->elements > (uint64_t{1} << 40)) {
      return InvalidInput("layer '{}': dimensions of quantized weights are absurdly big", op.name);
    }
  }
  return {};
}

Status TakeTable(const Op& op, Cursor* in, CodedWeight* weight) {
  uint8_t stored = 0;
  if (!in->Take(&stored)) return Truncated(op);
  const unsigned count = stored == 0 ? 256 : stored;
  Bytes table;
  if (!in->Take(count, &table)) return Truncated(op);
  weight->bits = std::max(1, static_cast<int>(std::bit_width(count - 1)));
  weight->table.assign(size_t{1} << weight->bits, 0);
  std::memcpy(weight->table.data(), table.data, count);
  std::sort(weight->table.begin(), weight->table.begin() + count);
  bool full = weight->bits >= kernels::kMinBits && count == weight->table.size();
  for (unsigned i = 0; full && i < count; ++i) {
    full = weight->table[i] == kernels::CodeMin(weight->bits) + static_cast<int>(i);
  }
  if (full) weight->table.clear();
  return {};
}

Status ParseSparse(const Op& op, Cursor* in, CodedWeight* weight) {
  uint32_t listed = 0;
  uint8_t step_bits = 0;
  if (!in->Take(&listed) || !in->Take(&step_bits)) return Truncated(op);
  if (step_bits < 1 || step_bits > 16) {
    return InvalidInput("layer '{}': sparse weights with steps of {} bits", op.name, step_bits);
  }
  weight->listed = listed;
  weight->step_bits = step_bits;
  if (!in->Take(PackedSize(listed, step_bits), &weight->payload)) return Truncated(op);
  QP_RETURN_IF_ERROR(TakeTable(op, in, weight));
  if (!in->Take(PackedSize(listed, weight->bits), &weight->values)) return Truncated(op);
  return {};
}

Status ParseScales(const Op& op, const mnn::IDSTQuanT& quan, CodedWeight* weight) {
  weight->half_alpha = quan.scaleStorage == mnn::ScaleStorageType::FP16;
  weight->alpha = BulkBytes(op, weight->half_alpha ? BulkField::kQuanAlphaFp16 : BulkField::kQuanAlpha);
  weight->asymmetric = quan.readType != 0;
  weight->quant_scale = quan.quantScale;
  weight->min_code = quan.aMin > 0 ? 0 : quan.aMin == 0 ? -128 : quan.aMin;
  if (weight->type == 4 && quan.aMin == 0 && std::fabs(quan.quantScale) < 1e-6f) {
    weight->asymmetric = true;
    weight->quant_scale = 1.0f;
    weight->min_code = -128;
  }
  const uint64_t entry = (weight->half_alpha ? 2 : 4) * (weight->asymmetric ? 2 : 1);
  weight->groups = weight->alpha.size / entry;
  if (weight->elements == 0 || weight->groups == 0 || weight->alpha.size % entry != 0 ||
      weight->elements % weight->groups != 0) {
    return InvalidInput("layer '{}': {} bytes of scales do not fit {} quantized weights", op.name, weight->alpha.size,
                        weight->elements);
  }
  return {};
}

Status ParseFloatSparse(const Op& op, const mnn::IDSTQuanT& quan, CodedWeight* weight) {
  weight->elements = quan.weightSize;
  weight->alpha = BulkBytes(op, BulkField::kQuanAlpha);
  weight->values = BulkBytes(op, BulkField::kQuanIndex);
  weight->listed = weight->values.size / sizeof(uint32_t);
  weight->bits = 32;
  if (weight->elements == 0 || weight->alpha.size != weight->listed * sizeof(float)) {
    return InvalidInput("layer '{}': {} positions and {} bytes of values in sparse weights of {} elements", op.name,
                        weight->listed, weight->alpha.size, weight->elements);
  }
  return {};
}

Status CheckUnpacked(const Op& op, const CodedWeight& weight) {
  if (weight.elements <= kMostUnpacked) return {};
  return InvalidInput("layer '{}': {} listed values stand for {} weights, more than the {} that the runtime can hold", op.name,
                      weight.listed, weight.elements, kMostUnpacked);
}

}  // namespace

StatusOr<CodedWeight> ParseCodedWeight(const Op& op) {
  const mnn::Convolution2DT* conv = op.main.AsConvolution2D();
  if (conv == nullptr || conv->quanParameter == nullptr) {
    return InvalidInput("layer '{}' has no quantized weights", op.name);
  }
  const mnn::IDSTQuanT& quan = *conv->quanParameter;
  CodedWeight weight;
  weight.type = quan.type;
  if (op.FindBulk(BulkField::kQuanIndex) != nullptr) {
    weight.type = 0;
    QP_RETURN_IF_ERROR(ParseFloatSparse(op, quan, &weight));
    QP_RETURN_IF_ERROR(CheckUnpacked(op, weight));
    return weight;
  }
  const Bytes buffer = BulkBytes(op, BulkField::kQuanBuffer);
  Cursor in(buffer);
  switch (quan.type) {
    case 1:
      QP_RETURN_IF_ERROR(TakeDims(op, quan.shapeInt32, &in, &weight));
      QP_RETURN_IF_ERROR(TakeTable(op, &in, &weight));
      if (!in.Take(PackedSize(weight.elements, weight.bits), &weight.payload)) return Truncated(op);
      break;
    case 2:
      QP_RETURN_IF_ERROR(TakeDims(op, quan.shapeInt32, &in, &weight));
      QP_RETURN_IF_ERROR(ParseSparse(op, &in, &weight));
      QP_RETURN_IF_ERROR(CheckUnpacked(op, weight));
      break;
    case 4:
      weight.elements = buffer.size;
      weight.payload = buffer;
      break;
    default:
      return Unsupported("layer '{}': quantized weights of type {}; types 0 to 4 are known", op.name, quan.type);
  }
  QP_RETURN_IF_ERROR(ParseScales(op, quan, &weight));
  return weight;
}

}  // namespace quantpress::graph
