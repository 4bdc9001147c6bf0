#include "graph/plan_source_codes.h"

#include "dispatch/plan_limits.h"
#include "graph/ir/coded_elements.h"

namespace quantpress::graph {
namespace {

// The largest block whose weights share one scale each, 0 for one scale per row; nothing if even the smallest block has several.
std::optional<uint64_t> BlockOfScales(const CodedElements& coded, const dispatch::WeightGeometry& geometry) {
  if (geometry.elements() == 0) return std::nullopt;
  if (coded.GroupsShareScale(geometry.row_length())) return 0;
  const uint64_t channels = geometry.input_channels;
  for (uint64_t parts = 2; parts <= channels; ++parts) {
    if (channels % parts != 0 || !dispatch::BlockFits(channels / parts, channels)) continue;
    if (coded.GroupsShareScale(channels / parts * geometry.kernel_size)) return channels / parts;
  }
  return std::nullopt;
}

}  // namespace

std::optional<dispatch::WeightPlan> PlanCodesOfSource(const Op& op, const WeightView& view,
                                                      const dispatch::WeightGeometry& geometry) {
  const CodedElements* coded = CodedElementsOf(view.source);
  if (coded == nullptr || IsGroupedConvolution(op)) return std::nullopt;
  const std::optional<uint64_t> block = BlockOfScales(*coded, geometry);
  if (!block) return std::nullopt;
  dispatch::WeightPlan plan = dispatch::PlanSourceCodes(op.name, geometry, coded->CodeBits(), *block);
  if (!dispatch::CheckFormatLimits(plan).ok()) return std::nullopt;  // the coding cannot hold so many scales
  plan.reason = "codes and scales of the source";
  return plan;
}

}  // namespace quantpress::graph
