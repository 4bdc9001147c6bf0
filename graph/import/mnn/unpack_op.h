// From an op in the file to an op of the IR.
#ifndef QUANTPRESS_GRAPH_IMPORT_MNN_UNPACK_OP_H_
#define QUANTPRESS_GRAPH_IMPORT_MNN_UNPACK_OP_H_

#include "graph/import/mnn/external_file.h"
#include "graph/ir/model.h"

namespace quantpress::graph {

// Reads one op: parameter tables become objects, big vectors become views into `file` or `external`. `position` is for messages.
// Precondition: the file is verified. Errors: op types or parameter tables that the schema does not know, vectors that
// contradict each other, external ranges out of bounds.
StatusOr<Op> UnpackOp(const mnn::Op& in, size_t position, const Bytes& file, ExternalFile* external);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IMPORT_MNN_UNPACK_OP_H_
