// Parameter tables in an op's union.
#ifndef QUANTPRESS_GRAPH_BUILD_PARAMS_H_
#define QUANTPRESS_GRAPH_BUILD_PARAMS_H_

#include <utility>

#include "graph/schema/mnn_generated.h"

namespace quantpress::graph {

// Param(mnn::ReluT{...}) -> the union that holds it.
template <typename Table>
mnn::OpParameterUnion Param(Table table) {
  mnn::OpParameterUnion main;
  main.Set(std::move(table));
  return main;
}

// The table of a union; precondition: it holds that type (see mnn::OpParameterUnion::type).
template <typename Table>
Table* TableOf(mnn::OpParameterUnion& main) {
  return static_cast<Table*>(main.value);
}
template <typename Table>
const Table* TableOf(const mnn::OpParameterUnion& main) {
  return static_cast<const Table*>(main.value);
}

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_BUILD_PARAMS_H_
