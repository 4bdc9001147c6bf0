// Folding of data movement: views, no copies.
#include <numeric>

#include "graph/fold/fold.h"

namespace quantpress::graph::fold {
namespace {

std::vector<int64_t> RowMajorStrides(std::span<const int64_t> shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step *= shape[i];
  }
  return strides;
}

}  // namespace

Constant Cast(const Constant& a, ElementType type) {
  if (type == a.type) return a;
  // Between float types only the meaning changes: elements are read as float32 in any case.
  Constant out{type, a.shape, IsFloat(type) && IsFloat(a.type) ? a.data : CastSource(a.data, type)};
  if (a.base != nullptr) out.base = std::make_shared<const Constant>(Cast(*a.base, type));
  return out;
}

Constant Reshape(const Constant& a, std::vector<int64_t> shape) { return {a.type, std::move(shape), a.data}; }

Constant Transpose(const Constant& a, std::span<const size_t> perm) {
  const std::vector<int64_t> strides = RowMajorStrides(a.shape);
  std::vector<int64_t> shape(perm.size()), moved(perm.size());
  for (size_t i = 0; i < perm.size(); ++i) {
    shape[i] = a.shape[perm[i]];
    moved[i] = strides[perm[i]];
  }
  return {a.type, shape, StridedSource(a.data, shape, std::move(moved), 0)};
}

Constant Slice(const Constant& a, std::span<const int64_t> starts, std::span<const int64_t> counts,
               std::span<const int64_t> steps) {
  std::vector<int64_t> strides = RowMajorStrides(a.shape);
  std::vector<int64_t> shape(counts.begin(), counts.end());
  int64_t offset = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    offset += starts[i] * strides[i];
    strides[i] *= steps[i];
  }
  return {a.type, shape, StridedSource(a.data, shape, std::move(strides), offset)};
}

Constant Broadcast(const Constant& a, std::vector<int64_t> shape) {
  const std::vector<int64_t> from = RowMajorStrides(a.shape);
  std::vector<int64_t> strides(shape.size(), 0);
  const size_t lead = shape.size() - a.shape.size();
  for (size_t i = 0; i < a.shape.size(); ++i) strides[lead + i] = a.shape[i] == 1 ? 0 : from[i];
  Constant out{a.type, shape, StridedSource(a.data, shape, std::move(strides), 0)};
  out.base = std::make_shared<const Constant>(a);
  return out;
}

std::optional<Constant> Concat(std::span<const Constant* const> parts, size_t axis) {
  std::vector<int64_t> shape = parts[0]->shape;
  shape[axis] = 0;
  for (const Constant* part : parts) shape[axis] += part->shape[axis];
  const bool leading = std::accumulate(shape.begin(), shape.begin() + static_cast<int64_t>(axis), int64_t{1},
                                       std::multiplies<>()) == 1;
  if (leading) {
    std::vector<TensorSourcePtr> sources;
    for (const Constant* part : parts) sources.push_back(part->data);
    return Constant{parts[0]->type, shape, ConcatSource(std::move(sources))};
  }
  // Move the axis to the front, concatenate, move it back.
  std::vector<size_t> to_front(shape.size()), back(shape.size());
  to_front[0] = axis;
  for (size_t i = 1; i < shape.size(); ++i) to_front[i] = i <= axis ? i - 1 : i;
  for (size_t i = 0; i < shape.size(); ++i) back[to_front[i]] = i;
  std::vector<Constant> moved;
  std::vector<TensorSourcePtr> sources;
  for (const Constant* part : parts) {
    moved.push_back(Transpose(*part, to_front));
    sources.push_back(moved.back().data);
  }
  std::vector<int64_t> front_shape = moved[0].shape;
  front_shape[0] = shape[axis];
  const Constant joined{parts[0]->type, front_shape, ConcatSource(std::move(sources))};
  return Transpose(joined, back);
}

}  // namespace quantpress::graph::fold
