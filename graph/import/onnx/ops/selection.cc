// Operators that choose elements by their values.
#include <limits>

#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

using Kind = mnn::BinaryOpOperation;

void NonZero(NodeContext& n) { n.SetOutput(0, n.b.Transpose(n.b.NonZero(n.Input(0)), {1, 0})); }

void Compress(NodeContext& n) {
  Value x = n.Input(0);
  const Value condition = n.Input(1);
  if (!n.ok()) return;
  int64_t axis = 0;
  if (n.Has("axis")) axis = n.Int("axis", 0);
  else x = n.b.ReshapeTo(x, {-1});
  if (const auto chosen = n.b.ConstantInts(condition)) {
    std::vector<int64_t> positions;
    for (size_t i = 0; i < chosen->size(); ++i) {
      if ((*chosen)[i] != 0) positions.push_back(static_cast<int64_t>(i));
    }
    return n.SetOutput(0, n.b.Gather(x, n.b.IntList(std::move(positions)), axis));
  }
  n.b.AssumeRank(condition, 1);
  n.SetOutput(0, n.b.Gather(x, n.b.Squeeze(n.b.NonZero(condition), {1}), axis));
}

void TopK(NodeContext& n) {
  const Value x = n.Input(0);
  Value k;
  if (n.opset() < 10) k = n.b.ScalarInt(n.Int("k", 1));
  else k = n.Input(1);
  const auto result = n.b.TopK(x, k, n.Int("axis", -1), n.Int("largest", 1) != 0, n.OutputUsed(1));
  n.SetOutput(0, result.values);
  n.SetOutput(1, result.indices);
}

void OneHot(NodeContext& n) {
  Value indices = n.Input(0), depth = n.Input(1);
  const Value values = n.Input(2);
  const size_t rank = n.b.Rank(indices);
  const int64_t axis = n.Int("axis", -1);
  if (!n.ok()) return;
  const auto a = NormalizeAxis(axis, rank + 1);
  if (!a) return n.Fail("axis {} lies outside a result of rank {}", axis, rank + 1);
  if (n.b.HasRank(depth) && n.b.shape(depth)->size() == 1) depth = n.b.Squeeze(depth, {0});
  depth = n.b.Cast(n.b.Widen(depth), ElementType::kInt32);
  // Only indices below -depth and above depth - 1 have no hot element.
  if (!n.b.IsNonNegative(indices)) {
    indices = n.b.Cast(n.b.Widen(indices), ElementType::kInt32);
    indices = n.b.Select(n.b.Less(indices, n.b.ScalarInt(0, ElementType::kInt32)), n.b.Add(indices, depth), indices);
  }
  indices = n.b.Cast(n.b.Widen(indices), ElementType::kInt32);
  Shape out = *n.b.shape(indices);
  const auto size = n.b.Elements(depth);
  out.insert(out.begin() + static_cast<int64_t>(*a), size && size->size() == 1 ? (*size)[0] : n.b.symbols()->Fresh());
  const ElementType type = n.b.type(values);
  const Value wide = n.b.Widen(values);
  mnn::OneHotParamT param;
  param.dType = IsFloat(type) ? mnn::DataType::DT_FLOAT : mnn::DataType::DT_INT32;
  param.axis = static_cast<int32_t>(*a);
  n.SetOutput(0, n.b.Emit(mnn::OpType::OneHot, Param(param),
                          {indices, depth, n.b.Gather(wide, n.b.ScalarInt(1), 0), n.b.Gather(wide, n.b.ScalarInt(0), 0)},
                          {type, std::move(out)}));
}

void Trilu(NodeContext& n) {
  const Value x = n.Input(0), k = n.OptionalInput(1);
  const size_t rank = n.b.Rank(x);
  if (!n.ok()) return;
  if (rank < 2) return n.Fail("a tensor of rank {}; a matrix is needed", rank);
  const bool upper = n.Int("upper", 1) != 0;
  const auto range = [&](size_t axis) { return n.b.Range(n.b.ScalarInt(0), n.b.DimOf(x, axis), n.b.ScalarInt(1)); };
  Value row = n.b.Unsqueeze(range(rank - 2), {1});
  const Value column = range(rank - 1);
  if (k.valid()) row = n.b.Add(row, n.b.HasRank(k) && n.b.shape(k)->size() == 1 ? n.b.Squeeze(k, {0}) : k);
  const Value keep = upper ? n.b.Binary(Kind::GREATER_EQUAL, column, row) : n.b.Binary(Kind::LESS_EQUAL, column, row);
  n.SetOutput(0, n.b.Select(keep, x, n.b.ScalarLike(0, x)));
}

