// A bound on the memory that reading a file into objects takes.
#ifndef QUANTPRESS_GRAPH_IMPORT_MNN_UNPACKED_SIZE_H_
#define QUANTPRESS_GRAPH_IMPORT_MNN_UNPACKED_SIZE_H_

#include "graph/ir/bytes.h"

namespace quantpress::graph {

// Tables, vectors and strings of a FlatBuffer may be shared, so a small file can describe a huge tree. Counts what a reader that copies
// everything would allocate, in constant time per table and string. Error: much more than the file has (8 times its size and 16 MB).
// Precondition: the file is verified.
Status CheckUnpackedSize(const Bytes& file);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IMPORT_MNN_UNPACKED_SIZE_H_
