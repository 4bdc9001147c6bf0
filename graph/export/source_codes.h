// Weights that keep the codes and scales of a quantized source.
#ifndef QUANTPRESS_GRAPH_EXPORT_SOURCE_CODES_H_
#define QUANTPRESS_GRAPH_EXPORT_SOURCE_CODES_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "dispatch/plan.h"
#include "graph/ir/tensor_source.h"

namespace quantpress::graph {

// Packs groups [first, first + groups) of `source`, which has the face CodedElements and one scale per group of the plan.
// `codes` and `indexes` are scratch of one entry per weight; `packed` and `alpha` (float32) get the results.
// Errors: the source has no codes (the plan belongs to another model).
Status PackSourceCodes(const TensorSourcePtr& source, const dispatch::WeightPlan& plan, uint64_t first, uint64_t groups,
                       std::span<float> codes, std::span<std::byte> indexes, std::span<uint8_t> packed,
                       std::span<std::byte> alpha);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_SOURCE_CODES_H_
