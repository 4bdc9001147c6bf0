#include "graph/import/onnx/ops/sizes.h"

#include <utility>

namespace quantpress::graph::onnx {

Size SizeOf(GraphBuilder& b, Value x, size_t axis) {
  if (!b.HasRank(x) || axis >= b.shape(x)->size()) return {};
  return {(*b.shape(x))[axis], x, axis};
}

std::vector<Size> SizesOf(GraphBuilder& b, Value x) {
  std::vector<Size> sizes;
  for (size_t i = 0; i < b.Rank(x); ++i) sizes.push_back(SizeOf(b, x, i));
  return sizes;
}

Value ToScalar(GraphBuilder& b, const Size& size) {
  return IsKnown(size.dim) ? b.ScalarInt(size.dim) : b.DimOf(size.from, size.axis);
}

Value ToShape(GraphBuilder& b, const std::vector<Size>& sizes) {
  std::vector<Value> parts;
  std::vector<int64_t> run;  // known sizes next to each other
  for (const Size& size : sizes) {
    if (IsKnown(size.dim)) {
      run.push_back(size.dim);
      continue;
    }
    if (!run.empty()) parts.push_back(b.IntList(std::exchange(run, {})));
    const auto axis = static_cast<int64_t>(size.axis);
    parts.push_back(b.Slice(b.ShapeOf(size.from), {axis}, {axis + 1}, {0}));
  }
  if (!run.empty() || parts.empty()) parts.push_back(b.IntList(run));
  return b.Concat(std::move(parts), 0);
}

Value ReshapeToSizes(GraphBuilder& b, Value x, const std::vector<Size>& sizes) {
  std::vector<std::vector<Size>> products;
  for (const Size& size : sizes) products.push_back({size});
  return ReshapeToProducts(b, x, products);
}

Value ReshapeToProducts(GraphBuilder& b, Value x, const std::vector<std::vector<Size>>& sizes) {
  if (!x.valid()) return {};
  if (sizes.empty()) return b.Squeeze(b.ReshapeTo(x, {1}), {0});  // a Reshape without sizes has no static form
  Shape target;
  std::vector<Value> parts;
  size_t unknown = 0;
  for (size_t i = 0; i < sizes.size(); ++i) {
    int64_t known = 1;
    std::vector<const Size*> symbols;
    for (const Size& size : sizes[i]) {
      if (!IsKnown(size.dim)) symbols.push_back(&size);
      else if (__builtin_mul_overflow(known, size.dim, &known)) return b.Fail(InvalidInput("a reshape to a dimension of 2^63 elements"));
    }
    const Dim dim = symbols.empty() ? known : symbols.size() == 1 && known == 1 ? symbols[0]->dim : b.symbols()->Fresh();
    target.push_back(dim);
    // What ReshapeLike can say without computing: a size, "copy", or one "whatever is left".
    const bool copied = b.HasRank(x) && i < b.shape(x)->size() && (*b.shape(x))[i] == dim;
    unknown += dim == 0 ? 2 : !IsKnown(dim) && !copied;
  }
  if (unknown <= 1) return b.ReshapeLike(x, target, {});
  for (const std::vector<Size>& product : sizes) {
    Value size = b.ScalarInt(1);
    for (const Size& factor : product) size = b.Mul(size, ToScalar(b, factor));
    parts.push_back(b.Reshape(size, b.IntList({1})));
  }
  return b.ReshapeLike(x, target, b.Concat(std::move(parts), 0));
}

}  // namespace quantpress::graph::onnx
