// The constant folder: operators on tensors whose elements are known at conversion time, for every front-end.
// Data movement (transpose, slice, broadcast, cast, concatenation) stays lazy: the result reads through to the source
// file. Arithmetic is computed at once, in float32 or int64 as the source frameworks do, and only up to kMaxEagerElements: larger
// results give nullopt and the operator runs on the device.
#ifndef QUANTPRESS_GRAPH_FOLD_FOLD_H_
#define QUANTPRESS_GRAPH_FOLD_FOLD_H_

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "graph/build/value.h"
#include "graph/schema/mnn_generated.h"

namespace quantpress::graph::fold {

inline constexpr uint64_t kMaxEagerElements = uint64_t{1} << 22;

// Element-wise with NumPy broadcasting; shapes must be compatible. `type` is the result's type.
std::optional<Constant> Binary(mnn::BinaryOpOperation op, const Constant& a, const Constant& b, ElementType type);
std::optional<Constant> Unary(mnn::UnaryOpOperation op, const Constant& a);
std::optional<Constant> Select(const Constant& condition, const Constant& a, const Constant& b);
std::optional<Constant> Reduce(mnn::ReductionType op, const Constant& a, std::span<const size_t> axes, bool keep_dims);
std::optional<Constant> Gather(const Constant& a, const Constant& indices, size_t axis);
// [.., M, K] x [.., K, N] of rank 2.
std::optional<Constant> MatMul(const Constant& a, const Constant& b, bool transpose_a, bool transpose_b);

Constant Cast(const Constant& a, ElementType type);
Constant Reshape(const Constant& a, std::vector<int64_t> shape);  // same element count
Constant Transpose(const Constant& a, std::span<const size_t> perm);
// One entry per axis; steps may be negative; every index lies inside.
Constant Slice(const Constant& a, std::span<const int64_t> starts, std::span<const int64_t> counts,
               std::span<const int64_t> steps);
Constant Broadcast(const Constant& a, std::vector<int64_t> shape);  // shapes must be compatible
std::optional<Constant> Concat(std::span<const Constant* const> parts, size_t axis);

}  // namespace quantpress::graph::fold

#endif  // QUANTPRESS_GRAPH_FOLD_FOLD_H_
