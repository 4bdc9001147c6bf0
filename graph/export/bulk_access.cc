#include "graph/export/bulk_access.h"

namespace quantpress::graph {
namespace {

template <typename T>
bool Set(std::vector<T>* field, bool present) {
  field->assign(present ? 1 : 0, T{});
  return true;
}

bool SetConvolution(mnn::Convolution2DT* conv, BulkField field, bool present) {
  if (field == BulkField::kWeight) return Set(&conv->weight, present);
  if (field == BulkField::kBias) return Set(&conv->bias, present);
  if (field == BulkField::kInt8Weight) {
    return conv->symmetricQuan != nullptr && Set(&conv->symmetricQuan->weight, present);
  }
  mnn::IDSTQuanT* quan = conv->quanParameter.get();
  if (quan == nullptr) return false;
  if (field == BulkField::kQuanBuffer) return Set(&quan->buffer, present);
  if (field == BulkField::kQuanAlpha) return Set(&quan->alpha, present);
  if (field == BulkField::kQuanAlphaFp16) return Set(&quan->alphaFp16, present);
  return field == BulkField::kQuanIndex && Set(&quan->index, present);
}

bool SetBlob(mnn::BlobT* blob, BulkField field, bool present) {
  switch (field) {
    case BulkField::kBlobFloat32s: return Set(&blob->float32s, present);
    case BulkField::kBlobInt32s: return Set(&blob->int32s, present);
    case BulkField::kBlobInt8s: return Set(&blob->int8s, present);
    case BulkField::kBlobUint8s: return Set(&blob->uint8s, present);
    case BulkField::kBlobInt64s: return Set(&blob->int64s, present);
    default: return false;
  }
}

template <typename T>
bool SetPair(std::vector<T>* weight, std::vector<T>* bias, BulkField field, bool present) {
  if (field == BulkField::kWeight) return Set(weight, present);
  return field == BulkField::kBias && Set(bias, present);
}

template <typename Table>
uint8_t* Address(const Table* table, flatbuffers::voffset_t slot) {
  if (table == nullptr) return nullptr;
  auto* base = const_cast<flatbuffers::Table*>(reinterpret_cast<const flatbuffers::Table*>(table));
  return base->GetAddressOf(slot);
}

uint8_t* ConvolutionAddress(const mnn::Convolution2D* conv, BulkField field) {
  if (conv == nullptr) return nullptr;
  switch (field) {
    case BulkField::kWeight: return Address(conv, mnn::Convolution2D::VT_WEIGHT);
    case BulkField::kBias: return Address(conv, mnn::Convolution2D::VT_BIAS);
    case BulkField::kQuanBuffer: return Address(conv->quanParameter(), mnn::IDSTQuan::VT_BUFFER);
    case BulkField::kQuanAlpha: return Address(conv->quanParameter(), mnn::IDSTQuan::VT_ALPHA);
    case BulkField::kQuanAlphaFp16: return Address(conv->quanParameter(), mnn::IDSTQuan::VT_ALPHAFP16);
    case BulkField::kQuanIndex: return Address(conv->quanParameter(), mnn::IDSTQuan::VT_INDEX);
    case BulkField::kInt8Weight: return Address(conv->symmetricQuan(), mnn::QuantizedFloatParam::VT_WEIGHT);
    default: return nullptr;
  }
}

uint8_t* BlobAddress(const mnn::Blob* blob, BulkField field) {
  switch (field) {
    case BulkField::kBlobFloat32s: return Address(blob, mnn::Blob::VT_FLOAT32S);
    case BulkField::kBlobInt32s: return Address(blob, mnn::Blob::VT_INT32S);
    case BulkField::kBlobInt8s: return Address(blob, mnn::Blob::VT_INT8S);
    case BulkField::kBlobUint8s: return Address(blob, mnn::Blob::VT_UINT8S);
    case BulkField::kBlobInt64s: return Address(blob, mnn::Blob::VT_INT64S);
    default: return nullptr;
  }
}

template <typename Table>
uint8_t* PairAddress(const Table* table, BulkField field, flatbuffers::voffset_t weight, flatbuffers::voffset_t bias) {
  if (field == BulkField::kWeight) return Address(table, weight);
  return field == BulkField::kBias ? Address(table, bias) : nullptr;
}

}  // namespace

mnn::Convolution2DT* ConvolutionOf(mnn::OpParameterUnion* main, uint32_t member) {
  if (mnn::FusedLinearParamT* fused = main->AsFusedLinearParam()) {
    return member < fused->convs.size() ? fused->convs[member].get() : nullptr;
  }
  return main->AsConvolution2D();
}

bool SetPlaceholder(mnn::OpParameterUnion* main, const BulkVector& vector, bool present) {
  if (mnn::Convolution2DT* conv = ConvolutionOf(main, vector.member)) {
    return SetConvolution(conv, vector.field, present);
  }
  if (mnn::BlobT* blob = main->AsBlob()) return SetBlob(blob, vector.field, present);
  const auto pair = [&](std::vector<float>* weight, std::vector<float>* bias) {
    return SetPair(weight, bias, vector.field, present);
  };
  if (mnn::InnerProductT* dense = main->AsInnerProduct()) return pair(&dense->weight, &dense->bias);
  if (mnn::Convolution3DT* conv = main->AsConvolution3D()) return pair(&conv->weight, &conv->bias);
  if (mnn::ScaleT* scale = main->AsScale()) return pair(&scale->scaleData, &scale->biasData);
  if (mnn::LayerNormT* norm = main->AsLayerNorm()) return pair(&norm->gamma, &norm->beta);
  return false;
}

uint8_t* OffsetAddress(const mnn::Op& op, const BulkVector& vector) {
  switch (op.main_type()) {
    case mnn::OpParameter::Convolution2D: return ConvolutionAddress(op.main_as_Convolution2D(), vector.field);
    case mnn::OpParameter::FusedLinearParam:
      return ConvolutionAddress(op.main_as_FusedLinearParam()->convs()->Get(vector.member), vector.field);
    case mnn::OpParameter::Blob: return BlobAddress(op.main_as_Blob(), vector.field);
    case mnn::OpParameter::InnerProduct:
      return PairAddress(op.main_as_InnerProduct(), vector.field, mnn::InnerProduct::VT_WEIGHT, mnn::InnerProduct::VT_BIAS);
    case mnn::OpParameter::Convolution3D:
      return PairAddress(op.main_as_Convolution3D(), vector.field, mnn::Convolution3D::VT_WEIGHT,
                         mnn::Convolution3D::VT_BIAS);
    case mnn::OpParameter::Scale:
      return PairAddress(op.main_as_Scale(), vector.field, mnn::Scale::VT_SCALEDATA, mnn::Scale::VT_BIASDATA);
    case mnn::OpParameter::LayerNorm:
      return PairAddress(op.main_as_LayerNorm(), vector.field, mnn::LayerNorm::VT_GAMMA, mnn::LayerNorm::VT_BETA);
    default: return nullptr;
  }
}

}  // namespace quantpress::graph
