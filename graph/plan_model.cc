// What happens to every weight tensor of a model.
#include <set>

#include "graph/convert.h"
#include "graph/import/mnn/coded_weight.h"
#include "graph/int8_tensors.h"
#include "graph/plan_io/saved_plan.h"
#include "graph/plan_source_codes.h"
#include "graph/recipe/recipe.h"
#include "graph/rules/layer_requests.h"
#include "graph/weights.h"

namespace quantpress::graph {
namespace {

using dispatch::Storage;
using dispatch::WeightPlan;
using dispatch::WeightRequest;

constexpr char kCommandLine[] = "command line";
constexpr char kNothingAsked[] = "no quantization asked";

// Stored as it is in the source: `bytes` before and after.
WeightPlan Kept(const Op& op, const dispatch::WeightGeometry& geometry, const QuantizeOptions& options, uint64_t bytes,
                std::string reason) {
  WeightPlan plan;
  plan.layer = op.name;
  plan.geometry = geometry;
  plan.request = options.request;
  plan.storage = Storage::kAsIs;
  plan.reason = std::move(reason);
  plan.bytes_before = plan.bytes_after = bytes;
  return plan;
}

bool AsksForChange(const WeightRequest& request) { return request.bits > 0 || request.fp16; }

// Float storage, or half where asked, of weights that cannot be quantized; a note where quantization was asked for.
StatusOr<WeightPlan> NotQuantized(const Op& op, const dispatch::WeightGeometry& geometry, const QuantizeOptions& options,
                                  const std::string& why, bool is_layer) {
  WeightRequest request = options.request;
  request.bits = 0;
  QP_ASSIGN_OR_RETURN(WeightPlan plan,
                      dispatch::PlanWeight(op.name, geometry, request, options.block_policy,
                                           request.fp16 ? "--fp16" : why));
  plan.request = options.request;
  if (is_layer && options.request.bits > 0) plan.note = fmt::format("not quantized: {}", why);
  return plan;
}

StatusOr<WeightPlan> PlanFloats(const Op& op, const WeightView& view, uint64_t elements, const QuantizeOptions& options) {
  QP_ASSIGN_OR_RETURN(const dispatch::WeightGeometry geometry, GeometryOf(op, elements));
  if (!options.requantize) {
    if (auto kept = PlanCodesOfSource(op, view, geometry)) {
      kept->request = options.request;
      if (AsksForChange(options.request)) {
        kept->note = "already quantized: codes kept; --requantize decodes it and quantizes it again";
      }
      return *std::move(kept);
    }
  }
  if (options.request.bits > 0 && IsGroupedConvolution(op)) {
    return NotQuantized(op, geometry, options,
                        "the runtime computes grouped convolutions wrongly from quantized weights in low-memory mode", true);
  }
  if (view.form == WeightForm::kHalf && options.request.bits == 0) {
    return Kept(op, geometry, options, view.stored_bytes, "half in the source");
  }
  return dispatch::PlanWeight(op.name, geometry, options.request, options.block_policy,
                              AsksForChange(options.request) ? kCommandLine : kNothingAsked);
}

constexpr char kInGroups[] = "the runtime computes grouped convolutions wrongly with int8";

// A layer that computes with int8, of weights that can be read.
StatusOr<WeightPlan> PlanWithInt8(const Op& op, const Int8Request& request, uint64_t elements, const QuantizeOptions& options) {
  QP_ASSIGN_OR_RETURN(const dispatch::WeightGeometry geometry, GeometryOf(op, elements));
  if (IsGroupedConvolution(op)) {
    QP_ASSIGN_OR_RETURN(WeightPlan plan, NotQuantized(op, geometry, options, kInGroups, true));
    plan.note = fmt::format("not quantized: {}", kInGroups);
    return plan;
  }
  std::shared_ptr<const dispatch::Int8Layer> layer = request.layer;
  const size_t scales = layer->scales.size();
  if (scales == 1 && geometry.rows != 1) {
    auto spread = std::make_shared<dispatch::Int8Layer>(*layer);
    spread->scales.assign(geometry.rows, layer->scales.front());
    layer = std::move(spread);
  } else if (scales != geometry.rows) {
    return InvalidInput("{}.weight[0].scales: {} found; layer '{}' has {} output channels, so that it needs {} or 1", request.where, scales,
                        op.name, geometry.rows, geometry.rows);
  }
  QP_ASSIGN_OR_RETURN(WeightPlan plan, dispatch::PlanInt8(op.name, geometry, std::move(layer)));
  plan.request = options.request;
  plan.reason = kCommandLine;
  return plan;
}

StatusOr<WeightPlan> PlanCoded(const Op& op, const WeightView& view, const QuantizeOptions& options, const Int8Request* int8) {
  dispatch::WeightGeometry geometry;
  geometry.op_type = mnn::EnumNameOpType(op.type);
  const StatusOr<CodedWeight> coded = ParseCodedWeight(op);
  if (coded.ok()) {
    if (const auto exact = GeometryOf(op, coded->elements); exact.ok()) geometry = *exact;
  }
  const bool change = AsksForChange(options.request) || int8 != nullptr;
  if (options.requantize && change) {
    QP_RETURN_IF_ERROR(coded.status());
    if (int8 != nullptr) return PlanWithInt8(op, *int8, coded->elements, options);
    QP_ASSIGN_OR_RETURN(WeightPlan plan, PlanFloats(op, view, coded->elements, options));
    if (plan.reason == kCommandLine) plan.reason = "--requantize";
    return plan;
  }
  WeightPlan plan = Kept(op, geometry, options, view.stored_bytes, "already quantized");
  if (change) plan.note = "already quantized: left as it is; --requantize decodes it and quantizes it again";
  return plan;
}

StatusOr<WeightPlan> PlanOp(const Op& op, const WeightView& view, const QuantizeOptions& options, const Int8Request* int8) {
  switch (view.form) {
    case WeightForm::kFloat:
    case WeightForm::kHalf:
      return int8 != nullptr ? PlanWithInt8(op, *int8, view.elements, options) : PlanFloats(op, view, view.elements, options);
    case WeightForm::kCoded: return PlanCoded(op, view, options, int8);
    case WeightForm::kInt8Model: {
      const dispatch::WeightGeometry geometry = GeometryOfInt8(op, view.elements);
      WeightPlan plan = Kept(op, geometry, options, view.stored_bytes, "computes with int8 activations");
      if (AsksForChange(options.request) || int8 != nullptr) plan.note = "left as it is: the layer computes with int8 activations";
      return plan;
    }
    case WeightForm::kFullyConnected: {
      QP_ASSIGN_OR_RETURN(const dispatch::WeightGeometry geometry, GeometryOf(op, view.elements));
      QuantizeOptions float_only = options;
      float_only.request.fp16 = false;
      return NotQuantized(op, geometry, float_only, "the runtime reads only float weights of InnerProduct", true);
    }
    case WeightForm::kConstant: {
      QP_ASSIGN_OR_RETURN(const dispatch::WeightGeometry geometry, GeometryOf(op, view.elements));
      return NotQuantized(op, geometry, options, "constant", false);
    }
  }
  return InvalidInput("layer '{}': unknown weight form", op.name);
}

// A reason that says no more than that the options ask for it.
bool IsPlainReason(std::string_view reason) { return reason == kCommandLine || reason == kNothingAsked || reason == "--fp16"; }

// `options` for one layer at a time.
Status PlanGraph(const Graph& graph, QuantizeOptions options, LayerRequests* requests, dispatch::Plan* plan) {
  for (const Op& op : graph.ops) {
    const std::optional<WeightView> view = ViewWeight(op);
    LayerRequests::Answer answer = requests->For(graph, op, view.has_value());
    if (!view.has_value()) continue;
    options.request = answer.request;
    QP_ASSIGN_OR_RETURN(WeightPlan weight, PlanOp(op, *view, options, answer.int8));
    if (!answer.asked_by.empty() && IsPlainReason(weight.reason)) weight.reason = std::move(answer.asked_by);
    if (weight.note.empty()) weight.note = std::move(answer.note);
    weight.subgraph = graph.name;
    weight.bytes_before = view->stored_bytes;
    plan->weights.push_back(std::move(weight));
  }
  return {};
}

// The runtime ends at half weights of a layer between two that compute with int8: such weights stay float32. `next` is the entry of the
// graph's first weight, and becomes that of the next graph.
void KeepFloatBetweenInt8(const Graph& graph, dispatch::Plan* plan, size_t* next) {
  std::set<int> described = DescribedTensors(graph);
  std::vector<std::pair<const Op*, WeightPlan*>> halves;
  for (const Op& op : graph.ops) {
    if (!ViewWeight(op)) continue;
    WeightPlan& weight = plan->weights[(*next)++];
    if (weight.storage == Storage::kInt8) described.insert({op.inputs.front(), op.outputs.front()});
    const bool is_half = weight.storage == Storage::kHalf || (weight.storage == Storage::kAsIs && ViewWeight(op)->form == WeightForm::kHalf);
    if (is_half && MayComputeWithInt8(op)) halves.emplace_back(&op, &weight);
  }
  for (const auto& [op, weight] : halves) {
    if (!IsBetweenInt8(described, *op)) continue;
    weight->storage = Storage::kFloat32;
    weight->bytes_after = weight->geometry.elements() * sizeof(float);
    weight->note = "float32 instead of half: the runtime ends at half weights between layers that compute with int8";
  }
}

}  // namespace

StatusOr<dispatch::Plan> PlanModel(const Model& model, const QuantizeOptions& options, std::vector<std::string>* notes) {
  if (options.plan != nullptr) return RebuildPlan(model, *options.plan);
  QuantizeOptions known = options;
  if (known.recipe == nullptr) {
    QP_ASSIGN_OR_RETURN(known.recipe, ReadRecipeIfThere(options.recipe_path));
  }
  LayerRequests requests(known);
  dispatch::Plan plan;
  QP_RETURN_IF_ERROR(PlanGraph(model.main, known, &requests, &plan));
  for (const Graph& graph : model.subgraphs) QP_RETURN_IF_ERROR(PlanGraph(graph, known, &requests, &plan));
  size_t next = 0;
  KeepFloatBetweenInt8(model.main, &plan, &next);
  for (const Graph& graph : model.subgraphs) KeepFloatBetweenInt8(graph, &plan, &next);
  QP_ASSIGN_OR_RETURN(std::vector<std::string> complaints, requests.Finish());
  if (notes != nullptr) notes->insert(notes->end(), complaints.begin(), complaints.end());
  return plan;
}

}  // namespace quantpress::graph
