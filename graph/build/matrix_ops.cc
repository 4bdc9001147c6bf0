#include "graph/build/graph_builder.h"
#include "graph/build/params.h"
#include "graph/fold/fold.h"

namespace quantpress::graph {

Value GraphBuilder::Linear(Value x, Value weight, Value bias) {
  const size_t rank = Rank(x);
  if (!x.valid() || !weight.valid() || !ok()) return {};
  const int64_t n = constant(weight)->shape[0], k = constant(weight)->shape[1];
  const ElementType type = info(x).type;
  const Shape from = *shape(x);
  const Value flat = ReshapeTo(x, {-1, k, 1, 1});
  const Value kernel = MakeConstant(fold::Reshape(*constant(weight), {n, k, 1, 1}));
  const std::string saved = prefix_;
  Window2D window;
  const Value product = Conv2D(flat, kernel, bias, window, 1);
  if (!product.valid()) return {};
  Op& conv = last_op();
  const std::string name = UniqueName(prefix_ + "__matmul_converted");
  Rename(product, name);
  conv.name = name;
  Shape target(from.begin(), from.end() - 1);
  target.push_back(n);
  Value target_shape;
  size_t unknown = 0;
  for (Dim d : target) unknown += !IsKnown(d);
  if (unknown > 1 || rank == 1) {
    target_shape = Concat({Slice(ShapeOf(x), {0}, {static_cast<int64_t>(rank) - 1}, {0}), IntList({n})}, 0);
  } else {
    target_shape = IntList({});
  }
  const Value out = ReshapeLike(product, target, target_shape);
  if (out.valid()) values_[static_cast<size_t>(out.id)].type = type;
  return out;
}

Value GraphBuilder::MatMul(Value a, Value b, bool transpose_a, bool transpose_b) {
  size_t ra = Rank(a), rb = Rank(b);
  if (!a.valid() || !b.valid() || !ok()) return {};
  if (ra == 0 || rb == 0) return Fail(InvalidInput("a matrix product with a scalar"));
  if (IsConstant(a) && IsConstant(b)) {
    if (auto folded = fold::MatMul(*constant(a), *constant(b), transpose_a, transpose_b)) {
      return MakeConstant(std::move(*folded));
    }
  }
  // The runtime has no product of vectors.
  if (ra == 1) {
    const Value out = MatMul(Unsqueeze(a, {0}), b, false, transpose_b);
    return Squeeze(out, {rb == 1 ? -1 : -2});
  }
  if (rb == 1) return Squeeze(MatMul(a, Unsqueeze(b, {1}), transpose_a, false), {-1});
  const Shape& sa = *shape(a);
  const Shape& sb = *shape(b);
  const Dim k = sa[transpose_a ? ra - 2 : ra - 1], kb = sb[transpose_b ? rb - 1 : rb - 2];
  if (IsKnown(k) && IsKnown(kb) && k != kb) {
    return Fail(InvalidInput("a matrix product of shapes {} and {}", ShapeText(sa), ShapeText(sb)));
  }
  const ElementType type = info(a).type;
  const bool weight = IsConstant(b) && rb == 2 && IsFloat(type) && options_.convert_matmul_to_conv &&
                      constant(b)->shape[0] > 0 && constant(b)->shape[1] > 0;
  if (weight) {
    if (transpose_a) {
      std::vector<int64_t> perm(ra);
      for (size_t i = 0; i < ra; ++i) perm[i] = static_cast<int64_t>(i);
      std::swap(perm[ra - 1], perm[ra - 2]);
      a = Transpose(a, perm);
    }
    return Linear(a, transpose_b ? b : Transpose(b, {1, 0}), {});
  }
  SymbolTable* symbols = symbols_;
  const auto batch = BroadcastShapes(Shape(sa.begin(), sa.end() - 2), Shape(sb.begin(), sb.end() - 2), symbols);
  if (!batch) return Fail(InvalidInput("batch dimensions of {} and {} do not broadcast", ShapeText(sa), ShapeText(sb)));
  Shape out = *batch;
  out.push_back(sa[transpose_a ? ra - 1 : ra - 2]);
  out.push_back(sb[transpose_b ? rb - 2 : rb - 1]);
  if (!IsFloat(type)) {
    // Integer products are computed in float32: exact below 2^24.
    const Value product = MatMul(Cast(a, ElementType::kFloat32), Cast(b, ElementType::kFloat32), transpose_a, transpose_b);
    return Cast(product, type);
  }
  mnn::MatMulT param;
  param.T = mnn::DataType::DT_FLOAT;
  param.transposeA = transpose_a;
  param.transposeB = transpose_b;
  return Emit(mnn::OpType::MatMul, Param(std::move(param)), {a, b}, {type, std::move(out)});
}

}  // namespace quantpress::graph
