#include "graph/ir/coded_elements.h"

#include <algorithm>

namespace quantpress::graph {

bool CodedElements::GroupsShareScale(uint64_t group_size) const {
  const uint64_t count = Codes()->count();
  for (uint64_t at = 0; at < count;) {
    const uint64_t end = at + group_size;
    const float scale = ScaleOf(at);
    while (at < end) {
      if (ScaleOf(at) != scale) return false;
      at += std::min(ScaleRun(at), end - at);
    }
  }
  return true;
}

const CodedElements* CodedElementsOf(const TensorSourcePtr& source) {
  const auto* coded = dynamic_cast<const CodedElements*>(source.get());
  return coded != nullptr && coded->CodeBits() > 0 ? coded : nullptr;
}

}  // namespace quantpress::graph
