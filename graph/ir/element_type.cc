#include "graph/ir/element_type.h"

namespace quantpress::graph {

std::string_view ElementTypeName(ElementType t) {
  constexpr std::string_view kNames[] = {"unknown", "float32", "float16", "bfloat16", "float64", "int8",
                                         "uint8",   "int16",   "uint16",  "int32",    "uint32",  "int64",
                                         "uint64",  "bool",    "int4",    "uint4",    "string"};
  return kNames[static_cast<size_t>(t)];
}

}  // namespace quantpress::graph
