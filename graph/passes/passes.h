// The passes by name. What each may assume is said here; what it does, in its file.
#ifndef QUANTPRESS_GRAPH_PASSES_PASSES_H_
#define QUANTPRESS_GRAPH_PASSES_PASSES_H_

#include "dispatch/status.h"
#include "graph/convert.h"
#include "graph/ir/model.h"

namespace quantpress::graph {

// Every pass needs ops in execution order and leaves them so. None renames or removes a graph output.

Status RemoveIdentities(Graph& graph, const ImportOptions& options);   // Identity ops that carry no output name
Status FoldScaleIntoConv(Graph& graph, const ImportOptions& options);  // Conv -> Scale, one user
Status FuseConvBias(Graph& graph, const ImportOptions& options);       // Conv [-> Reshape] -> Add of a channel constant
Status FuseActivation(Graph& graph, const ImportOptions& options);     // Conv -> ReLU / ReLU6
Status MergeEqualOps(Graph& graph, const ImportOptions& options);      // ops that compute the same thing
Status MergeShapes(Graph& graph, const ImportOptions& options);        // shape arithmetic that gives the same sizes
Status ShareWeights(Graph& graph, const ImportOptions& options);       // before passes that change weights
Status FuseSwish(Graph& graph, const ImportOptions& options);          // leaves dead ops
Status FuseGelu(Graph& graph, const ImportOptions& options);           // leaves dead ops
Status FuseLayerNorm(Graph& graph, const ImportOptions& options);      // after MergeEqualOps; leaves dead ops
Status FuseAttention(Graph& graph, const ImportOptions& options);      // after MergeEqualOps; leaves dead ops
Status LowerForTarget(Graph& graph, const ImportOptions& options);     // after the fusions
Status MoveReshapes(Graph& graph, const ImportOptions& options);       // behind activations of products; after the fusions
Status AssignLayouts(Graph& graph, const ImportOptions& options);      // inserts ConvertTensor; run once, last
Status RemoveDeadOps(Graph& graph, const ImportOptions& options);      // ops and tensors that nobody needs

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_PASSES_PASSES_H_
