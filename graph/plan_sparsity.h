// The part of a plan that depends on the values of weights: where they are zero.
#ifndef QUANTPRESS_GRAPH_PLAN_SPARSITY_H_
#define QUANTPRESS_GRAPH_PLAN_SPARSITY_H_

#include "dispatch/plan.h"
#include "dispatch/scheduler.h"
#include "graph/export/weight_reader.h"
#include "graph/ir/model.h"

namespace quantpress::graph {

struct SparsityOptions {
  bool saved = false;      // the plan was saved: it says which layers are marked and listed; only numbers are missing
  bool detect = false;     // count zeros, mark layers and list codes
  bool filters = false;    // tell which output channels are zero as a whole
  uint64_t block = 1;      // output channels of a block
  bool by_blocks = false;  // the recipe has a SIMD_OC entry
  WeightPolicy policy;     // as in the export that follows
  dispatch::Budget budget;
  const dispatch::CancellationToken* cancellation = nullptr;
};

// Reads the weights of the layers that may be marked or listed, counts, and fills WeightPlan::sparse, bytes_after,
// reason and note. The same for every number of threads and instruction set. Precondition: `plan` belongs to `model`.
// Errors: those of reading weights, cancellation.
Status PlanSparsity(const Model& model, const SparsityOptions& options, dispatch::Plan* plan);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_PLAN_SPARSITY_H_
