// Reductions, arg-max and cumulative sums.
#include <limits>

#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

using R = mnn::ReductionType;
using U = mnn::UnaryOpOperation;

// `axes` and `keepdims` of a node.
struct Axes {
  bool none = false;       // noop_with_empty_axes and no axes: reduces nothing
  bool keep = true;
  std::vector<int64_t> list;  // empty: all
  Value computed;          // valid: known at run time only
};

// Axes are an attribute, from opset 18 (ReduceSum: 13) an input.
Axes ReadAxes(NodeContext& n) {
  Axes axes;
  axes.keep = n.Int("keepdims", 1) != 0;
  bool given = n.Has("axes");
  if (given) axes.list = n.Ints("axes");
  if (!given && n.HasInput(1)) {
    const Value input = n.Input(1);
    if (!n.ok()) return axes;
    const auto constant = n.b.ConstantInts(input);
    const auto& shape = n.b.shape(input);
    const bool empty = shape && *shape == Shape{0};
    if (constant) axes.list = *constant;
    if (!constant && !empty) axes.computed = input;
  }
  axes.none = axes.list.empty() && !axes.computed.valid() && n.Int("noop_with_empty_axes", 0) != 0;
  return axes;
}

Value ReduceAlong(NodeContext& n, R op, Value x, const Axes& axes) {
  if (axes.none) return x;
  if (axes.computed.valid()) return n.b.ReduceDynamic(op, x, axes.computed, axes.keep);
  return n.b.Reduce(op, x, axes.list, axes.keep);
}

template <R kOp>
void Reduce(NodeContext& n) {
  const Value x = n.Input(0);
  const Axes axes = ReadAxes(n);
  if (n.ok()) n.SetOutput(0, ReduceAlong(n, kOp, x, axes));
}

// Sum of absolute values.
void ReduceL1(NodeContext& n) {
  const Value x = n.Input(0);
  const Axes axes = ReadAxes(n);
  if (n.ok()) n.SetOutput(0, ReduceAlong(n, R::SUM, n.b.Unary(U::ABS, x), axes));
}

Value Square(NodeContext& n, Value x) { return IsFloat(n.b.type(x)) ? n.b.Unary(U::SQUARE, x) : n.b.MulExact(x, x); }

void ReduceSumSquare(NodeContext& n) {
  const Value x = n.Input(0);
  const Axes axes = ReadAxes(n);
  if (n.ok()) n.SetOutput(0, ReduceAlong(n, R::SUM, Square(n, x), axes));
}

// The others give fractions; integer inputs are computed as floats and truncated.
Value AsFloat(NodeContext& n, Value x) { return IsFloat(n.b.type(x)) ? x : n.b.Cast(x, ElementType::kFloat32); }

void ReduceL2(NodeContext& n) {
  const Value x = n.Input(0);
  const Axes axes = ReadAxes(n);
  if (!n.ok()) return;
  const Value sum = ReduceAlong(n, R::SUM, Square(n, x), axes);
  n.SetOutput(0, n.b.Cast(n.b.Unary(U::SQRT, AsFloat(n, sum)), n.b.type(x)));
}

void ReduceLogSum(NodeContext& n) {
  const Value x = n.Input(0);
  const Axes axes = ReadAxes(n);
  if (!n.ok()) return;
  const Value sum = ReduceAlong(n, R::SUM, AsFloat(n, x), axes);
  n.SetOutput(0, n.b.Cast(n.b.Unary(U::LOG, sum), n.b.type(x)));
}

// log(sum(exp(x - max))) + max, so that nothing overflows. An infinite maximum is replaced by the largest number, as the difference of
// infinities is no number.
void ReduceLogSumExp(NodeContext& n) {
  const Value x = n.Input(0);
  const Axes axes = ReadAxes(n);
  if (!n.ok()) return;
  const ElementType type = n.b.type(x);
  const Value f = AsFloat(n, x);
  if (axes.none) return n.SetOutput(0, x);
  Axes kept = axes;
  kept.keep = true;
  constexpr float kMax = std::numeric_limits<float>::max();
  const Value top = n.b.Clip(ReduceAlong(n, R::MAXIMUM, f, kept), -kMax, kMax);
  const Value sum = ReduceAlong(n, R::SUM, n.b.Unary(U::EXP, n.b.Sub(f, top)), axes);
  const Value offset = axes.keep ? top : ReduceAlong(n, R::MAXIMUM, f, axes);
  n.SetOutput(0, n.b.Cast(n.b.Add(n.b.Unary(U::LOG, sum), offset), type));
}

template <bool kMinimum>
void ArgExtreme(NodeContext& n) {
  Value x = n.Input(0);
  const size_t rank = n.b.Rank(x);
  const int64_t axis = n.Int("axis", 0);
  const bool keep = n.Int("keepdims", 1) != 0, last = n.Int("select_last_index", 0) != 0;
  if (!n.ok()) return;
  if (rank == 0) return n.SetOutput(0, n.b.ScalarInt(0));
  const auto a = NormalizeAxis(axis, rank);
  if (!a) return n.Fail("axis {} lies outside a tensor of rank {}", axis, rank);
  const auto where = static_cast<int64_t>(*a);
  if (!last) return n.SetOutput(0, n.b.ArgMax(x, where, keep, kMinimum));
  // The last one is the first one from the end.
  const Value size = n.b.DimOf(x, *a);
  const Value reversed = n.b.Slice(x, {-1}, {std::numeric_limits<int32_t>::min()}, {where}, {-1});
  const Value from_end = n.b.ArgMax(reversed, where, keep, kMinimum);
  n.SetOutput(0, n.b.Sub(n.b.Sub(size, n.b.ScalarInt(1)), from_end));
}

