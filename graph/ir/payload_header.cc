#include "graph/ir/payload_header.h"

#include "dispatch/plan.h"

namespace quantpress::graph {

void AppendNumber(uint64_t value, int bytes, std::vector<uint8_t>* out) {
  for (int i = 0; i < bytes; ++i) out->push_back(static_cast<uint8_t>(value >> (8 * i)));
}

void AppendDimensions(uint64_t groups, uint64_t group_size, std::vector<uint8_t>* out) {
  const int width = dispatch::HasWideHeader(groups, group_size) ? 4 : 2;
  AppendNumber(2, 1, out);
  AppendNumber(groups, width, out);
  AppendNumber(group_size, width, out);
}

void AppendTable(int bits, std::vector<uint8_t>* out) {
  AppendNumber(uint64_t{1} << bits, 1, out);  // 256 is written as 0
  for (int code = kernels::CodeMin(bits); code <= kernels::CodeMax(bits); ++code) out->push_back(static_cast<uint8_t>(code));
}

}  // namespace quantpress::graph
