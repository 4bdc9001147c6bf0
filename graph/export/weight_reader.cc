#include "graph/export/weight_reader.h"

#include <cmath>

#include "kernels/finite.h"

namespace quantpress::graph {
namespace {

// True if FlushDenormals would change something. Written so that compilers vectorize it.
bool NeedsFlush(const float* values, uint64_t count) {
  constexpr uint64_t kStep = 1024;
  const auto test = [](float value) {
    const auto bits = std::bit_cast<int32_t>(value);
    return static_cast<int32_t>((bits & 0x7FFFFFFF) < 0x00800000) & static_cast<int32_t>(bits != 0);
  };
  uint64_t i = 0;
  for (; i + kStep <= count; i += kStep) {
    int32_t found = 0;
    for (uint64_t j = 0; j < kStep; ++j) found |= test(values[i + j]);
    if (found != 0) return true;
  }
  for (; i < count; ++i) {
    if (test(values[i]) != 0) return true;
  }
  return false;
}

void ReplaceNonFinite(std::span<float> values, dispatch::NonFinitePolicy policy) {
  for (float& value : values) {
    if (std::isfinite(value)) continue;
    const bool clamp = policy == dispatch::NonFinitePolicy::kClamp && std::isinf(value);
    value = clamp ? std::copysign(kClampedInfinity, value) : 0.0f;
  }
}

}  // namespace

const float* DirectFloats(const TensorSource& source) {
  if (source.type() != ElementType::kFloat32) return nullptr;
  const Bytes stored = source.Stored();
  if (stored.data == nullptr || reinterpret_cast<uintptr_t>(stored.data) % alignof(float) != 0) return nullptr;
  return reinterpret_cast<const float*>(stored.data);
}

Status NonFiniteError(const std::string& layer, uint64_t index, float value) {
  return InvalidInput("layer '{}': weight {} is {}; --nonfinite zero or --nonfinite clamp converts it anyway", layer, index,
                      std::isnan(value) ? "NaN" : value > 0 ? "infinity" : "-infinity");
}

StatusOr<const float*> ReadWeights(const TensorSource& source, uint64_t begin, uint64_t count, const WeightPolicy& policy,
                                   bool check_finite, std::span<float> scratch, const std::string& layer) {
  const float* values = DirectFloats(source);
  if (values != nullptr) {
    values += begin;
  } else {
    source.ReadFloats(begin, scratch.first(count));
    values = scratch.data();
  }
  bool replace = false;
  if (check_finite || policy.nonfinite != dispatch::NonFinitePolicy::kError) {
    const size_t bad = kernels::FindNonFinite(values, count);
    if (bad != kernels::kNoNonFinite && policy.nonfinite == dispatch::NonFinitePolicy::kError) {
      return NonFiniteError(layer, begin + bad, values[bad]);
    }
    replace = bad != kernels::kNoNonFinite;
  }
  const bool flush = policy.flush_denormals && NeedsFlush(values, count);
  if (!replace && !flush) return values;
  if (scratch.size() < count) {
    return Unsupported("layer '{}': a row of {} weights with values to be replaced does not fit into memory; raise --memory", layer,
                       count);
  }
  if (values != scratch.data()) std::memcpy(scratch.data(), values, count * sizeof(float));
  if (replace) ReplaceNonFinite(scratch.first(count), policy.nonfinite);
  if (flush) kernels::FlushDenormals(scratch.data(), count);
  return scratch.data();
}

}  // namespace quantpress::graph
