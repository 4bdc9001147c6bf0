#include "graph/export/coded_rows.h"

#include <cmath>
#include <cstring>

#include "kernels/half.h"
#include "kernels/pack.h"

namespace quantpress::graph {
namespace {

constexpr uint64_t Align(uint64_t bytes) { return (bytes + 63) / 64 * 64; }

struct Sizes {
  uint64_t weights, floats, packed, alpha, quantizer;
  Sizes(const dispatch::WeightPlan& plan, uint64_t rows)
      : weights(rows * plan.geometry.row_length()),
        floats(Align(weights * sizeof(float))),
        packed(Align(kernels::PackedBytes(weights, plan.coding.bits))),
        alpha(Align(dispatch::AlphaCount(plan.coding.method, Groups(plan)) * sizeof(float))),
        quantizer(Align(dispatch::QuantizeRunScratchBytes(plan.coding, Groups(plan), plan.group_size))) {}
  uint64_t Groups(const dispatch::WeightPlan& plan) const {
    return plan.group_size == 0 ? 0 : weights / plan.group_size;
  }
};

float AlphaAt(const dispatch::WeightPlan& plan, std::span<const uint8_t> alpha, uint64_t index) {
  if (plan.coding.half_scales) {
    uint16_t half = 0;
    std::memcpy(&half, alpha.data() + index * sizeof(half), sizeof(half));
    return kernels::FloatFromHalf(half);
  }
  float value = 0;
  std::memcpy(&value, alpha.data() + index * sizeof(value), sizeof(value));
  return value;
}

// The runtime fills a group with round(-min / scale) above the lowest code, or the lowest code where the scale is
// nothing.
void FindZeros(const dispatch::WeightPlan& plan, uint64_t groups, CodedRows* rows) {
  const int bits = plan.coding.bits;
  rows->zeros.assign(groups, static_cast<uint8_t>(-kernels::CodeMin(bits)));
  if (!dispatch::IsAsymmetric(plan.coding.method)) return;
  for (uint64_t group = 0; group < groups; ++group) {
    const float min = AlphaAt(plan, rows->alpha, 2 * group), scale = AlphaAt(plan, rows->alpha, 2 * group + 1);
    const float index = scale > 1e-6f ? std::round(-min / scale) : 0.0f;
    const bool fits = index >= 0 && index <= static_cast<float>(kernels::MaxIndex(bits));
    rows->zeros_fit &= fits;
    rows->zeros[group] = fits ? static_cast<uint8_t>(index) : uint8_t{0};
  }
}

}  // namespace

uint64_t CodedRowsScratchBytes(const dispatch::WeightPlan& plan, uint64_t rows) {
  const Sizes sizes(plan, rows);
  return sizes.floats + sizes.packed + sizes.alpha + sizes.quantizer + Align(sizes.weights);
}

StatusOr<CodedRows> CodeRows(const dispatch::WeightPlan& plan, const TensorSource& source, uint64_t begin,
                             uint64_t rows, const WeightPolicy& policy, std::span<std::byte> scratch,
                             Measure* measure) {
  const Sizes sizes(plan, rows);
  const uint64_t groups = sizes.Groups(plan), first = begin * plan.geometry.row_length();
  std::byte* at = scratch.data();
  const auto take = [&](uint64_t bytes) { return std::exchange(at, at + bytes); };
  auto* const floats = reinterpret_cast<float*>(take(sizes.floats));
  auto* const packed = reinterpret_cast<uint8_t*>(take(sizes.packed));
  std::byte* const alpha = take(sizes.alpha);
  std::byte* const quantizer = take(sizes.quantizer);
  auto* const indexes = reinterpret_cast<uint8_t*>(take(Align(sizes.weights)));
  QP_ASSIGN_OR_RETURN(const float* values,
                      ReadWeights(source, first, sizes.weights, policy, false, {floats, sizes.weights}, plan.layer));
  dispatch::RunOutput out;
  out.packed = packed;
  if (measure != nullptr) {
    out.stats = &measure->errors;
    out.histograms = measure->histograms.get();
  }
  if (plan.coding.half_scales) {
    out.alpha_half = reinterpret_cast<uint16_t*>(alpha);
  } else {
    out.alpha = reinterpret_cast<float*>(alpha);
  }
  const size_t bad =
      dispatch::QuantizeRun(plan.coding, values, groups, plan.group_size, {quantizer, sizes.quantizer}, out);
  if (bad != dispatch::kNoNonFinite) return NonFiniteError(plan.layer, first + bad, values[bad]);
  kernels::UnpackIndexes(plan.coding.bits, packed, 0, sizes.weights, indexes);
  CodedRows result;
  result.indexes = {indexes, sizes.weights};
  const uint64_t entry = plan.coding.half_scales ? sizeof(uint16_t) : sizeof(float);
  result.alpha = {reinterpret_cast<const uint8_t*>(alpha), dispatch::AlphaCount(plan.coding.method, groups) * entry};
  FindZeros(plan, groups, &result);
  return result;
}

}  // namespace quantpress::graph
