#include "graph/ir/coded_elements.h"

namespace quantpress::graph {

const CodedElements* CodedElementsOf(const TensorSourcePtr& source) {
  const auto* coded = dynamic_cast<const CodedElements*>(source.get());
  return coded != nullptr && coded->CodeBits() > 0 ? coded : nullptr;
}

}  // namespace quantpress::graph
