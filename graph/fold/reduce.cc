// Folding of reductions, gathers and small matrix products.
#include <algorithm>
#include <limits>

#include "graph/fold/fold.h"

namespace quantpress::graph::fold {
namespace {

template <typename T>
std::optional<T> Combine(mnn::ReductionType op, std::span<const T> values) {
  using R = mnn::ReductionType;
  if (values.empty() && (op == R::MAXIMUM || op == R::MINIMUM)) return std::nullopt;
  T result = op == R::PROD || op == R::ALL ? T{1} : T{0};
  if (op == R::MAXIMUM || op == R::MINIMUM) result = values[0];
  for (T v : values) {
    switch (op) {
      case R::SUM:
      case R::MEAN: result = static_cast<T>(result + v); break;
      case R::PROD: result = static_cast<T>(result * v); break;
      case R::MAXIMUM: result = std::max(result, v); break;
      case R::MINIMUM: result = std::min(result, v); break;
      default: return std::nullopt;
    }
  }
  if (op == R::MEAN) {
    if (values.empty()) return std::nullopt;
    result = static_cast<T>(result / static_cast<T>(values.size()));
  }
  return result;
}

template <typename T>
std::optional<std::vector<T>> ReduceRows(mnn::ReductionType op, const std::vector<T>& values, uint64_t rows) {
  std::vector<T> out(rows);
  const size_t length = rows ? values.size() / rows : 0;
  for (uint64_t r = 0; r < rows; ++r) {
    const std::optional<T> x = Combine<T>(op, std::span(values).subspan(r * length, length));
    if (!x) return std::nullopt;
    out[r] = *x;
  }
  return out;
}

}  // namespace

std::optional<Constant> Reduce(mnn::ReductionType op, const Constant& a, std::span<const size_t> axes, bool keep_dims) {
  if (a.count() > kMaxEagerElements) return std::nullopt;
  std::vector<bool> reduced(a.shape.size(), false);
  for (size_t axis : axes) reduced[axis] = true;
  std::vector<size_t> perm;
  std::vector<int64_t> shape;
  uint64_t rows = 1;
  for (size_t i = 0; i < a.shape.size(); ++i) {
    if (!reduced[i]) {
      perm.push_back(i);
      rows *= static_cast<uint64_t>(a.shape[i]);
    }
    if (!reduced[i]) shape.push_back(a.shape[i]);
    if (reduced[i] && keep_dims) shape.push_back(1);
  }
  for (size_t i = 0; i < a.shape.size(); ++i) {
    if (reduced[i]) perm.push_back(i);
  }
  const Constant moved = Transpose(a, perm);
  if (IsFloat(a.type)) {
    auto out = ReduceRows<float>(op, moved.Floats(), rows);
    if (!out) return std::nullopt;
    return Constant{a.type, shape, FloatSource(std::move(*out))};
  }
  auto out = ReduceRows<int64_t>(op, moved.Ints(), rows);
  if (!out) return std::nullopt;
  return Constant{a.type, shape, IntSource(std::move(*out), a.type)};
}

std::optional<Constant> Gather(const Constant& a, const Constant& indices, size_t axis) {
  if (a.shape.empty()) return std::nullopt;
  uint64_t outer = 1, inner = 1;
  for (size_t i = 0; i < axis; ++i) outer *= static_cast<uint64_t>(a.shape[i]);
  for (size_t i = axis + 1; i < a.shape.size(); ++i) inner *= static_cast<uint64_t>(a.shape[i]);
  if (indices.count() > kMaxEagerElements || inner > kMaxEagerElements || outer > kMaxEagerElements ||
      outer * inner > kMaxEagerElements || outer * inner * indices.count() > kMaxEagerElements) {
    return std::nullopt;
  }
  const int64_t length = a.shape[axis];
  std::vector<int64_t> where = indices.Ints();
  for (int64_t& i : where) {
    if (i < 0) i += length;
    if (i < 0 || i >= length) return std::nullopt;
  }
  std::vector<int64_t> shape(a.shape.begin(), a.shape.begin() + static_cast<int64_t>(axis));
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), a.shape.begin() + static_cast<int64_t>(axis) + 1, a.shape.end());
  const uint64_t total = outer * inner * where.size();
  std::vector<float> floats(IsFloat(a.type) ? total : 0);
  std::vector<int64_t> ints(IsFloat(a.type) ? 0 : total);
  uint64_t to = 0;
  for (uint64_t o = 0; o < outer && inner > 0; ++o) {
    for (int64_t i : where) {
      const uint64_t from = (o * static_cast<uint64_t>(length) + static_cast<uint64_t>(i)) * inner;
      if (IsFloat(a.type)) {
        a.data->ReadFloats(from, std::span(floats).subspan(to, inner));
      } else {
        a.data->ReadInts(from, std::span(ints).subspan(to, inner));
      }
      to += inner;
    }
  }
  if (IsFloat(a.type)) return Constant{a.type, shape, FloatSource(std::move(floats))};
  return Constant{a.type, shape, IntSource(std::move(ints), a.type)};
}

std::optional<Constant> MatMul(const Constant& a, const Constant& b, bool transpose_a, bool transpose_b) {
  if (a.shape.size() != 2 || b.shape.size() != 2 || !IsFloat(a.type) || !IsFloat(b.type)) return std::nullopt;
  const std::vector<size_t> swap = {1, 0};
  const Constant x = transpose_a ? Transpose(a, swap) : a, y = transpose_b ? b : Transpose(b, swap);
  const auto m = static_cast<uint64_t>(x.shape[0]), k = static_cast<uint64_t>(x.shape[1]);
  const auto n = static_cast<uint64_t>(y.shape[0]);
  if (y.shape[1] != x.shape[1] || a.count() > kMaxEagerElements || b.count() > kMaxEagerElements ||
      m * n > kMaxEagerElements || m * n * std::max<uint64_t>(k, 1) > (uint64_t{1} << 28)) {
    return std::nullopt;
  }
  const std::vector<float> u = x.Floats(), v = y.Floats();
  std::vector<float> out(m * n);
  for (uint64_t i = 0; i < m; ++i) {
    for (uint64_t j = 0; j < n; ++j) {
      float sum = 0;
      for (uint64_t p = 0; p < k; ++p) sum += u[i * k + p] * v[j * k + p];
      out[i * n + j] = sum;
    }
  }
  return Constant{a.type, {x.shape[0], y.shape[0]}, FloatSource(std::move(out))};
}

}  // namespace quantpress::graph::fold
