// Vectors of the output that hold the same bytes, for files that are to be small (optimize_prefer 1).
#ifndef QUANTPRESS_GRAPH_EXPORT_SHARE_EQUAL_H_
#define QUANTPRESS_GRAPH_EXPORT_SHARE_EQUAL_H_

#include "graph/export/lower.h"

namespace quantpress::graph {

// Sets BulkVector::same_as where an earlier vector is going to hold the same bytes: weights with equal elements and
// equal settings, equal constants, equal biases. The layout decides which of them get one place. Reads the elements of
// vectors that have as many bytes as another.
void FindEqualVectors(const dispatch::Plan& plan, Lowered* lowered);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_SHARE_EQUAL_H_
