// Writing to a descriptor that may take less than it is given.
#ifndef QUANTPRESS_GRAPH_EXPORT_WRITE_ALL_H_
#define QUANTPRESS_GRAPH_EXPORT_WRITE_ALL_H_

#include <string_view>

namespace quantpress::graph {

// Everything, from where the descriptor stands. 0, or the errno value of what failed.
int WriteAll(int descriptor, std::string_view text);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_WRITE_ALL_H_
