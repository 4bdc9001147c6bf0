// The version of this library and of the MNN release whose format it writes.
#ifndef QUANTPRESS_GRAPH_VERSION_H_
#define QUANTPRESS_GRAPH_VERSION_H_

namespace quantpress::graph {

// "0.1.0"
const char* Version();

// Version string that converted models carry in Net.extraInfo.version: the MNN release whose schema we write.
inline constexpr char kMnnVersion[] = "3.6.1";

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_VERSION_H_
