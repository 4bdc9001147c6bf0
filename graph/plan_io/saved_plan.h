// A plan that was made before, put on a model again.
#ifndef QUANTPRESS_GRAPH_PLAN_IO_SAVED_PLAN_H_
#define QUANTPRESS_GRAPH_PLAN_IO_SAVED_PLAN_H_

#include "dispatch/plan.h"
#include "dispatch/status.h"
#include "graph/ir/model.h"

namespace quantpress::graph {

// The plan of `model` that does to every weight what `saved` says. Of `saved` only names, type, geometry, storage, coding, block, sparse marks,
// reason and note count; sizes are computed anew, so that a file that was changed by hand gives a consistent plan or an error.
// Errors: another number of weights, another name, type or geometry, a storage that the weight cannot have, a block that does not
// fit. They name the layer.
StatusOr<dispatch::Plan> RebuildPlan(const Model& model, const dispatch::Plan& saved);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_PLAN_IO_SAVED_PLAN_H_