void ReverseSequence(NodeContext& n) {
  const Value x = n.Input(0), lengths = n.Input(1);
  const size_t rank = n.b.Rank(x);
  if (!n.ok()) return;
  const auto batch = NormalizeAxis(n.Int("batch_axis", 1), rank), time = NormalizeAxis(n.Int("time_axis", 0), rank);
  if (!batch || !time || *batch == *time || *batch > 1 || *time > 1) {
    return n.Fail("batch_axis {} and time_axis {}; they must be 0 and 1", n.Int("batch_axis", 1), n.Int("time_axis", 0));
  }
  // The runtime refuses a length of zero; reversing one element does the same.
  const Value counts = n.b.Max(n.b.Cast(n.b.Widen(lengths), ElementType::kInt32), n.b.ScalarInt(1, ElementType::kInt32));
  mnn::ReverseSequenceParamT param;
  param.batchDim = static_cast<int32_t>(*batch);
  param.seqDim = static_cast<int32_t>(*time);
  n.SetOutput(0, n.b.Emit(mnn::OpType::ReverseSequence, Param(param), {n.b.Widen(x), counts}, {n.b.type(x), n.b.shape(x)}));
}

void NonMaxSuppression(NodeContext& n) {
  Value boxes = n.Input(0);
  const Value scores = n.Input(1);
  const bool centered = n.Int("center_point_box", 0) != 0;
  if (!n.ok()) return;
  n.b.AssumeRank(boxes, 3);
  n.b.AssumeRank(scores, 3);
  if (n.b.Rank(boxes) != 3 || n.b.Rank(scores) != 3) {
    return n.Fail("boxes of shape {} and scores of shape {}; both must be of rank 3", ShapeText(n.b.shape(boxes)), ShapeText(n.b.shape(scores)));
  }
  const auto scalar = [&](size_t i, ElementType type) {
    const Value v = n.Input(i);
    return n.b.Cast(n.b.HasRank(v) && n.b.shape(v)->size() == 1 ? n.b.Squeeze(v, {0}) : v, type);
  };
  const auto limit = n.b.ConstantInts(n.OptionalInput(2));
  if (!n.HasInput(2) || (limit && limit->size() == 1 && (*limit)[0] == 0)) {
    return n.SetOutput(0, n.b.EmptyConstant(ElementType::kInt64, {0, 3}));  // "no output" is the default
  }
  // The runtime counts in int32; models write the largest int64 for "all".
  const Value most = limit && limit->size() == 1 ? n.b.ScalarInt(std::min<int64_t>((*limit)[0], int64_t{1} << 30), ElementType::kInt32)
                                                 : scalar(2, ElementType::kInt32);
  const Value overlap = n.HasInput(3) ? scalar(3, ElementType::kFloat32) : n.b.ScalarFloat(0);
  const Value least = n.HasInput(4) ? scalar(4, ElementType::kFloat32) : n.b.ScalarFloat(std::numeric_limits<float>::lowest());
  if (centered) {
    // x, y, width, height to y1, x1, y2, x2.
    const Value center = n.b.GatherAt(boxes, {1, 0}, 2), half = n.b.Mul(n.b.GatherAt(boxes, {3, 2}, 2), n.b.ScalarFloat(0.5f));
    boxes = n.b.Concat({n.b.Sub(center, half), n.b.Add(center, half)}, 2);
  }
  const Value chosen = n.b.Emit(mnn::OpType::NonMaxSuppressionV2, {}, {boxes, scores, most, overlap, least},
                                {ElementType::kInt64, Shape{n.b.symbols()->Fresh(), 3}});
  n.SetOutput(0, chosen);
}

constexpr OpRow kRows[] = {
    {"", "NonZero", 9, kNewest, NonZero, ""},
    {"", "Compress", 9, kNewest, Compress, ""},
    {"", "TopK", 1, kNewest, TopK, "order of equal values is ONNX's where result times axis is at most 65536"},
    {"", "OneHot", 9, kNewest, OneHot, ""},
    {"", "Trilu", 14, kNewest, Trilu, ""},
    {"", "ReverseSequence", 10, kNewest, ReverseSequence, ""},
    {"", "NonMaxSuppression", 10, kNewest, NonMaxSuppression, ""},
};

}  // namespace

std::span<const OpRow> SelectionOps() { return kRows; }

}  // namespace quantpress::graph::onnx
