// Reads pieces of a weight tensor as the quantizer wants them.
#ifndef QUANTPRESS_GRAPH_EXPORT_WEIGHT_READER_H_
#define QUANTPRESS_GRAPH_EXPORT_WEIGHT_READER_H_

#include <cstdint>
#include <span>
#include <string>

#include "dispatch/plan.h"
#include "graph/ir/tensor_source.h"

namespace quantpress::graph {

// What is done to weights before they are stored.
struct WeightPolicy {
  bool flush_denormals = true;  // magnitudes below FLT_MIN, and -0, become +0
  dispatch::NonFinitePolicy nonfinite = dispatch::NonFinitePolicy::kError;
};

// Stands for infinities under NonFinitePolicy::kClamp: the largest magnitude that every way of storing weights can hold. (NaN becomes 0.)
inline constexpr float kClampedInfinity = 65504.0f;

// The elements in place, where they lie in memory as aligned float32; else null.
const float* DirectFloats(const TensorSource& source);

// Elements [begin, begin + count) with the policy applied. They are read in place where nothing needs to change, else copied to `scratch`.
// `scratch` may be empty for a source with DirectFloats; if values would have to change then, that is an error. NaN and infinities
// under kError are found only if `check_finite` (else the caller looks). Errors name the layer and the index.
StatusOr<const float*> ReadWeights(const TensorSource& source, uint64_t begin, uint64_t count, const WeightPolicy& policy,
                                   bool check_finite, std::span<float> scratch, const std::string& layer);

// The error for a weight that is not finite.
Status NonFiniteError(const std::string& layer, uint64_t index, float value);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_WEIGHT_READER_H_
