// Writing elements by index.
#include <algorithm>

#include "graph/build/graph_builder.h"
#include "graph/build/params.h"

namespace quantpress::graph {
namespace {

using Kind = mnn::BinaryOpOperation;

mnn::OpParameterUnion ScatterParam(GraphBuilder::Reduction reduction) {
  mnn::BinaryOpT param;
  param.opType = reduction == GraphBuilder::Reduction::kAdd   ? Kind::ADD
                 : reduction == GraphBuilder::Reduction::kMul ? Kind::MUL
                                                              : static_cast<Kind>(-1);  // none
  param.T = mnn::DataType::DT_FLOAT;
  return Param(std::move(param));
}

bool IsExtreme(GraphBuilder::Reduction reduction) {
  return reduction == GraphBuilder::Reduction::kMin || reduction == GraphBuilder::Reduction::kMax;
}

}  // namespace

// Maximum or minimum of `x` [rows, columns...] and the updates [count, columns...] that `indices` [count, columns...] (or
// broadcastable to it) sends to each row. The runtime has no such scatter, so every row is compared with every index.
Value GraphBuilder::ScatterExtreme(Value x, Value indices, Value updates, size_t axis, Reduction reduction) {
  const auto a = static_cast<int64_t>(axis);
  const size_t rank = Rank(x);
  if (!ok()) return {};
  const Value count = DimOf(x, axis);
  const Value rows = Range(ScalarInt(0), count, ScalarInt(1));
  std::vector<int64_t> trailing;
  for (size_t i = axis + 1; i <= rank; ++i) trailing.push_back(static_cast<int64_t>(i) - a);
  const Value row = Cast(Unsqueeze(rows, trailing), ElementType::kInt32);                       // [rows, 1, 1...]
  const Value hit = Equal(Unsqueeze(indices, {a}), row);                                        // [.., rows, count, ..]
  const Value candidates = Select(hit, Unsqueeze(updates, {a}), Unsqueeze(x, {a + 1}));
  const bool maximum = reduction == Reduction::kMax;
  const Value best = Reduce(maximum ? mnn::ReductionType::MAXIMUM : mnn::ReductionType::MINIMUM, candidates, {a + 1}, false);
  return maximum ? Max(x, best) : Min(x, best);
}

Value GraphBuilder::ScatterElements(Value x, Value indices, Value updates, int64_t axis, Reduction reduction) {
  if (!x.valid() || !indices.valid() || !updates.valid() || !ok()) return {};
  if (HasRank(indices)) AssumeRank(x, shape(indices)->size());
  const size_t rank = Rank(x);
  const auto a = NormalizeAxis(axis, rank);
  if (!ok()) return {};
  if (!a) return Fail(InvalidInput("axis {} lies outside a tensor of rank {}", axis, rank));
  AssumeRank(indices, rank);
  AssumeRank(updates, rank);
  if (shape(indices)->size() != rank || shape(updates)->size() != rank) {
    return Fail(InvalidInput("indices of rank {} and updates of rank {} for a tensor of rank {}", shape(indices)->size(),
                             shape(updates)->size(), rank));
  }
  if (ElementCount(*shape(indices)) == 0) return x;
  const ElementType type = info(x).type;
  // Integers are added and multiplied as if their bits were floats.
  const bool as_float = reduction != Reduction::kNone && !IsFloat(type);
  x = as_float ? Cast(x, ElementType::kFloat32) : Widen(x);
  updates = as_float ? Cast(updates, ElementType::kFloat32) : Widen(updates);
  indices = NormalizeIndices(indices, x, *a);
  if (!indices.valid()) return {};
  Value out;
  if (IsExtreme(reduction)) {
    std::vector<int64_t> grow(2 * rank, 0);
    for (size_t i = 0; i < rank; ++i) {
      const Dim have = (*shape(indices))[i], want = (*shape(x))[i];
      if (i != *a && IsKnown(have) && IsKnown(want) && have < want) grow[rank + i] = want - have;
    }
    indices = Pad(indices, grow, mnn::PadValueMode::CONSTANT, ScalarInt(-1, ElementType::kInt32));  // matches no row
    out = ScatterExtreme(x, indices, Pad(updates, grow, mnn::PadValueMode::CONSTANT), *a, reduction);
  } else {
    out = Emit(mnn::OpType::ScatterElements, ScatterParam(reduction),
               {x, indices, updates, ScalarInt(static_cast<int64_t>(*a), ElementType::kInt32)}, {info(x).type, shape(x)});
  }
  return as_float ? Cast(out, type) : out;
}

Value GraphBuilder::ScatterND(Value x, Value indices, Value updates, Reduction reduction) {
  const size_t rank = Rank(x), index_rank = Rank(indices);
  if (!x.valid() || !indices.valid() || !updates.valid() || !ok()) return {};
  if (index_rank == 0 || !IsKnown(shape(indices)->back())) return Fail(Unsupported("the length of the index tuples must be known"));
  const int64_t columns = shape(indices)->back();
  if (columns < 1 || columns > static_cast<int64_t>(rank)) {
    return Fail(InvalidInput("index tuples of {} numbers for a tensor of rank {}", columns, rank));
  }
  if (ElementCount(*shape(indices)) == 0) return x;
  const ElementType type = info(x).type;
  const bool as_float = reduction != Reduction::kNone && !IsFloat(type);
  x = as_float ? Cast(x, ElementType::kFloat32) : Widen(x);
  updates = as_float ? Cast(updates, ElementType::kFloat32) : Widen(updates);
  indices = NormalizeTuples(indices, x, 0);
  if (!indices.valid()) return {};
  // The runtime is right where one list of numbers points at rows, and where tuples point at single elements. In other cases it writes a
  // part of a row, or beyond the tensor.
  const bool rows_of_list = columns == 1 && index_rank == 2, elements = columns > 1 && columns == static_cast<int64_t>(rank);
  Value out;
  if (IsExtreme(reduction)) {
    // Rows are what one tuple points at: tuples become row numbers.
    const Shape sizes(shape(x)->begin(), shape(x)->begin() + columns);
    const Shape rest(shape(x)->begin() + columns, shape(x)->end());
    const auto width = ElementCount(rest);
    if (!width || !IsStatic(sizes)) return Fail(Unsupported("a scatter with minimum or maximum into a tensor of unknown size"));
    std::vector<int64_t> strides(static_cast<size_t>(columns), 1);
    for (size_t i = strides.size() - 1; i-- > 0;) strides[i] = strides[i + 1] * sizes[i + 1];
    const auto tuples = static_cast<int64_t>(strides.size());
    const Value row = Reduce(mnn::ReductionType::SUM, Mul(indices, Ints(strides, {tuples}, ElementType::kInt32)), {-1}, false);
    const Value flat = ScatterExtreme(ReshapeTo(x, {-1, *width}), ReshapeTo(row, {-1, 1}), ReshapeTo(updates, {-1, *width}), 0, reduction);
    out = ReshapeTo(flat, *shape(x));
  } else if (!rows_of_list && !elements) {
    Value row = Slice(indices, {0}, {1}, {-1});
    for (int64_t c = 1; c < columns; ++c) {
      const Value size = Cast(DimOf(x, static_cast<size_t>(c)), ElementType::kInt32);
      row = Add(Mul(row, size), Slice(indices, {c}, {c + 1}, {-1}));
    }
    const Value whole = ShapeOf(x), free = Ints({-1}, {1});
    const Value flat = columns == static_cast<int64_t>(rank) ? free : Concat({free, Slice(whole, {columns}, {static_cast<int64_t>(rank)}, {0})}, 0);
    out = ScatterND(Reshape(x, flat), ReshapeTo(row, {-1, 1}), Reshape(updates, flat), reduction);
    out = IsStatic(*shape(x)) ? ReshapeTo(out, *shape(x)) : Reshape(out, whole);
  } else {
    const Value sizes = IsStatic(*shape(x)) ? IntList(*shape(x)) : ShapeOf(x);
    out = Emit(mnn::OpType::ScatterNd, ScatterParam(reduction), {indices, updates, Cast(sizes, ElementType::kInt32), x}, {info(x).type, shape(x)});
  }
  return as_float ? Cast(out, type) : out;
}

}  // namespace quantpress::graph