// The axis of a cumulative operator, from input 1: known, or computed and made non-negative (`computed`).
struct CumulativeAxis {
  int64_t known = -1;
  Value computed;
};

std::optional<CumulativeAxis> ReadCumulativeAxis(NodeContext& n, Value x) {
  const Value input = n.Input(1);
  const size_t rank = n.b.Rank(x);
  if (!n.ok()) return std::nullopt;
  CumulativeAxis axis;
  if (const auto axes = n.b.ConstantInts(input)) {
    const auto a = axes->size() == 1 ? NormalizeAxis((*axes)[0], rank) : std::nullopt;
    if (!a) {
      n.Fail("{} axes for a tensor of rank {}; expected one that lies inside", axes->size(), rank);
      return std::nullopt;
    }
    axis.known = static_cast<int64_t>(*a);
    return axis;
  }
  // A negative axis counts from the end; the runtime does not know that.
  const Value size = n.b.ScalarInt(static_cast<int64_t>(rank), ElementType::kInt32);
  axis.computed = n.b.Binary(mnn::BinaryOpOperation::MOD, n.b.Cast(input, ElementType::kInt32), size);
  return axis;
}

void CumSum(NodeContext& n) {
  const Value x = n.Input(0);
  const auto axis = ReadCumulativeAxis(n, x);
  if (!axis) return;
  mnn::CumSumT param;
  param.exclusive = n.Int("exclusive", 0) != 0;
  param.reverse = n.Int("reverse", 0) != 0;
  if (!n.ok()) return;
  const Value where = axis->known >= 0 ? n.b.ScalarInt(axis->known, ElementType::kInt32) : axis->computed;
  n.SetOutput(0, n.b.Emit(mnn::OpType::CumSum, Param(param), {n.b.Widen(x), where}, {n.b.type(x), n.b.shape(x)}));
}

// The runtime's operator has a constant axis and runs forwards; the rest is slices.
Value CumProdAlong(NodeContext& n, Value input, int64_t axis) {
  constexpr int64_t kFirst = std::numeric_limits<int32_t>::min();
  const bool reverse = n.Int("reverse", 0) != 0;
  Value x = reverse ? n.b.Slice(input, {-1}, {kFirst}, {axis}, {-1}) : input;
  if (n.Int("exclusive", 0) != 0) {
    const Value first = n.b.Slice(x, {0}, {1}, {axis});
    const Value one = n.b.Fill(n.b.ShapeOf(first), n.b.ScalarFloat(1));
    x = n.b.Concat({one, n.b.Slice(x, {0}, {-1}, {axis})}, axis);
  }
  if (!n.ok()) return {};
  mnn::AxisT param;
  param.axis = static_cast<int32_t>(axis);
  const Value out = n.b.Emit(mnn::OpType::CumProd, Param(param), {x}, {ElementType::kFloat32, n.b.shape(input)});
  return reverse ? n.b.Slice(out, {-1}, {kFirst}, {axis}, {-1}) : out;
}

void CumProd(NodeContext& n) {
  const Value x = n.Input(0);
  const auto axis = ReadCumulativeAxis(n, x);
  if (!axis) return;
  const Value f = n.b.Cast(x, ElementType::kFloat32);
  const auto rank = static_cast<int64_t>(n.b.Rank(x));
  Value out = CumProdAlong(n, f, axis->known >= 0 ? axis->known : 0);
  // An axis that only a run knows: one product for each, and a choice.
  for (int64_t a = 1; axis->known < 0 && a < rank; ++a) {
    const Value chosen = n.b.Equal(axis->computed, n.b.ScalarInt(a, ElementType::kInt32));
    out = n.b.Select(chosen, CumProdAlong(n, f, a), out);
  }
  n.SetOutput(0, n.b.Cast(out, n.b.type(x)));
}

constexpr OpRow kRows[] = {
    {"", "ReduceMean", 1, kNewest, Reduce<R::MEAN>, ""},
    {"", "ReduceSum", 1, kNewest, Reduce<R::SUM>, ""},
    {"", "ReduceMax", 1, kNewest, Reduce<R::MAXIMUM>, ""},
    {"", "ReduceMin", 1, kNewest, Reduce<R::MINIMUM>, ""},
    {"", "ReduceProd", 1, kNewest, Reduce<R::PROD>, ""},
    {"", "ReduceL1", 1, kNewest, ReduceL1, ""},
    {"", "ReduceL2", 1, kNewest, ReduceL2, ""},
    {"", "ReduceLogSum", 1, kNewest, ReduceLogSum, ""},
    {"", "ReduceLogSumExp", 1, kNewest, ReduceLogSumExp, ""},
    {"", "ReduceSumSquare", 1, kNewest, ReduceSumSquare, ""},
    {"", "ArgMax", 1, kNewest, ArgExtreme<false>, "integers compared as float32"},
    {"", "ArgMin", 1, kNewest, ArgExtreme<true>, "integers compared as float32"},
    {"", "CumSum", 11, kNewest, CumSum, ""},
    {"", "CumProd", 26, kNewest, CumProd, "integers in float32"},
};

}  // namespace

std::span<const OpRow> ReductionOps() { return kRows; }

}  // namespace quantpress::graph::onnx
