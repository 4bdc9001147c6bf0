// Picking elements by index.
#include <algorithm>
#include <limits>

#include "graph/build/graph_builder.h"
#include "graph/build/params.h"
#include "graph/fold/fold.h"

namespace quantpress::graph {
namespace {

using Kind = mnn::BinaryOpOperation;

constexpr int64_t kEnd = std::numeric_limits<int32_t>::max();

}  // namespace

// The runtime's gathers and scatters do not count negative indices from the end.
Value GraphBuilder::NormalizeIndices(Value indices, Value x, size_t axis) {
  if (!indices.valid() || !ok()) return {};
  const Dim size = HasRank(x) ? (*shape(x))[axis] : symbols_->Fresh();
  if (IsConstant(indices) && IsKnown(size)) {
    auto ints = ConstantInts(indices);
    if (!ints) return Fail(Unsupported("{} constant indices", constant(indices)->count()));
    bool changed = false;
    for (int64_t& i : *ints) {
      changed = changed || i < 0;
      if (i < 0) i += size;
      if (i < 0 || i >= size) return Fail(InvalidInput("an index lies outside an axis of {} elements", size));
    }
    if (changed) indices = Ints(std::move(*ints), constant(indices)->shape, ElementType::kInt32);
  } else if (!IsNonNegative(indices)) {
    // MOD of int32 has the sign of the divisor, so that -1 becomes size - 1.
    const Value length = Cast(IsKnown(size) ? ScalarInt(size) : DimOf(x, axis), ElementType::kInt32);
    return Binary(Kind::MOD, Cast(Widen(indices), ElementType::kInt32), length);
  }
  return Cast(Widen(indices), ElementType::kInt32);
}

// The same for index tuples along the last axis of `indices`, which index axes from `first` on.
Value GraphBuilder::NormalizeTuples(Value indices, Value x, size_t first) {
  const Shape& index_shape = *shape(indices);
  const size_t columns = static_cast<size_t>(index_shape.back());
  const Shape sizes(shape(x)->begin() + static_cast<int64_t>(first), shape(x)->begin() + static_cast<int64_t>(first + columns));
  if (IsConstant(indices) && IsStatic(sizes)) {
    auto ints = ConstantInts(indices);
    if (!ints) return Fail(Unsupported("{} constant indices", constant(indices)->count()));
    bool changed = false;
    for (size_t k = 0; k < ints->size(); ++k) {
      int64_t& i = (*ints)[k];
      const int64_t size = sizes[k % columns];
      changed = changed || i < 0;
      if (i < 0) i += size;
      if (i < 0 || i >= size) return Fail(InvalidInput("an index lies outside an axis of {} elements", size));
    }
    if (changed) indices = Ints(std::move(*ints), constant(indices)->shape, ElementType::kInt32);
  } else if (!IsNonNegative(indices)) {
    Value lengths = IsStatic(sizes) ? IntList(sizes)
                                    : Slice(ShapeOf(x), {static_cast<int64_t>(first)}, {static_cast<int64_t>(first + columns)}, {0});
    return Binary(Kind::MOD, Cast(Widen(indices), ElementType::kInt32), Cast(lengths, ElementType::kInt32));
  }
  return Cast(Widen(indices), ElementType::kInt32);
}

Value GraphBuilder::Gather(Value x, Value indices, int64_t axis) {
  if (!x.valid() || !indices.valid() || !ok()) return {};
  if (!HasRank(x) && axis >= 0) {
    return Emit(mnn::OpType::GatherV2, {}, {x, NormalizeIndices(indices, x, static_cast<size_t>(axis)), ScalarInt(axis, ElementType::kInt32)},
                {info(x).type, std::nullopt, info(x).stored});
  }
  const size_t rank = Rank(x);
  if (!ok()) return {};
  const ValueInfo from = info(x);
  const auto a = NormalizeAxis(axis, rank);
  if (!a) return Fail(InvalidInput("gather axis {} lies outside a tensor of rank {}", axis, rank));
  std::optional<Shape> out;
  if (HasRank(indices)) {
    out = Shape(from.shape->begin(), from.shape->begin() + static_cast<int64_t>(*a));
    out->insert(out->end(), shape(indices)->begin(), shape(indices)->end());
    out->insert(out->end(), from.shape->begin() + static_cast<int64_t>(*a) + 1, from.shape->end());
  }
  if (from.constant && IsConstant(indices)) {
    if (auto folded = fold::Gather(*from.constant, *constant(indices), *a)) return MakeConstant(std::move(*folded));
  }
  std::optional<std::vector<Dim>> elements;
  if (const auto ints = ConstantInts(indices); ints && from.elements && rank == 1 && shape(indices)->size() <= 1) {
    elements.emplace();
    const auto count = static_cast<int64_t>(from.elements->size());
    for (int64_t i : *ints) {
      if (i < 0) i += count;
      if (i < 0 || i >= count) return Fail(InvalidInput("a gather index lies outside an axis of {} elements", count));
      elements->push_back((*from.elements)[static_cast<size_t>(i)]);
    }
    if (HasNumbersOnly(*elements)) return Ints(*elements, constant(indices)->shape, from.type);
  }
  indices = NormalizeIndices(indices, x, *a);
  if (!indices.valid()) return {};
  const Value v = Emit(mnn::OpType::GatherV2, {}, {x, indices, ScalarInt(static_cast<int64_t>(*a), ElementType::kInt32)},
                       {from.type, std::move(out), from.stored});
  if (v.valid()) Mutable(v).elements = std::move(elements);
  if (v.valid()) Mutable(v).non_negative = from.non_negative;
  return v;
}

Value GraphBuilder::GatherAt(Value x, std::vector<int64_t> positions, size_t axis) {
  if (!x.valid() || !ok()) return {};
  bool run = !positions.empty();
  for (size_t i = 1; i < positions.size(); ++i) run = run && positions[i] == positions[i - 1] + 1;
  if (run) return Slice(x, {positions.front()}, {positions.back() + 1}, {static_cast<int64_t>(axis)});
  return Gather(x, IntList(std::move(positions)), static_cast<int64_t>(axis));
}

Value GraphBuilder::GatherElements(Value x, Value indices, int64_t axis) {
  if (!x.valid() || !indices.valid() || !ok()) return {};
  if (HasRank(indices)) AssumeRank(x, shape(indices)->size());
  const size_t rank = Rank(x);
  const auto a = NormalizeAxis(axis, rank);
  if (!ok()) return {};
  if (!a) return Fail(InvalidInput("axis {} lies outside a tensor of rank {}", axis, rank));
  AssumeRank(indices, rank);
  if (shape(indices)->size() != rank) {
    return Fail(InvalidInput("indices of rank {} for a tensor of rank {}", shape(indices)->size(), rank));
  }
  const ValueInfo from = info(x);
  indices = NormalizeIndices(indices, x, *a);
  return Emit(mnn::OpType::GatherElements, {}, {x, indices, ScalarInt(static_cast<int64_t>(*a), ElementType::kInt32)},
              {from.type, shape(indices), from.stored});
}

Value GraphBuilder::GatherND(Value x, Value indices, int64_t batch_dims) {
  const size_t rank = Rank(x), index_rank = Rank(indices);
  if (!x.valid() || !indices.valid() || !ok()) return {};
  const Shape xs = *shape(x), is = *shape(indices);
  if (index_rank == 0 || !IsKnown(is.back())) return Fail(Unsupported("the length of the index tuples must be known"));
  const int64_t columns = is.back();
  if (batch_dims < 0 || columns < 1 || batch_dims + columns > static_cast<int64_t>(rank) ||
      batch_dims >= static_cast<int64_t>(index_rank)) {
    return Fail(InvalidInput("index tuples of {} numbers and {} batch dimensions for a tensor of rank {}", columns, batch_dims, rank));
  }
  const ValueInfo from = info(x);
  Shape out(is.begin(), is.end() - 1);
  out.insert(out.end(), xs.begin() + batch_dims + columns, xs.end());
  indices = NormalizeTuples(indices, x, static_cast<size_t>(batch_dims));
  if (batch_dims > 0) {
    // The runtime has no batch dimensions here, so the tuples name them too.
    const auto last = static_cast<int64_t>(index_rank) - 1;
    const Value column_shape = ShapeOf(Slice(indices, {0}, {1}, {last}));
    std::vector<Value> parts;
    for (int64_t k = 0; k < batch_dims; ++k) {
      std::vector<int64_t> behind;
      for (int64_t i = 1; i <= last - k; ++i) behind.push_back(i);
      const Value numbers = Range(ScalarInt(0), DimOf(x, static_cast<size_t>(k)), ScalarInt(1));
      parts.push_back(Cast(Expand(Unsqueeze(numbers, behind), column_shape), ElementType::kInt32));
    }
    parts.push_back(indices);
    indices = Concat(std::move(parts), last);
  }
  const bool certain = std::all_of(is.begin(), is.end() - 1, [](Dim d) { return IsKnown(d) && d > 0; });
  if (certain) return Emit(mnn::OpType::GatherND, {}, {x, indices}, {from.type, std::move(out), from.stored});
  // Where there are no tuples, the runtime's shape is [0, last size of x]: right for a list of tuples that leave one axis.
  const int64_t named = batch_dims + columns, left = static_cast<int64_t>(rank) - named;
  Value table = x;
  if (left == 0) table = Unsqueeze(x, {named});
  if (left > 1) {
    std::vector<int64_t> dims(static_cast<size_t>(named), 0);
    dims.push_back(-1);
    table = ReshapeTo(x, std::move(dims));
  }
  const Value list = index_rank == 2 ? indices : ReshapeTo(indices, {-1, named});
  if (!ok()) return {};
  Shape rows = {(*shape(list))[0], shape(table)->back()};
  const Value picked = Emit(mnn::OpType::GatherND, {}, {table, list}, {from.type, std::move(rows), from.stored});
  if (index_rank == 2 && left == 1) return picked;
  if (index_rank == 2 && left == 0) return Squeeze(picked, {1});
  const Value result = Reshape(picked, Concat({Slice(ShapeOf(indices), {0}, {-1}, {0}), Slice(ShapeOf(x), {named}, {kEnd}, {0})}, 0), true);
  return ok() ? Opaque(result, std::move(out)) : Value{};
}

Value GraphBuilder::NonZero(Value x) {
  const size_t rank = Rank(x);
  if (!x.valid() || !ok()) return {};
  // With an Extra table the operator counts what it finds; without, it returns as many rows as there are elements. It
  // looks for values above zero.
  const Value v = Emit(mnn::OpType::Where, Param(mnn::ExtraT{}), {Cast(x, ElementType::kBool)},
                       {ElementType::kInt64, Shape{symbols_->Fresh(), static_cast<int64_t>(rank)}});
  if (v.valid()) Mutable(v).non_negative = true;
  return v;
}

Value GraphBuilder::Reverse(Value x, int64_t axis) {
  const size_t rank = Rank(x);
  if (!x.valid() || !ok()) return {};
  const auto a = NormalizeAxis(axis, rank);
  if (!a) return Fail(InvalidInput("axis {} lies outside a tensor of rank {}", axis, rank));
  if ((*shape(x))[*a] == 1) return x;
  const ValueInfo from = info(x);
  const auto position = static_cast<int64_t>(*a);
  if (from.constant) return Slice(x, {-1}, {std::numeric_limits<int64_t>::min()}, {position}, {-1});
  return Emit(mnn::OpType::Reverse, {}, {x, Ints({position}, {1}, ElementType::kInt32)}, {from.type, from.shape, from.stored});
}

GraphBuilder::TopKResult GraphBuilder::TopK(Value x, Value k, int64_t axis, bool largest, bool stable) {
  const size_t rank = Rank(x);
  if (!x.valid() || !k.valid() || !ok()) return {};
  const auto a = NormalizeAxis(axis, rank);
  if (!a) {
    Fail(InvalidInput("axis {} lies outside a tensor of rank {}", axis, rank));
    return {};
  }
  Shape out = *shape(x);
  const auto count = Elements(k);
  const Dim size = out[*a];
  out[*a] = count && count->size() == 1 ? (*count)[0] : symbols_->Fresh();
  if (!IsSymbol(out[*a]) && (out[*a] < 0 || (IsKnown(size) && out[*a] > size))) {
    Fail(InvalidInput("the {} largest of {} elements", out[*a], size));
    return {};
  }
  const ElementType type = info(x).type;
  x = Widen(x);
  mnn::TopKV2T param;
  param.T = IsFloat(type) ? mnn::DataType::DT_FLOAT : mnn::DataType::DT_INT32;
  param.sorted = true;
  param.largest = largest;
  const auto position = static_cast<int64_t>(*a);
  const std::vector<Value> result =
      EmitMulti(mnn::OpType::TopKV2, Param(param), {x, Cast(Widen(k), ElementType::kInt32), ScalarInt(position, ElementType::kInt32)},
                {{type, out}, {ElementType::kInt64, out}});
  if (result.size() != 2) return {};
  Mutable(result[1]).non_negative = true;
  // Among equal values the runtime's order of indices is arbitrary. Where the comparison of every result with every
  // element is small, the indices come from it: the n-th copy of a value is the n-th element that equals it.
  constexpr int64_t kMaxComparisons = int64_t{1} << 16;
  Shape pairs = out;
  pairs.push_back(size);
  const auto comparisons = ElementCount(pairs);
  if (!stable || !comparisons || *comparisons == 0 || *comparisons > kMaxComparisons) return {result[0], result[1]};
  std::vector<int64_t> to_last;
  for (size_t i = 0; i < rank; ++i) {
    if (i != *a) to_last.push_back(static_cast<int64_t>(i));
  }
  to_last.push_back(position);
  std::vector<int64_t> back(rank);
  for (size_t i = 0; i < rank; ++i) back[static_cast<size_t>(to_last[i])] = static_cast<int64_t>(i);
  const int64_t n = size, m = out[*a];
  const Value elements = Transpose(x, to_last), values = Transpose(result[0], to_last);
  const Value column = Unsqueeze(values, {-1});
  const Value same = Cast(Equal(column, Unsqueeze(elements, {-2})), ElementType::kFloat32);  // [.., m, n]
  std::vector<float> earlier(static_cast<size_t>(m * m)), numbers(static_cast<size_t>(n));
  for (int64_t i = 0; i < m * m; ++i) earlier[static_cast<size_t>(i)] = i % m < i / m ? 1.0f : 0.0f;
  for (int64_t i = 0; i < n; ++i) numbers[static_cast<size_t>(i)] = static_cast<float>(i);
  const Value twins = Cast(Equal(column, Unsqueeze(values, {-2})), ElementType::kFloat32);  // [.., m, m]
  const Value rank_of = Reduce(mnn::ReductionType::SUM, Mul(twins, Floats(std::move(earlier), {m, m})), {-1}, true);
  mnn::CumSumT running;
  const Value seen = Emit(mnn::OpType::CumSum, Param(running), {same, ScalarInt(static_cast<int64_t>(rank), ElementType::kInt32)},
                          {ElementType::kFloat32, shape(same)});
  const Value hit = Mul(same, Cast(Equal(seen, Add(rank_of, ScalarFloat(1))), ElementType::kFloat32));
  const Value index = Reduce(mnn::ReductionType::SUM, Mul(hit, Floats(std::move(numbers), {n})), {-1}, false);
  const Value indices = Transpose(Cast(index, ElementType::kInt64), back);
  if (indices.valid()) Mutable(indices).non_negative = true;
  return {result[0], indices};
}

}  // namespace quantpress::graph
