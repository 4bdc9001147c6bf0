#include "graph/passes/pipeline.h"

#include "graph/passes/passes.h"

namespace quantpress::graph {
namespace {

constexpr Pass kPasses[] = {
    {"remove-dead", RemoveDeadOps, "drops what no output needs"},
    {"remove-identities", RemoveIdentities, "drops copies"},
    {"merge-equal", MergeEqualOps, "one op instead of several that compute the same: nothing is computed or packed twice"},
    {"merge-shapes", MergeShapes, "shape arithmetic that gives the same sizes, once"},
    {"share-weights", ShareWeights, "a filter that many convolutions share is stored once"},
    {"fuse-swish", FuseSwish, "SiLU and HardSwish in one pass over the data instead of two to four"},
    {"fuse-gelu", FuseGelu, "GELU in one pass over the data instead of five to eight"},
    {"fuse-layer-norm", FuseLayerNorm, "layer normalisation in one pass over the data instead of seven"},
    {"fuse-attention", FuseAttention, "attention in one op, without the scores of all heads in memory; only if asked for"},
    {"lower-for-target", LowerForTarget, "functions that an old runtime does not know, in terms that it knows"},
    {"remove-dead", RemoveDeadOps, "drops what the fusions left behind, so that later passes see who uses what"},
    {"fold-scale", FoldScaleIntoConv, "batch normalisation becomes part of the convolution: no pass over the data"},
    {"fuse-conv-bias", FuseConvBias, "an added channel constant becomes the bias: no pass over the data"},
    {"fuse-activation", FuseActivation, "ReLU and ReLU6 run inside the convolution: no pass over the data"},
    {"move-reshapes", MoveReshapes, "activations work on the packed result of a matrix product, which the next one reads as it is"},
    {"merge-equal", MergeEqualOps, "reshapes that now start from the same tensor"},
    {"remove-dead", RemoveDeadOps, "drops reshapes that cancelled out"},
    {"assign-layouts", AssignLayouts, "packs data once for a chain of convolutions instead of around each"},
    {"remove-dead", RemoveDeadOps, "drops what the fusions left behind"},
};

size_t CountOps(const Model& model) {
  size_t count = model.main.ops.size();
  for (const Graph& graph : model.subgraphs) count += graph.ops.size();
  return count;
}

}  // namespace

std::span<const Pass> ImportPasses() { return kPasses; }

Status RunImportPasses(Model& model, const ImportOptions& options) {
  std::string counts = fmt::format("operators after each pass: {} at first", CountOps(model));
  for (const Pass& pass : kPasses) {
    QP_RETURN_IF_ERROR(pass.run(model.main, options));
    for (Graph& graph : model.subgraphs) QP_RETURN_IF_ERROR(pass.run(graph, options));
    if (options.dump_passes) counts += fmt::format(", {} {}", pass.name, CountOps(model));
  }
  if (options.dump_passes) model.notes.push_back(std::move(counts));
  return absl::OkStatus();
}

}  // namespace quantpress::graph
