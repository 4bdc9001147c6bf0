#include <algorithm>
#include <limits>
#include <numeric>

#include "graph/build/graph_builder.h"
#include "graph/build/params.h"
#include "graph/fold/fold.h"

namespace quantpress::graph {
namespace {

using ReduceKind = mnn::ReductionType;

constexpr int64_t kMaxAxis = 64;  // where the rank is not known

bool IsKnownEmpty(const std::optional<Shape>& shape) {
  return shape && std::find(shape->begin(), shape->end(), 0) != shape->end();
}

// What a reduction of no elements gives; the runtime crashes on these.
std::optional<double> EmptyResult(ReduceKind op, ElementType type) {
  const bool floats = IsFloat(type);
  switch (op) {
    case ReduceKind::MEAN: return floats ? std::numeric_limits<double>::quiet_NaN() : 0;
    case ReduceKind::MAXIMUM:
      if (type == ElementType::kBool) return 0;
      return floats ? -std::numeric_limits<double>::infinity() : std::numeric_limits<int32_t>::min();
    case ReduceKind::MINIMUM:
      if (type == ElementType::kBool) return 1;
      return floats ? std::numeric_limits<double>::infinity() : std::numeric_limits<int32_t>::max();
    default: return std::nullopt;
  }
}

}  // namespace

Value GraphBuilder::Reduce(mnn::ReductionType op, Value x, std::vector<int64_t> axes, bool keep_dims) {
  if (!x.valid() || !ok()) return {};
  const ValueInfo from = info(x);
  if (!HasRank(x) && !axes.empty()) {  // the runtime knows the rank
    mnn::ReductionParamT param;
    param.operation = op;
    param.keepDims = keep_dims;
    param.dType = mnn::DataType::DT_FLOAT;
    for (int64_t axis : axes) {
      if (axis < -kMaxAxis || axis >= kMaxAxis) return Fail(InvalidInput("reduction axis {}", axis));
      param.dim.push_back(static_cast<int32_t>(axis));
    }
    return Emit(mnn::OpType::Reduction, Param(std::move(param)), {Widen(x)}, {from.type, std::nullopt});
  }
  const size_t rank = Rank(x);
  if (!ok()) return {};
  std::vector<bool> reduced(rank, axes.empty());
  for (int64_t axis : axes) {
    const auto a = NormalizeAxis(axis, rank);
    if (!a) return Fail(InvalidInput("reduction axis {} lies outside a tensor of rank {}", axis, rank));
    reduced[*a] = true;
  }
  mnn::ReductionParamT param;
  param.operation = op;
  param.keepDims = keep_dims;
  param.dType = mnn::DataType::DT_FLOAT;
  std::vector<size_t> normalized;
  Shape out;
  for (size_t i = 0; i < rank; ++i) {
    if (reduced[i]) {
      normalized.push_back(i);
      param.dim.push_back(static_cast<int32_t>(i));
      if (keep_dims) out.push_back(1);
    } else {
      out.push_back((*from.shape)[i]);
    }
  }
  if (rank == 0) return x;
  if (from.constant) {
    if (auto folded = fold::Reduce(op, *from.constant, normalized, keep_dims)) return MakeConstant(std::move(*folded));
  }
  if (const auto identity = EmptyResult(op, from.type); identity && IsKnownEmpty(from.shape)) {
    return Add(Reduce(ReduceKind::SUM, x, std::move(axes), keep_dims), ScalarLike(*identity, x));
  }
  std::optional<std::vector<Dim>> elements;
  if (op == mnn::ReductionType::PROD && rank == 1 && from.elements) {
    const Dim count = symbols_->Product(*from.elements);
    elements = std::vector<Dim>{count};
    if (!IsSymbol(count)) return Ints({count}, keep_dims ? std::vector<int64_t>{1} : std::vector<int64_t>{}, from.type);
  }
  const Value v = Emit(mnn::OpType::Reduction, Param(std::move(param)), {Widen(x)}, {from.type, out});
  if (v.valid()) values_[static_cast<size_t>(v.id)].elements = std::move(elements);
  return v;
}

Value GraphBuilder::ReduceDynamic(mnn::ReductionType op, Value x, Value axes, bool keep_dims) {
  if (!x.valid() || !axes.valid() || !ok()) return {};
  const ValueInfo from = info(x);
  if (const auto identity = EmptyResult(op, from.type); identity && IsKnownEmpty(from.shape)) {
    return Add(ReduceDynamic(ReduceKind::SUM, x, axes, keep_dims), ScalarLike(*identity, x));
  }
  // How many axes there are is known; which ones is not.
  std::optional<Shape> out = from.shape;
  if (out && !keep_dims) {
    const bool known = HasRank(axes) && shape(axes)->size() == 1 && IsKnown((*shape(axes))[0]);
    const size_t count = known ? static_cast<size_t>((*shape(axes))[0]) : 0;
    if (known && count <= out->size()) {
      out->resize(out->size() - count);
    } else {
      out.reset();
    }
  }
  if (out) {
    for (Dim& d : *out) d = symbols_->Fresh();
  }
  mnn::ReductionParamT param;  // without axes, so that the runtime reads the second input
  param.operation = op;
  param.keepDims = keep_dims;
  param.dType = mnn::DataType::DT_FLOAT;
  return Emit(mnn::OpType::Reduction, Param(std::move(param)), {Widen(x), Cast(axes, ElementType::kInt32)},
              {from.type, std::move(out)});
}

Value GraphBuilder::Softmax(Value x, int64_t axis) {
  const size_t rank = Rank(x);
  if (!x.valid() || !ok()) return {};
  if (rank == 0) return Binary(mnn::BinaryOpOperation::REALDIV, x, x);
  const auto a = NormalizeAxis(axis, rank);
  if (!a) return Fail(InvalidInput("softmax axis {} lies outside a tensor of rank {}", axis, rank));
  mnn::AxisT param;
  param.axis = static_cast<int32_t>(*a);
  return Emit(mnn::OpType::Softmax, Param(param), {x}, {info(x).type, shape(x)});
}

Value GraphBuilder::ArgMax(Value x, int64_t axis, bool keep_dims, bool minimum) {
  const size_t rank = Rank(x);
  if (!x.valid() || !ok()) return {};
  const auto a = NormalizeAxis(axis, rank);
  if (!a) return Fail(InvalidInput("axis {} lies outside a tensor of rank {}", axis, rank));
  mnn::ArgMaxT param;
  param.axis = static_cast<int32_t>(*a);
  param.topK = 1;
  Shape out = *shape(x);
  out.erase(out.begin() + static_cast<int64_t>(*a));
  // The runtime compares the bits of integers as if they were floats.
  const Value v = Emit(minimum ? mnn::OpType::ArgMin : mnn::OpType::ArgMax, Param(param), {Cast(x, ElementType::kFloat32)},
                       {ElementType::kInt64, std::move(out)});
  return keep_dims ? Unsqueeze(v, {static_cast<int64_t>(*a)}) : v;
}

}  // namespace quantpress::graph
