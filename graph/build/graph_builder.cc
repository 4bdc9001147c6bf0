#include "graph/build/graph_builder.h"

#include <algorithm>
#include <limits>

#include "graph/build/params.h"

namespace quantpress::graph {
namespace {

constexpr uint64_t kMaxFoldedElements = uint64_t{1} << 24;

const ValueInfo& InvalidInfo() {
  static const ValueInfo info;
  return info;
}

mnn::DataType BlobType(ElementType stored) {
  switch (stored) {
    case ElementType::kInt8:
      return mnn::DataType::DT_INT8;
    case ElementType::kUInt8:
      return mnn::DataType::DT_UINT8;
    case ElementType::kInt32:
      return mnn::DataType::DT_INT32;
    default:
      return mnn::DataType::DT_FLOAT;
  }
}

// Integers of any width as int32 (out-of-range values saturate, as the runtime has nothing wider) or bytes.
template <typename T>
Bytes NarrowInts(const Constant& constant) {
  std::vector<T> out(constant.count());
  constexpr size_t kPiece = 4096;
  std::vector<int64_t> piece(std::min<uint64_t>(kPiece, out.size()));
  for (uint64_t begin = 0; begin < out.size(); begin += kPiece) {
    const uint64_t n = std::min<uint64_t>(kPiece, out.size() - begin);
    constant.data->ReadInts(begin, std::span(piece).first(n));
    for (uint64_t i = 0; i < n; ++i) {
      out[begin + i] = static_cast<T>(std::clamp<int64_t>(piece[i], std::numeric_limits<T>::min(),
                                                           std::numeric_limits<T>::max()));
    }
  }
  return Bytes::Own(std::move(out));
}

// The Const op of a constant. Half and bfloat16 elements stay as they are: the runtime widens them while loading.
Op ConstOp(const ValueInfo& info) {
  const Constant& constant = *info.constant;
  Op op;
  op.name = info.name;
  op.type = mnn::OpType::Const;
  mnn::BlobT blob;
  blob.dataFormat = mnn::MNN_DATA_FORMAT::NCHW;
  for (int64_t d : constant.shape) blob.dims.push_back(static_cast<int32_t>(d));
  blob.dataType = BlobType(info.stored);
  if (info.stored == ElementType::kFloat32) {
    const ElementType type = constant.data->type();
    const Bytes stored = constant.data->Stored();
    if ((type == ElementType::kFloat16 || type == ElementType::kBFloat16) && !stored.empty()) {
      blob.dataType = type == ElementType::kFloat16 ? mnn::DataType::DT_HALF : mnn::DataType::DT_BFLOAT16;
      op.bulk.push_back({BulkField::kBlobUint8s, stored});
    } else {
      op.bulk.push_back({BulkField::kBlobFloat32s, constant.data});
    }
  } else if (info.stored == ElementType::kInt32) {
    op.bulk.push_back({BulkField::kBlobInt32s, NarrowInts<int32_t>(constant)});
  } else if (info.stored == ElementType::kInt8) {
    op.bulk.push_back({BulkField::kBlobInt8s, NarrowInts<int8_t>(constant)});
  } else {
    op.bulk.push_back({BulkField::kBlobUint8s, NarrowInts<uint8_t>(constant)});
  }
  op.main = Param(std::move(blob));
  return op;
}

}  // namespace

std::vector<float> Constant::Floats() const {
  std::vector<float> out(count());
  data->ReadFloats(0, out);
  return out;
}

std::vector<int64_t> Constant::Ints() const {
  std::vector<int64_t> out(count());
  data->ReadInts(0, out);
  return out;
}

GraphBuilder::GraphBuilder(Graph* graph, SymbolTable* symbols, const BuildOptions& options, GraphBuilder* parent)
    : graph_(graph), symbols_(symbols), options_(options), parent_(parent) {}

Value GraphBuilder::Fail(Status status) {
  if (status_.ok()) status_ = std::move(status);
  return {};
}

Status GraphBuilder::TakeStatus() {
  Status status = std::move(status_);
  status_ = absl::OkStatus();
  return status;
}

const ValueInfo& GraphBuilder::info(Value v) const {
  return v.valid() ? values_[static_cast<size_t>(v.id)] : InvalidInfo();
}

size_t GraphBuilder::Rank(Value v) {
  if (HasRank(v)) return info(v).shape->size();
  if (v.valid()) {
    Fail(Unsupported("the rank of tensor '{}' is not known at conversion time; export the model with shapes "
                     "(shape inference) or with inputs of known rank",
                     info(v).name));
  }
  return 0;
}

std::optional<std::vector<int64_t>> GraphBuilder::ConstantInts(Value v) const {
  const Constant* c = constant(v);
  if (c == nullptr || c->count() > kMaxFoldedElements) return std::nullopt;
  return c->Ints();
}

std::optional<std::vector<float>> GraphBuilder::ConstantFloats(Value v) const {
  const Constant* c = constant(v);
  if (c == nullptr || c->count() > kMaxFoldedElements) return std::nullopt;
  return c->Floats();
}

std::optional<std::vector<Dim>> GraphBuilder::Elements(Value v) const {
  if (!v.valid()) return std::nullopt;
  const ValueInfo& i = info(v);
  if (i.elements) return i.elements;
  if (i.constant == nullptr || IsFloat(i.type) || i.constant->shape.size() > 1 || i.constant->count() > 4096) {
    return std::nullopt;
  }
  std::vector<int64_t> ints = i.constant->Ints();
  if (!HasNumbersOnly(ints)) return std::nullopt;  // numbers so far below zero mean symbols
  return ints;
}

void GraphBuilder::AssumeRank(Value v, size_t rank) {
  if (!v.valid() || HasRank(v) || !ok()) return;
  Shape shape(rank);
  for (Dim& d : shape) d = symbols_->Fresh();
  Mutable(v).shape = std::move(shape);
}

bool GraphBuilder::IsNonNegative(Value v) const {
  if (!v.valid()) return false;
  const ValueInfo& i = info(v);
  if (i.non_negative || IsUnsigned(i.type)) return true;
  const auto all = [](const std::vector<int64_t>& list, auto test) { return std::all_of(list.begin(), list.end(), test); };
  if (i.elements) return all(*i.elements, [&](Dim d) { return symbols_->IsSize(d); });
  if (i.constant == nullptr || IsFloat(i.type)) return false;
  const auto ints = ConstantInts(v);
  return ints && all(*ints, [](int64_t x) { return x >= 0; });
}

Value GraphBuilder::NewValue(ValueInfo info) {
  values_.push_back(std::move(info));
  return Value{static_cast<int>(values_.size() - 1)};
}

Value GraphBuilder::Input(std::string name, ElementType type, std::optional<Shape> shape, ElementType stored) {
  if (names_.contains(name)) return Fail(InvalidInput("two inputs are named '{}'", name));
  ValueInfo info;
  info.name = name;
  info.type = type;
  info.stored = stored == ElementType::kUnknown ? StoredType(type) : stored;
  info.tensor = AddTensor(name);
  Op op;
  op.name = name;
  op.type = mnn::OpType::Input;
  mnn::InputT input;
  input.dtype = BlobType(info.stored);
  input.dformat = mnn::MNN_DATA_FORMAT::NCHW;
  if (shape) {
    for (Dim d : *shape) {
      if (d > std::numeric_limits<int32_t>::max()) {
        return Fail(InvalidInput("input '{}' has a dimension of {}; the runtime holds dimensions in 32 bits", name, d));
      }
      input.dims.push_back(IsKnown(d) ? static_cast<int32_t>(d) : -1);
    }
  } else {
    input.dims.push_back(-1);  // the format has no way to say "unknown rank"
  }
  op.main = Param(std::move(input));
  op.outputs = {info.tensor};
  AddOp(std::move(op));
  info.shape = std::move(shape);
  source_named_.insert(info.tensor);
  return NewValue(std::move(info));
}

Value GraphBuilder::MakeConstant(Constant constant, std::string name) {
  if (!ok()) return {};
  ValueInfo info;
  info.name = std::move(name);
  info.type = constant.type;
  info.stored = StoredType(constant.type);
  info.shape = Shape(constant.shape.begin(), constant.shape.end());
  info.constant = std::make_shared<const Constant>(std::move(constant));
  return NewValue(std::move(info));
}

Value GraphBuilder::MakeSequence(std::vector<Value> items, ElementType type) {
  ValueInfo info;
  info.kind = ValueKind::kSequence;
  info.items = std::move(items);
  info.type = type;
  return NewValue(std::move(info));
}

Value GraphBuilder::MakeNothing(ElementType type) {
  ValueInfo info;
  info.kind = ValueKind::kNothing;
  info.type = type;
  return NewValue(std::move(info));
}

Value GraphBuilder::MakeParts(Value x, Value sizes, size_t axis, bool keep_axis) {
  if (!x.valid() || !ok()) return {};
  ValueInfo parts;
  parts.kind = ValueKind::kParts;
  parts.items = {x};
  if (sizes.valid()) parts.items.push_back(sizes);
  parts.parts_axis = static_cast<int>(axis);
  parts.parts_keep_axis = keep_axis;
  parts.type = info(x).type;
  return NewValue(std::move(parts));
}

Value GraphBuilder::Floats(std::vector<float> values, std::vector<int64_t> shape) {
  return MakeConstant({ElementType::kFloat32, std::move(shape), FloatSource(std::move(values))});
}

Value GraphBuilder::Ints(std::vector<int64_t> values, std::vector<int64_t> shape, ElementType type) {
  return MakeConstant({type, std::move(shape), IntSource(std::move(values), type)});
}

Value GraphBuilder::IntList(std::vector<int64_t> values) {
  const auto n = static_cast<int64_t>(values.size());
  return Ints(std::move(values), {n});
}

int GraphBuilder::Tensor(Value v) {
  if (!v.valid()) return -1;
  if (const int made = info(v).tensor; made >= 0) return made;
  if (info(v).kind != ValueKind::kTensor) {
    Fail(Unsupported("'{}' is a {}, which must be resolved while the model is converted", info(v).name,
                     IsNothing(v) ? "optional without a value" : "sequence"));
    return -1;
  }
  if (const Constant* c = constant(v); c != nullptr && c->base != nullptr && c->count() > static_cast<uint64_t>(kMaxStoredBroadcast)) {
    const bool wide = info(v).stored == ElementType::kInt32;
    const Value base = wide ? Widen(MakeConstant(*c->base)) : MakeConstant(*c->base), shape = Ints(c->shape, {static_cast<int64_t>(c->shape.size())}, ElementType::kInt32);
    const Value spread = Emit(mnn::OpType::BroadcastTo, {}, {base, shape}, {info(v).type, info(v).shape, info(v).stored});
    if (!spread.valid()) return -1;
    return Mutable(v).tensor = info(spread).tensor;
  }
  ValueInfo& info = Mutable(v);
  info.name = UniqueName(info.name.empty() ? fmt::format("{}/const_{}", prefix_, next_name_++) : info.name);
  info.tensor = AddTensor(info.name);
  Op op = ConstOp(info);
  op.outputs = {info.tensor};
  AddOp(std::move(op));
  return info.tensor;
}

Value GraphBuilder::Emit(mnn::OpType type, mnn::OpParameterUnion main, std::vector<Value> inputs, OutputSpec output,
                         std::vector<Bulk> bulk) {
  std::vector<OutputSpec> outputs;
  outputs.push_back(std::move(output));
  std::vector<Value> values = EmitMulti(type, std::move(main), std::move(inputs), std::move(outputs), std::move(bulk));
  return values.empty() ? Value{} : values[0];
}

std::vector<Value> GraphBuilder::EmitMulti(mnn::OpType type, mnn::OpParameterUnion main, std::vector<Value> inputs,
                                           std::vector<OutputSpec> outputs, std::vector<Bulk> bulk) {
  std::vector<Value> values;
  if (!ok()) return values;
  Op op;
  op.type = type;
  op.main = std::move(main);
  op.bulk = std::move(bulk);
  for (Value v : inputs) {
    if (!v.valid()) {
      Fail(InvalidInput("an input that operator {} needs is missing", mnn::EnumNameOpType(type)));
      return values;
    }
    op.inputs.push_back(Tensor(v));
  }
  if (!ok()) return values;
  for (OutputSpec& spec : outputs) {
    ValueInfo info;
    info.name = UniqueName(fmt::format("{}/{}_{}", prefix_, mnn::EnumNameOpType(type), next_name_++));
    info.type = spec.type;
    info.stored = spec.stored != ElementType::kUnknown ? spec.stored
                  : IsFloat(spec.type)                 ? ElementType::kFloat32
                                                       : ElementType::kInt32;
    info.shape = std::move(spec.shape);
    info.tensor = AddTensor(info.name);
    op.outputs.push_back(info.tensor);
    values.push_back(NewValue(std::move(info)));
  }
  op.name = values.empty() ? "" : info(values[0]).name;
  AddOp(std::move(op));
  return values;
}

Value GraphBuilder::Opaque(Value v, std::optional<Shape> shape) {
  if (!v.valid()) return v;
  ValueInfo& info = Mutable(v);
  info.shape = std::move(shape);
  info.elements.reset();
  return v;
}

void GraphBuilder::RecordShapes() {
  graph_->shapes.resize(graph_->tensors.size());
  for (const ValueInfo& info : values_) {
    if (info.tensor >= 0 && info.shape) graph_->shapes[static_cast<size_t>(info.tensor)] = info.shape;
  }
}

}  // namespace quantpress::graph
