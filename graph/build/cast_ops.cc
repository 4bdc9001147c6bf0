// Casts. The runtime holds float32 and int32; narrower types are a matter of meaning, kept by wrapping.
#include "graph/build/graph_builder.h"
#include "graph/build/params.h"
#include "graph/fold/fold.h"

namespace quantpress::graph {
namespace {

using BinaryKind = mnn::BinaryOpOperation;

mnn::DataType CastType(ElementType stored) {
  switch (stored) {
    case ElementType::kFloat32: return mnn::DataType::DT_FLOAT;
    case ElementType::kInt8: return mnn::DataType::DT_INT8;
    case ElementType::kUInt8: return mnn::DataType::DT_UINT8;
    default: return mnn::DataType::DT_INT32;
  }
}

// Every value of `from` is one of `to`.
bool Contains(ElementType to, ElementType from) {
  if (IsFloat(from)) return false;
  if (from == ElementType::kBool) return true;
  if (IsUnsigned(to)) return IsUnsigned(from) && ElementBits(from) <= ElementBits(to);
  return IsUnsigned(from) ? ElementBits(from) < ElementBits(to) : ElementBits(from) <= ElementBits(to);
}

}  // namespace

Value GraphBuilder::Retype(Value a, ElementType type) {
  if (!a.valid() || !ok() || info(a).type == type) return a;
  ValueInfo copy = info(a);
  if (copy.constant) {
    copy.constant = std::make_shared<const Constant>(Constant{type, copy.constant->shape, copy.constant->data});
    copy.stored = StoredType(type);
    copy.tensor = -1;
    copy.name.clear();
  } else {
    copy.tensor = Tensor(a);
  }
  copy.type = type;
  return NewValue(std::move(copy));
}

Value GraphBuilder::Wrap(Value a, ElementType type) {
  const int bits = ElementBits(type);
  if (!a.valid() || !ok() || IsFloat(type) || type == ElementType::kBool || bits == 0 || bits >= 32) return a;
  const ElementType computed = info(a).type;
  const int64_t mask = (int64_t{1} << bits) - 1, half = int64_t{1} << (bits - 1);
  if (IsUnsigned(type)) return Retype(Binary(BinaryKind::BITWISE_AND, a, ScalarInt(mask, computed)), type);
  const Value shifted = Binary(BinaryKind::BITWISE_AND, Add(a, ScalarInt(half, computed)), ScalarInt(mask, computed));
  return Retype(Sub(shifted, ScalarInt(half, computed)), type);
}

Value GraphBuilder::Cast(Value a, ElementType type) {
  if (!a.valid() || !ok()) return {};
  const ValueInfo from = info(a);
  if (from.type == type) return a;
  if (from.constant) return MakeConstant(fold::Cast(*from.constant, type));
  if (type == ElementType::kBool) {
    const Value zero = IsFloat(from.type) ? ScalarFloat(0) : ScalarInt(0, from.type);
    return Binary(BinaryKind::NOTEQUAL, Widen(a), zero);
  }
  if (IsFloat(type) && from.float_form >= 0) {
    const Value form = Retype(Value{from.float_form}, type);
    return from.float_offset == 0 ? form : Add(form, ScalarLike(from.float_offset, form));
  }
  const ElementType stored = IsFloat(type) ? ElementType::kFloat32 : ElementType::kInt32;
  Value out = a;
  if (from.stored == stored) {
    out = Retype(a, IsFloat(type) || Contains(type, from.type) ? type : ElementType::kInt32);
  } else {
    mnn::CastParamT param;
    param.dstT = CastType(stored);
    param.srcT = CastType(from.stored);
    const ElementType direct = IsFloat(type) || Contains(type, from.type) ? type : ElementType::kInt32;
    out = Emit(mnn::OpType::Cast, Param(param), {a}, {direct, from.shape, stored});
    if (out.valid() && !IsFloat(type)) values_[static_cast<size_t>(out.id)].elements = from.elements;
  }
  if (!out.valid() || info(out).type == type) return out;
  return Retype(Wrap(out, type), type);
}

Value GraphBuilder::CastIntegral(Value a, ElementType type, float offset) {
  if (!a.valid() || !ok()) return {};
  const Value whole = offset == 0 ? a : Add(a, ScalarLike(offset, a));
  if (IsConstant(whole)) return Cast(whole, type);
  mnn::CastParamT param;
  param.dstT = mnn::DataType::DT_INT32;
  param.srcT = mnn::DataType::DT_FLOAT;
  const Value out = Emit(mnn::OpType::Cast, Param(param), {whole}, {type, shape(whole), ElementType::kInt32});
  if (out.valid()) {
    values_[static_cast<size_t>(out.id)].float_form = a.id;
    values_[static_cast<size_t>(out.id)].float_offset = offset;
  }
  return out;
}

Value GraphBuilder::Widen(Value a) {
  if (!a.valid() || !ok()) return {};
  const ValueInfo from = info(a);
  if (from.stored != ElementType::kInt8 && from.stored != ElementType::kUInt8) return a;
  if (from.constant) {
    ValueInfo wide = from;
    wide.stored = ElementType::kInt32;
    wide.tensor = -1;
    wide.name.clear();
    return NewValue(std::move(wide));
  }
  mnn::CastParamT param;
  param.srcT = CastType(from.stored);
  param.dstT = mnn::DataType::DT_INT32;
  return Emit(mnn::OpType::Cast, Param(param), {a}, {from.type, from.shape, ElementType::kInt32});
}

}  // namespace quantpress::graph
