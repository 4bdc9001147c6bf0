// Layers that compute with int8, in the file of a plan.
#ifndef QUANTPRESS_GRAPH_PLAN_IO_INT8_JSON_H_
#define QUANTPRESS_GRAPH_PLAN_IO_INT8_JSON_H_

#include <nlohmann/json.hpp>
#include <string>

#include "dispatch/int8_layer.h"
#include "graph/json/json_tree.h"

namespace quantpress::graph {

nlohmann::ordered_json Int8Json(const dispatch::Int8Layer& layer);

// `path` is how messages call the object. The first error of the file stays in `status`.
dispatch::Int8Layer ReadInt8(const json::Node& node, const std::string& file, const std::string& path, Status* status);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_PLAN_IO_INT8_JSON_H_
