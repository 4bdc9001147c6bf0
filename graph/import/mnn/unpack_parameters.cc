#include "graph/import/mnn/unpack_parameters.h"

namespace quantpress::graph {
namespace {

template <typename T>
Bytes View(const UnpackContext& context, const flatbuffers::Vector<T>* vector) {
  if (vector == nullptr || vector->size() == 0) return {};
  return {context.file.owner, vector->Data(), uint64_t{vector->size()} * sizeof(T)};
}

template <typename T>
void CopyVector(const flatbuffers::Vector<T>* in, std::vector<T>* out) {
  if (in != nullptr) out->assign(in->begin(), in->end());
}

void AddBytes(const UnpackContext& context, BulkField field, Bytes bytes) {
  if (!bytes.empty()) context.bulk->push_back({field, std::move(bytes), context.member, false});
}

Status AddFloats(const UnpackContext& context, BulkField field, Bytes bytes) {
  if (bytes.empty()) return {};
  if (bytes.size % sizeof(float) != 0) {
    return InvalidInput("op '{}': {} bytes of float32 data", context.op, bytes.size);
  }
  const uint64_t count = bytes.size / sizeof(float);
  QP_ASSIGN_OR_RETURN(TensorSourcePtr source, DenseSource(std::move(bytes), ElementType::kFloat32, count));
  context.bulk->push_back({field, std::move(source), context.member, false});
  return {};
}

std::unique_ptr<mnn::IDSTQuanT> UnpackQuan(const mnn::IDSTQuan& in, const UnpackContext& context, bool external) {
  auto out = std::make_unique<mnn::IDSTQuanT>();
  out->type = in.type();
  out->useInt32 = in.useInt32();
  out->quantScale = in.quantScale();
  out->scaleIn = in.scaleIn();
  out->scaleOut = in.scaleOut();
  out->aMaxOrBits = in.aMaxOrBits();
  out->aMin = in.aMin();
  out->readType = in.readType();
  out->has_scaleInt = in.has_scaleInt();
  out->shapeInt32 = in.shapeInt32();
  out->weightSize = in.weightSize();
  out->scaleStorage = in.scaleStorage();
  if (!external) {
    AddBytes(context, BulkField::kQuanBuffer, View(context, in.buffer()));
    AddBytes(context, BulkField::kQuanAlpha, View(context, in.alpha()));
    AddBytes(context, BulkField::kQuanAlphaFp16, View(context, in.alphaFp16()));
    AddBytes(context, BulkField::kQuanIndex, View(context, in.index()));
  }
  return out;
}

std::unique_ptr<mnn::QuantizedFloatParamT> UnpackInt8(const mnn::QuantizedFloatParam& in, const UnpackContext& context) {
  auto out = std::make_unique<mnn::QuantizedFloatParamT>();
  CopyVector(in.bias(), &out->bias);
  CopyVector(in.scale(), &out->scale);
  CopyVector(in.tensorScale(), &out->tensorScale);
  CopyVector(in.winogradAttr(), &out->winogradAttr);
  CopyVector(in.floatzeros(), &out->floatzeros);
  out->method = in.method();
  out->nbits = in.nbits();
  out->zeroPoint = in.zeroPoint();
  out->outputZeroPoint = in.outputZeroPoint();
  out->clampMin = in.clampMin();
  out->clampMax = in.clampMax();
  out->outputDataType = in.outputDataType();
  AddBytes(context, BulkField::kInt8Weight, View(context, in.weight()));
  return out;
}

// [offset, payload, alpha, bias, index], the last two optional.
Status AddExternalQuan(const UnpackContext& context, const std::vector<Bytes>& ranges, mnn::ScaleStorageType scales) {
  AddBytes(context, BulkField::kQuanBuffer, ranges[0]);
  if (ranges.size() > 1) {
    AddBytes(context, scales == mnn::ScaleStorageType::FP16 ? BulkField::kQuanAlphaFp16 : BulkField::kQuanAlpha, ranges[1]);
  }
  if (ranges.size() > 2) QP_RETURN_IF_ERROR(AddFloats(context, BulkField::kBias, ranges[2]));
  if (ranges.size() > 3) AddBytes(context, BulkField::kQuanIndex, ranges[3]);
  return {};
}

// Marks what came after the first `known` vectors as read from the external file.
void MarkExternal(const UnpackContext& context, size_t known) {
  for (size_t i = known; i < context.bulk->size(); ++i) (*context.bulk)[i].external = true;
}

BulkField FieldOf(mnn::DataType type) {
  switch (type) {
    case mnn::DataType::DT_INT32: return BulkField::kBlobInt32s;
    case mnn::DataType::DT_INT8: return BulkField::kBlobInt8s;
    case mnn::DataType::DT_INT64: return BulkField::kBlobInt64s;
    case mnn::DataType::DT_UINT8:
    case mnn::DataType::DT_QUINT8:
    case mnn::DataType::DT_BFLOAT16:
    case mnn::DataType::DT_HALF: return BulkField::kBlobUint8s;
    default: return BulkField::kBlobFloat32s;
  }
}

Status AddBlobData(const UnpackContext& context, BulkField field, Bytes bytes) {
  if (field == BulkField::kBlobFloat32s) return AddFloats(context, field, std::move(bytes));
  AddBytes(context, field, std::move(bytes));
  return {};
}

// Bytes per element of the types that the runtime loads; 0 for others.
uint64_t LoadedSize(mnn::DataType type) {
  switch (type) {
    case mnn::DataType::DT_FLOAT:
    case mnn::DataType::DT_INT32: return 4;
    case mnn::DataType::DT_BFLOAT16:
    case mnn::DataType::DT_HALF: return 2;
    case mnn::DataType::DT_UINT8:
    case mnn::DataType::DT_QUINT8:
    case mnn::DataType::DT_INT8: return 1;
    default: return 0;
  }
}

Status CheckBlobSize(const UnpackContext& context, const mnn::BlobT& blob) {
  const uint64_t width = LoadedSize(blob.dataType);
  if (width == 0) return {};
  uint64_t needed = width;
  for (const int dim : blob.dims) {
    if (dim <= 0) return {};
    if (__builtin_mul_overflow(needed, static_cast<uint64_t>(dim), &needed)) needed = UINT64_MAX;
  }
  uint64_t found = 0;
  for (const Bulk& bulk : *context.bulk) {
    if (bulk.field != FieldOf(blob.dataType)) continue;
    if (const auto* bytes = std::get_if<Bytes>(&bulk.data)) {
      found = bytes->size;
    } else {
      found = std::get<TensorSourcePtr>(bulk.data)->count() * sizeof(float);
    }
  }
  if (found < needed) {
    return InvalidInput("constant '{}': its dimensions need {} bytes of {} data; {} are there", context.op, needed,
                        mnn::EnumNameDataType(blob.dataType), found);
  }
  return {};
}

}  // namespace

Status UnpackConvolution(const mnn::Convolution2D& in, const UnpackContext& context, mnn::Convolution2DT* out) {
  if (in.common() != nullptr) out->common.reset(in.common()->UnPack());
  if (in.sparseParameter() != nullptr) out->sparseParameter.reset(in.sparseParameter()->UnPack());
  if (in.symmetricQuan() != nullptr) out->symmetricQuan = UnpackInt8(*in.symmetricQuan(), context);
  std::vector<int64_t> external;
  CopyVector(in.external(), &external);
  const mnn::IDSTQuan* quan = in.quanParameter();
  const bool inline_payload = quan != nullptr && quan->buffer() != nullptr && quan->buffer()->size() > 0;
  const bool is_external = IsExternal(external) && !inline_payload;
  if (quan != nullptr) out->quanParameter = UnpackQuan(*quan, context, is_external);
  if (!is_external) {
    QP_RETURN_IF_ERROR(AddFloats(context, BulkField::kWeight, View(context, in.weight())));
  } else {
    const size_t known = context.bulk->size();
    QP_ASSIGN_OR_RETURN(const std::vector<Bytes> ranges, context.external->Ranges(context.op, external));
    if (quan != nullptr) {
      QP_RETURN_IF_ERROR(AddExternalQuan(context, ranges, quan->scaleStorage()));
    } else {
      QP_RETURN_IF_ERROR(AddFloats(context, BulkField::kWeight, ranges[0]));
      if (ranges.size() > 1) QP_RETURN_IF_ERROR(AddFloats(context, BulkField::kBias, ranges[1]));
    }
    MarkExternal(context, known);
  }
  for (const Bulk& bulk : *context.bulk) {
    if (bulk.field == BulkField::kBias && bulk.member == context.member) return {};
  }
  return AddFloats(context, BulkField::kBias, View(context, in.bias()));
}

Status UnpackConvolution3D(const mnn::Convolution3D& in, const UnpackContext& context, mnn::Convolution3DT* out) {
  if (in.common() != nullptr) out->common.reset(in.common()->UnPack());
  if (in.external() != nullptr && in.external()->size() > 1) {
    return Unsupported("op '{}': a 3-D convolution with external data", context.op);
  }
  QP_RETURN_IF_ERROR(AddFloats(context, BulkField::kWeight, View(context, in.weight())));
  return AddFloats(context, BulkField::kBias, View(context, in.bias()));
}

Status UnpackInnerProduct(const mnn::InnerProduct& in, const UnpackContext& context, mnn::InnerProductT* out) {
  out->outputCount = in.outputCount();
  out->biasTerm = in.biasTerm();
  out->weightSize = in.weightSize();
  out->axis = in.axis();
  out->transpose = in.transpose();
  if (in.quanParameter() != nullptr) out->quanParameter.reset(in.quanParameter()->UnPack());
  QP_RETURN_IF_ERROR(AddFloats(context, BulkField::kWeight, View(context, in.weight())));
  return AddFloats(context, BulkField::kBias, View(context, in.bias()));
}

Status UnpackFusedLinear(const mnn::FusedLinearParam& in, const UnpackContext& context, mnn::FusedLinearParamT* out) {
  out->act_silu_mul = in.act_silu_mul();
  out->has_ln = in.has_ln();
  out->ln_fold = in.ln_fold();
  if (in.ln() != nullptr) {
    out->ln.reset(in.ln()->UnPack());
    QP_RETURN_IF_ERROR(FillFloats(context, &out->ln->external, {&out->ln->gamma, &out->ln->beta}));
  }
  if (in.convs() == nullptr) return {};
  for (flatbuffers::uoffset_t i = 0; i < in.convs()->size(); ++i) {
    UnpackContext member = context;
    member.member = i;
    out->convs.push_back(std::make_unique<mnn::Convolution2DT>());
    QP_RETURN_IF_ERROR(UnpackConvolution(*in.convs()->Get(i), member, out->convs.back().get()));
  }
  return {};
}

Status UnpackBlob(const mnn::Blob& in, const UnpackContext& context, mnn::BlobT* out) {
  CopyVector(in.dims(), &out->dims);
  out->dataFormat = in.dataFormat();
  out->dataType = in.dataType();
  if (in.strings() != nullptr) {
    for (const auto* s : *in.strings()) out->strings.push_back(s->str());
  }
  std::vector<int64_t> external;
  CopyVector(in.external(), &external);
  if (IsExternal(external)) {
    QP_ASSIGN_OR_RETURN(const std::vector<Bytes> ranges, context.external->Ranges(context.op, external));
    QP_RETURN_IF_ERROR(AddBlobData(context, FieldOf(out->dataType), ranges[0]));
    MarkExternal(context, 0);
  } else {
    QP_RETURN_IF_ERROR(AddFloats(context, BulkField::kBlobFloat32s, View(context, in.float32s())));
    AddBytes(context, BulkField::kBlobInt32s, View(context, in.int32s()));
    AddBytes(context, BulkField::kBlobInt8s, View(context, in.int8s()));
    AddBytes(context, BulkField::kBlobUint8s, View(context, in.uint8s()));
    AddBytes(context, BulkField::kBlobInt64s, View(context, in.int64s()));
  }
  return CheckBlobSize(context, *out);
}

Status FillFloats(const UnpackContext& context, std::vector<int64_t>* external,
                  std::initializer_list<std::vector<float>*> fields) {
  if (IsExternal(*external)) {
    QP_ASSIGN_OR_RETURN(const std::vector<Bytes> ranges, context.external->Ranges(context.op, *external));
    size_t i = 0;
    for (std::vector<float>* field : fields) {
      if (i == ranges.size()) break;
      const Bytes& bytes = ranges[i++];
      if (bytes.size % sizeof(float) != 0) {
        return InvalidInput("op '{}': {} bytes of float32 data", context.op, bytes.size);
      }
      field->resize(bytes.size / sizeof(float));
      if (!field->empty()) std::memcpy(field->data(), bytes.data, field->size() * sizeof(float));
    }
  }
  external->clear();
  return {};
}

}  // namespace quantpress::graph
