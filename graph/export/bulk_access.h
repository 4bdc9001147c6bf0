// Where a bulk vector belongs: in the object tables that are packed, and in the packed buffer.
#ifndef QUANTPRESS_GRAPH_EXPORT_BULK_ACCESS_H_
#define QUANTPRESS_GRAPH_EXPORT_BULK_ACCESS_H_

#include <cstdint>
#include <vector>

#include "graph/export/lower.h"

namespace quantpress::graph {

// The convolution that holds the vector (for FusedLinear: the member); null for other parameter tables.
mnn::Convolution2DT* ConvolutionOf(mnn::OpParameterUnion* main, uint32_t member);

// Puts one element into the vector's field (or clears it). False if the parameter table has no such field.
bool SetPlaceholder(mnn::OpParameterUnion* main, const BulkVector& vector, bool present);

// Address of the offset that refers to the vector, inside a packed buffer; null if it is not there.
uint8_t* OffsetAddress(const mnn::Op& op, const BulkVector& vector);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_BULK_ACCESS_H_
