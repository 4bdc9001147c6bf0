#include "graph/import/mnn/unpack_op.h"

#include "graph/import/mnn/unpack_parameters.h"

namespace quantpress::graph {
namespace {

bool IsKnown(mnn::OpType type) {
  const int value = static_cast<int>(type);
  return value >= static_cast<int>(mnn::OpType::MIN) && value <= static_cast<int>(mnn::OpType::MAX) &&
         mnn::EnumNameOpType(type)[0] != '\0';
}

Status UnknownType(const std::string& op, mnn::OpType type) {
  return Unsupported("op '{}' has the type {}, which MNN 3.6 does not have", op, static_cast<int>(type));
}

Status UnknownParameter(const std::string& op, mnn::OpParameter type) {
  return Unsupported("op '{}' has parameters of kind {}, which MNN 3.6 does not have", op, static_cast<int>(type));
}

// Ops inside a loop come through the generated reader, which leaves unknown kinds empty.
Status CheckCommands(const std::string& op, const std::vector<std::unique_ptr<mnn::RegionCommandT>>& commands) {
  for (const auto& command : commands) {
    if (command == nullptr || command->op == nullptr) continue;
    mnn::OpT& inner = *command->op;
    if (!IsKnown(inner.type)) return UnknownType(op, inner.type);
    if (inner.main.type > mnn::OpParameter::MAX) return UnknownParameter(op, inner.main.type);
    if (inner.main.value == nullptr) inner.main.type = mnn::OpParameter::NONE;
    const mnn::Convolution2DT* conv = inner.main.AsConvolution2D();
    const mnn::BlobT* blob = inner.main.AsBlob();
    if ((conv != nullptr && IsExternal(conv->external)) || (blob != nullptr && IsExternal(blob->external))) {
      return Unsupported("op '{}': external data inside of a loop", op);
    }
    if (const mnn::LoopParamT* loop = inner.main.AsLoopParam()) {
      QP_RETURN_IF_ERROR(CheckCommands(op, loop->commands));
      QP_RETURN_IF_ERROR(CheckCommands(op, loop->initCommand));
    }
  }
  return {};
}

// Ops whose table is read in full; only few of them can have external data.
Status UnpackGeneric(const mnn::Op& in, const UnpackContext& context, Op* out) {
  out->main.type = in.main_type();
  out->main.value = mnn::OpParameterUnion::UnPack(in.main(), in.main_type(), nullptr);
  if (out->main.value == nullptr) return UnknownParameter(out->name, in.main_type());
  if (mnn::LoopParamT* loop = out->main.AsLoopParam()) {
    QP_RETURN_IF_ERROR(CheckCommands(out->name, loop->commands));
    return CheckCommands(out->name, loop->initCommand);
  }
  if (mnn::ScaleT* scale = out->main.AsScale()) {
    return FillFloats(context, &scale->external, {&scale->scaleData, &scale->biasData});
  }
  if (mnn::LayerNormT* norm = out->main.AsLayerNorm()) {
    return FillFloats(context, &norm->external, {&norm->gamma, &norm->beta});
  }
  if (mnn::GroupNormT* norm = out->main.AsGroupNorm()) {
    return FillFloats(context, &norm->external, {&norm->gamma, &norm->beta});
  }
  return {};
}

template <typename Object, typename Table>
Status UnpackSpecial(const mnn::Op& in, const UnpackContext& context, Status (*unpack)(const Table&, const UnpackContext&, Object*),
                     Op* out) {
  Object object;
  QP_RETURN_IF_ERROR(unpack(*static_cast<const Table*>(in.main()), context, &object));
  out->main.Set(std::move(object));
  return {};
}

Status UnpackParameters(const mnn::Op& in, const UnpackContext& context, Op* out) {
  switch (in.main_type()) {
    case mnn::OpParameter::Convolution2D: return UnpackSpecial(in, context, &UnpackConvolution, out);
    case mnn::OpParameter::Convolution3D: return UnpackSpecial(in, context, &UnpackConvolution3D, out);
    case mnn::OpParameter::InnerProduct: return UnpackSpecial(in, context, &UnpackInnerProduct, out);
    case mnn::OpParameter::Blob: return UnpackSpecial(in, context, &UnpackBlob, out);
    case mnn::OpParameter::FusedLinearParam: return UnpackSpecial(in, context, &UnpackFusedLinear, out);
    default: return UnpackGeneric(in, context, out);
  }
}

}  // namespace

StatusOr<Op> UnpackOp(const mnn::Op& in, size_t position, const Bytes& file, ExternalFile* external) {
  Op op;
  if (in.name() != nullptr) op.name = in.name()->str();
  op.type = in.type();
  const std::string label = op.name.empty() ? fmt::format("number {}", position) : op.name;
  if (!IsKnown(op.type)) return UnknownType(label, op.type);
  if (in.main_type() > mnn::OpParameter::MAX) return UnknownParameter(label, in.main_type());
  op.default_format = in.defaultDimentionFormat();
  if (in.externalPath() != nullptr) op.external_path = in.externalPath()->str();
  if (const auto* inputs = in.inputIndexes()) op.inputs.assign(inputs->begin(), inputs->end());
  if (const auto* outputs = in.outputIndexes()) op.outputs.assign(outputs->begin(), outputs->end());
  if (in.main_type() == mnn::OpParameter::NONE || in.main() == nullptr) return op;
  const UnpackContext context = {label, file, external, &op.bulk};
  QP_RETURN_IF_ERROR(UnpackParameters(in, context, &op));
  return op;
}

}  // namespace quantpress::graph
