#include "graph/plan_io/saved_plan.h"

#include "graph/import/mnn/coded_weight.h"
#include "graph/plan_source_codes.h"
#include "graph/weights.h"

namespace quantpress::graph {
namespace {

using dispatch::Storage;
using dispatch::WeightPlan;

Status BelongsElsewhere(const WeightPlan& saved, std::string_view what) {
  return InvalidInput("plan, layer '{}': {}; the plan belongs to another model or was made with other options", FullName(saved), what);
}

std::string_view NameOf(Storage storage) {
  switch (storage) {
    case Storage::kFloat32: return "float32";
    case Storage::kHalf: return "half";
    case Storage::kQuantized: return "quantized";
    case Storage::kAsIs: return "as is";
    case Storage::kInt8: return "int8";
  }
  return "?";
}

bool IsPossible(WeightForm form, Storage storage) {
  switch (form) {
    case WeightForm::kFloat: return storage != Storage::kAsIs;
    case WeightForm::kHalf:
    case WeightForm::kCoded: return true;
    case WeightForm::kInt8Model: return storage == Storage::kAsIs;
    case WeightForm::kFullyConnected: return storage == Storage::kFloat32;
    case WeightForm::kConstant: return storage == Storage::kFloat32 || storage == Storage::kHalf;
  }
  return false;
}

// As the planner sees it; without rows where the weight stays coded and its coding does not tell.
StatusOr<dispatch::WeightGeometry> GeometryOfView(const Op& op, const WeightView& view, Storage storage) {
  dispatch::WeightGeometry geometry;
  geometry.op_type = mnn::EnumNameOpType(op.type);
  if (view.form == WeightForm::kInt8Model) return GeometryOfInt8(op, view.elements);
  if (view.form != WeightForm::kCoded) return GeometryOf(op, view.elements);
  const StatusOr<CodedWeight> coded = ParseCodedWeight(op);
  if (storage != Storage::kAsIs) {
    QP_RETURN_IF_ERROR(coded.status());
    return GeometryOf(op, coded->elements);
  }
  if (coded.ok()) {
    if (const auto exact = GeometryOf(op, coded->elements); exact.ok()) geometry = *exact;
  }
  return geometry;
}

StatusOr<WeightPlan> Rebuild(const Op& op, const WeightView& view, const WeightPlan& saved) {
  if (!IsPossible(view.form, saved.storage)) {
    return InvalidInput("plan, layer '{}': its weights cannot be stored as \"{}\"", FullName(saved), NameOf(saved.storage));
  }
  QP_ASSIGN_OR_RETURN(const dispatch::WeightGeometry geometry, GeometryOfView(op, view, saved.storage));
  if (geometry.op_type != saved.geometry.op_type) {
    return BelongsElsewhere(saved, fmt::format("it is a {} in the model and a {} in the plan", geometry.op_type, saved.geometry.op_type));
  }
  if (geometry.rows != saved.geometry.rows || geometry.input_channels != saved.geometry.input_channels ||
      geometry.kernel_size != saved.geometry.kernel_size) {
    return BelongsElsewhere(saved, fmt::format("{} x {} x {} weights in the model, {} x {} x {} in the plan", geometry.rows,
                                               geometry.input_channels, geometry.kernel_size, saved.geometry.rows,
                                               saved.geometry.input_channels, saved.geometry.kernel_size));
  }
  if (saved.storage == Storage::kInt8 && !MayComputeWithInt8(op)) {
    return InvalidInput("plan, layer '{}': a {} cannot compute with int8", FullName(saved), geometry.op_type);
  }
  if (dispatch::IsCoded(saved.storage) && IsGroupedConvolution(op)) {
    return InvalidInput("plan, layer '{}': the weights of a grouped convolution cannot be quantized", FullName(saved));
  }
  WeightPlan plan;
  if (saved.source_codes) {
    std::optional<WeightPlan> kept = PlanCodesOfSource(op, view, geometry);
    if (!kept) return BelongsElsewhere(saved, "the source has no codes that could be kept");
    if (kept->coding.bits != saved.coding.bits || kept->block != saved.block) {
      return BelongsElsewhere(saved, fmt::format("the source has codes of {} bits in blocks of {}, not {} bits in blocks of {}",
                                                 kept->coding.bits, kept->block, saved.coding.bits, saved.block));
    }
    plan = *std::move(kept);
    plan.reason = saved.reason;
  } else if (saved.storage == Storage::kInt8) {
    QP_ASSIGN_OR_RETURN(plan, dispatch::PlanInt8(op.name, geometry, saved.int8));
    plan.reason = saved.reason;
  } else if (saved.storage == Storage::kAsIs) {
    plan.layer = op.name;
    plan.geometry = geometry;
    plan.storage = Storage::kAsIs;
    plan.reason = saved.reason;
    plan.bytes_after = view.stored_bytes;
  } else {
    dispatch::WeightRequest request;
    request.bits = saved.storage == Storage::kQuantized ? saved.coding.bits : 0;
    request.fp16 = saved.storage == Storage::kHalf;
    request.asymmetric = dispatch::IsAsymmetric(saved.coding.method);
    request.hqq = saved.coding.method == dispatch::QuantMethod::kHqq;
    request.block = saved.block > 0 ? static_cast<int64_t>(saved.block) : -1;
    request.scale_bits = saved.coding.half_scales ? 16 : 32;
    QP_ASSIGN_OR_RETURN(plan, dispatch::PlanWeight(op.name, geometry, request, dispatch::BlockPolicy::kError, saved.reason));
  }
  if (saved.sparse.block > 0 || saved.sparse.listed) {
    const bool possible = (saved.storage == Storage::kFloat32 || (saved.storage == Storage::kQuantized && !saved.source_codes)) &&
                          view.form != WeightForm::kConstant && view.form != WeightForm::kFullyConnected;
    const bool marks = op.type == mnn::OpType::Convolution || op.type == mnn::OpType::ConvolutionDepthwise;
    const bool only_lists = saved.sparse.block == 0 && saved.storage == Storage::kFloat32;
    if (!possible || (saved.sparse.block > 0 && !marks) || only_lists) {
      return InvalidInput("plan, layer '{}': its weights cannot be stored as sparse ones", FullName(saved));
    }
    plan.sparse = saved.sparse;
  }
  plan.subgraph = saved.subgraph;
  plan.note = saved.note;
  plan.bytes_before = view.stored_bytes;
  return plan;
}

Status RebuildGraph(const Graph& graph, const dispatch::Plan& saved, dispatch::Plan* plan) {
  for (const Op& op : graph.ops) {
    const std::optional<WeightView> view = ViewWeight(op);
    if (!view) continue;
    const size_t next = plan->weights.size();
    if (next >= saved.weights.size() || saved.weights[next].layer != op.name || saved.weights[next].subgraph != graph.name) {
      const std::string found = next < saved.weights.size() ? fmt::format("'{}'", FullName(saved.weights[next])) : "the end";
      return InvalidInput("plan: {} found where the model has layer '{}{}{}'; the plan belongs to another model or was made with other "
                          "options", found, graph.name, graph.name.empty() ? "" : "/", op.name);
    }
    QP_ASSIGN_OR_RETURN(WeightPlan weight, Rebuild(op, *view, saved.weights[next]));
    plan->weights.push_back(std::move(weight));
  }
  return {};
}

}  // namespace

StatusOr<dispatch::Plan> RebuildPlan(const Model& model, const dispatch::Plan& saved) {
  dispatch::Plan plan;
  QP_RETURN_IF_ERROR(RebuildGraph(model.main, saved, &plan));
  for (const Graph& graph : model.subgraphs) QP_RETURN_IF_ERROR(RebuildGraph(graph, saved, &plan));
  if (plan.weights.size() < saved.weights.size()) {
    return BelongsElsewhere(saved.weights[plan.weights.size()], "the model has no such layer");
  }
  return plan;
}

}  // namespace quantpress::graph
