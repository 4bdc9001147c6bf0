// Block-quantized convolutions of MNN models as one convolution per block (--splitBlockQuant), for devices that know one scale per channel.
#ifndef QUANTPRESS_GRAPH_IMPORT_MNN_SPLIT_BLOCKS_H_
#define QUANTPRESS_GRAPH_IMPORT_MNN_SPLIT_BLOCKS_H_

#include "graph/ir/model.h"

namespace quantpress::graph {

// Every 1x1 convolution with more than one scale per output channel becomes: a Slice of its channels, one convolution per block with one
// scale per output channel, sums, and its activation behind the last of them. Codes and scales stay the same; they are copied to the heap. The
// bias goes to the first of the convolutions. Adds a note that says how many there were, and names the first that cannot be split (group
// convolutions, other kernels, sparse codes). Errors: weights that contradict themselves.
Status SplitBlocks(Model* model);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IMPORT_MNN_SPLIT_BLOCKS_H_
