#include "dispatch/plan.h"

#include <algorithm>

#include "dispatch/plan_limits.h"

namespace quantpress::dispatch {
namespace {

// The smallest block, and the step of block sizes, that the runtime's low-memory kernels accept.
constexpr uint64_t kBlockUnit = 16;

// The largest fitting block of at most `limit` channels; 0 if there is none.
uint64_t LargestFitting(uint64_t limit, uint64_t input_channels) {
  for (uint64_t block = std::min(limit, input_channels) / kBlockUnit * kBlockUnit; block > 0; block -= kBlockUnit) {
    if (BlockFits(block, input_channels)) return block;
  }
  return 0;
}

std::string FittingSizes(uint64_t input_channels) {
  std::string list;
  for (uint64_t block = kBlockUnit; block <= input_channels && list.size() < 80; block += kBlockUnit) {
    if (BlockFits(block, input_channels)) list += fmt::format("{}{}", list.empty() ? "" : ", ", block);
  }
  return list.empty() ? "only one group per output channel fits" : fmt::format("sizes that fit: {}", list);
}

std::string WhyNot(uint64_t block, uint64_t input_channels) {
  if (block % kBlockUnit != 0) return fmt::format("block {} is not a multiple of {}", block, kBlockUnit);
  return fmt::format("block {} does not divide {} input channels", block, input_channels);
}

Status ChooseBlock(BlockPolicy policy, WeightPlan* plan) {
  if (plan->request.block <= 0) return {};
  const auto asked = static_cast<uint64_t>(plan->request.block);
  const uint64_t channels = plan->geometry.input_channels;
  if (BlockFits(asked, channels)) {
    plan->block = asked;
    return {};
  }
  const std::string why = WhyNot(asked, channels);
  if (policy == BlockPolicy::kError) {
    return InvalidInput("layer '{}': {}; {}. Choose another block size, or --blockPolicy channel or adjust", plan->layer, why,
                        FittingSizes(channels));
  }
  if (policy == BlockPolicy::kAdjust) plan->block = LargestFitting(asked, channels);
  plan->note = plan->block > 0 ? fmt::format("{}: block {} instead", why, plan->block)
                               : fmt::format("{}: one group per output channel instead", why);
  return {};
}

// Groups and bytes of a quantized weight, from its coding and block.
void SetSizes(WeightPlan* plan) {
  const WeightGeometry& geometry = plan->geometry;
  plan->group_size = (plan->block > 0 ? plan->block : geometry.input_channels) * geometry.kernel_size;
  plan->groups = plan->group_size == 0 ? 0 : geometry.elements() / plan->group_size;
  plan->bytes_after = DenseBytes(plan->groups, plan->group_size, plan->coding.bits) +
                      AlphaCount(plan->coding.method, plan->groups) * (plan->coding.half_scales ? 2 : 4);
}

}  // namespace

std::string FullName(const std::string& subgraph, const std::string& layer) {
  return subgraph.empty() ? layer : fmt::format("{}/{}", subgraph, layer);
}

bool BlockFits(uint64_t block, uint64_t input_channels) {
  return block > 0 && block % kBlockUnit == 0 && input_channels % block == 0;
}

uint64_t PieceRows(const WeightGeometry& geometry, uint64_t block) {
  constexpr uint64_t kPieceElements = 256 * 1024;
  const uint64_t unit = block > geometry.rows ? 1 : std::max<uint64_t>(1, block);  // rows of no whole block are counted alone
  return std::max<uint64_t>(1, kPieceElements / std::max<uint64_t>(1, geometry.row_length() * unit)) * unit;
}

Status CheckFormatLimits(const WeightPlan& plan) {
  if (plan.groups <= UINT32_MAX && plan.group_size <= UINT32_MAX) return {};
  return Unsupported("layer '{}': {} groups of {} weights are beyond what the format can hold", plan.layer, plan.groups,
                     plan.group_size);
}

StatusOr<WeightPlan> PlanWeight(std::string layer, const WeightGeometry& geometry, const WeightRequest& request,
                                BlockPolicy policy, std::string reason) {
  WeightPlan plan;
  plan.layer = std::move(layer);
  plan.geometry = geometry;
  plan.request = request;
  plan.reason = std::move(reason);
  if (request.bits != 0 && (request.bits < kernels::kMinBits || request.bits > kernels::kMaxBits)) {
    return InvalidInput("layer '{}': {} bits asked for; possible are 0 (leave float) and {} to {}", plan.layer, request.bits,
                        kernels::kMinBits, kernels::kMaxBits);
  }
  if (request.scale_bits != 16 && request.scale_bits != 32) {
    return InvalidInput("layer '{}': {}-bit scales asked for; possible are 16 and 32", plan.layer, request.scale_bits);
  }
  const uint64_t elements = geometry.elements();
  plan.bytes_before = elements * sizeof(float);
  if (request.bits == 0) {
    plan.storage = request.fp16 ? Storage::kHalf : Storage::kFloat32;
    plan.bytes_after = elements * (request.fp16 ? 2 : 4);
    return plan;
  }
  plan.storage = Storage::kQuantized;
  plan.coding.bits = request.bits;
  plan.coding.half_scales = request.scale_bits == 16;
  plan.coding.method = request.hqq          ? QuantMethod::kHqq
                       : request.asymmetric ? QuantMethod::kAsymmetric
                                            : QuantMethod::kSymmetric;
  QP_RETURN_IF_ERROR(ChooseBlock(policy, &plan));
  SetSizes(&plan);
  QP_RETURN_IF_ERROR(CheckFormatLimits(plan));
  return plan;
}

WeightPlan PlanSourceCodes(std::string layer, const WeightGeometry& geometry, int bits, uint64_t block) {
  WeightPlan plan;
  plan.layer = std::move(layer);
  plan.geometry = geometry;
  plan.storage = Storage::kQuantized;
  plan.source_codes = true;
  plan.coding = {QuantMethod::kSymmetric, bits, false};
  plan.block = block;
  SetSizes(&plan);
  return plan;
}

StatusOr<WeightPlan> PlanInt8(std::string layer, const WeightGeometry& geometry, std::shared_ptr<const Int8Layer> int8) {
  if (int8->scales.size() != geometry.rows) {
    return InvalidInput("layer '{}': {} scales for its weights; it has {} output channels, and each needs one", layer,
                        int8->scales.size(), geometry.rows);
  }
  WeightPlan plan;
  plan.layer = std::move(layer);
  plan.geometry = geometry;
  plan.storage = Storage::kInt8;
  plan.coding = {QuantMethod::kSymmetric, 8, false};
  plan.int8 = std::move(int8);
  plan.bytes_before = geometry.elements() * sizeof(float);
  SetSizes(&plan);
  QP_RETURN_IF_ERROR(CheckFormatLimits(plan));
  return plan;
}

}  // namespace quantpress::dispatch
