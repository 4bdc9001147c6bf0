// What stands before the codes of a quantized payload.
#ifndef QUANTPRESS_GRAPH_IR_PAYLOAD_HEADER_H_
#define QUANTPRESS_GRAPH_IR_PAYLOAD_HEADER_H_

#include <cstdint>
#include <vector>

namespace quantpress::graph {

// Appends the lowest `bytes` bytes of `value`, the lowest first.
void AppendNumber(uint64_t value, int bytes, std::vector<uint8_t>* out);

// dispatch::DimensionBytes() bytes.
void AppendDimensions(uint64_t groups, uint64_t group_size, std::vector<uint8_t>* out);

// The number of codes and all codes: dispatch::TableBytes() bytes.
void AppendTable(int bits, std::vector<uint8_t>* out);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IR_PAYLOAD_HEADER_H_
