#include "graph/export/source_codes.h"

#include <cstring>

#include "graph/ir/coded_elements.h"
#include "kernels/pack.h"

namespace quantpress::graph {

Status PackSourceCodes(const TensorSourcePtr& source, const dispatch::WeightPlan& plan, uint64_t first, uint64_t groups,
                       std::span<float> codes, std::span<std::byte> indexes, std::span<uint8_t> packed,
                       std::span<std::byte> alpha) {
  const CodedElements* coded = CodedElementsOf(source);
  const int bits = plan.coding.bits;
  if (coded == nullptr || coded->CodeBits() != bits) {
    return InvalidInput("layer '{}' has no {}-bit codes in the source, but its plan keeps them: it belongs to another model",
                        plan.layer, bits);
  }
  const uint64_t begin = first * plan.group_size;
  // Codes are small integers: exact as floats, whose reader is the fast one.
  coded->Codes()->ReadFloats(begin, codes);
  const float offset = static_cast<float>(-coded->Center() - kernels::CodeMin(bits));
  auto* const index = reinterpret_cast<uint8_t*>(indexes.data());
  for (size_t i = 0; i < codes.size(); ++i) index[i] = static_cast<uint8_t>(static_cast<int>(codes[i] + offset));
  kernels::PackIndexes(bits, index, codes.size(), packed.data());
  for (uint64_t group = 0; group < groups; ++group) {
    const float scale = coded->ScaleOf(begin + group * plan.group_size);
    std::memcpy(alpha.data() + group * sizeof(float), &scale, sizeof(scale));
  }
  return {};
}

}  // namespace quantpress::graph
