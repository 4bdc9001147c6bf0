// Weights whose source holds codes and scales that the coding can keep as they are.
#ifndef QUANTPRESS_GRAPH_PLAN_SOURCE_CODES_H_
#define QUANTPRESS_GRAPH_PLAN_SOURCE_CODES_H_

#include <optional>

#include "dispatch/plan.h"
#include "graph/weights.h"

namespace quantpress::graph {

// The plan that keeps codes and scales of a quantized source; nothing where the source has none, or where the coding cannot hold
// them exactly. Without a request and a note.
std::optional<dispatch::WeightPlan> PlanCodesOfSource(const Op& op, const WeightView& view,
                                                      const dispatch::WeightGeometry& geometry);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_PLAN_SOURCE_CODES_H_
