#include "graph/import/onnx/ops/sampling.h"

namespace quantpress::graph::onnx {

SampleSource PrepareSource(GraphBuilder& b, Value x) {
  SampleSource source;
  const size_t rank = b.Rank(x);
  if (!b.ok()) return source;
  std::vector<int64_t> perm = {0};
  for (size_t i = 2; i < rank; ++i) perm.push_back(static_cast<int64_t>(i));
  perm.push_back(1);
  const std::vector<Size> sizes = SizesOf(b, x);
  source.sizes = sizes;
  source.sizes.erase(source.sizes.begin() + 1);
  source.rows = ReshapeToProducts(b, b.Transpose(x, perm), {source.sizes, {sizes[1]}});
  return source;
}

Expr AxisLength(GraphBuilder& b, const SampleSource& source, size_t axis) {
  return ToFloat({&b, ToScalar(b, source.sizes[axis + 1])});
}

Value BatchIndex(GraphBuilder& b, const Size& batch, size_t rank) {
  Expr index = Iota({&b, ToScalar(b, batch)});
  std::vector<int64_t> axes;
  for (size_t i = 1; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  return WithAxes(index, axes);
}

Value GatherRows(GraphBuilder& b, const SampleSource& source, Value batch, const std::vector<Expr>& index) {
  // Row numbers may pass 2^24, where float32 has gaps: integers from here on.
  Value row = batch;
  for (size_t i = 0; i < index.size(); ++i) {
    row = b.Add(b.MulExact(row, ToScalar(b, source.sizes[i + 1])), ToInt(index[i]));
  }
  return b.Gather(source.rows, row, 0);
}

Value SampleTaps(GraphBuilder& b, const SampleSource& source, Value batch, const std::vector<std::vector<AxisTap>>& axes) {
  Value sum;
  ForEachSample(b, source, batch, axes, [&](Value values, Value weight) {
    if (weight.valid()) values = b.Mul(values, b.Unsqueeze(weight, {-1}));
    sum = sum.valid() ? b.Add(sum, values) : values;
  });
  return sum;
}

}  // namespace quantpress::graph::onnx
