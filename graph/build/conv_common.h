// What convolutions and transposed convolutions say of their geometry.
#ifndef QUANTPRESS_GRAPH_BUILD_CONV_COMMON_H_
#define QUANTPRESS_GRAPH_BUILD_CONV_COMMON_H_

#include <cstdint>
#include <memory>

#include "graph/build/graph_builder.h"
#include "graph/schema/mnn_generated.h"

namespace quantpress::graph {

// Channels are those of the whole convolution, not of one of its groups.
std::unique_ptr<mnn::Convolution2DCommonT> ConvCommon(const Window2D& window, int64_t group, int64_t inputs, int64_t outputs);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_BUILD_CONV_COMMON_H_
