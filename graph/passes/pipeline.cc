#include "graph/passes/pipeline.h"

#include "graph/passes/passes.h"

namespace quantpress::graph {
namespace {

constexpr Pass kPasses[] = {
    {"remove-dead", RemoveDeadOps, "drops what no output needs"},
    {"remove-identities", RemoveIdentities, "drops copies"},
    {"fold-scale", FoldScaleIntoConv, "batch normalisation becomes part of the convolution: no pass over the data"},
    {"fuse-conv-bias", FuseConvBias, "an added channel constant becomes the bias: no pass over the data"},
    {"fuse-activation", FuseActivation, "ReLU and ReLU6 run inside the convolution: no pass over the data"},
    {"assign-layouts", AssignLayouts, "packs data once for a chain of convolutions instead of around each"},
    {"remove-dead", RemoveDeadOps, "drops what the fusions left behind"},
};

}  // namespace

std::span<const Pass> ImportPasses() { return kPasses; }

Status RunImportPasses(Model& model, const ImportOptions& options) {
  for (const Pass& pass : kPasses) {
    QP_RETURN_IF_ERROR(pass.run(model.main, options));
    for (Graph& graph : model.subgraphs) QP_RETURN_IF_ERROR(pass.run(graph, options));
  }
  return absl::OkStatus();
}

}  // namespace quantpress::graph
