#include "graph/export/payload_header.h"

namespace quantpress::graph {

void AppendNumber(uint64_t value, int bytes, std::vector<uint8_t>* out) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<uint8_t>(value >> (8 * i)));
}

void AppendDimensions(const dispatch::WeightPlan& plan, std::vector<uint8_t>* out) {
  const int width = dispatch::HasWideHeader(plan.groups, plan.group_size) ? 4 : 2;
  AppendNumber(2, 1, out);
  AppendNumber(plan.groups, width, out);
  AppendNumber(plan.group_size, width, out);
}

void AppendTable(int bits, std::vector<uint8_t>* out) {
  AppendNumber(uint64_t{1} << bits, 1, out);  // 256 is written as 0
  for (int code = kernels::CodeMin(bits); code <= kernels::CodeMax(bits); ++code) out->push_back(static_cast<uint8_t>(code));
}

}  // namespace quantpress::graph
