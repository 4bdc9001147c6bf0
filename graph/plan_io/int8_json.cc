#include "graph/plan_io/int8_json.h"

#include <cfloat>

#include "graph/json/object_reader.h"

namespace quantpress::graph {
namespace {

using dispatch::Activation;
using dispatch::Int8Layer;
using json::Node;
using json::ObjectReader;
using Json = nlohmann::ordered_json;

constexpr std::string_view kMethods[] = {"default", "overflow aware", "winograd aware"};
constexpr double kSmallest = FLT_TRUE_MIN;

Json ActivationJson(const Activation& activation) {
  return {{"scale", activation.scale},
          {"bits", activation.bits},
          {"zero_point", activation.zero_point},
          {"clamp_min", activation.clamp_min},
          {"clamp_max", activation.clamp_max}};
}

// Codes are clamped to low .. high.
void ReadClamp(ObjectReader* in, int* low, int* high) {
  *low = static_cast<int>(in->Int("clamp_min", -128, 127));
  *high = static_cast<int>(in->Int("clamp_max", -128, 127));
  if (*low > *high) in->Fail(in->LineOf("clamp_min"), "clamp_min", fmt::format("{} is above clamp_max {}", *low, *high));
}

Activation ReadActivation(ObjectReader in) {
  Activation activation;
  activation.scale = static_cast<float>(in.Number("scale", kSmallest, FLT_MAX));
  activation.bits = static_cast<int>(in.Int("bits", 2, 8));
  activation.zero_point = static_cast<int>(in.Int("zero_point", -128, 127));
  ReadClamp(&in, &activation.clamp_min, &activation.clamp_max);
  in.Finish();
  return activation;
}

}  // namespace

Json Int8Json(const Int8Layer& layer) {
  return {{"input", ActivationJson(layer.input)},
          {"output", ActivationJson(layer.output)},
          {"clamp_min", layer.clamp_min},
          {"clamp_max", layer.clamp_max},
          {"method", kMethods[static_cast<size_t>(layer.method)]},
          {"winograd", layer.winograd},
          {"scales", layer.scales}};
}

Int8Layer ReadInt8(const Node& node, const std::string& file, const std::string& path, Status* status) {
  ObjectReader in(node, file, path, status);
  Int8Layer layer;
  if (const Node* input = in.Object("input"))
    layer.input = ReadActivation(ObjectReader(*input, file, in.PathOf("input"), status));
  if (const Node* output = in.Object("output"))
    layer.output = ReadActivation(ObjectReader(*output, file, in.PathOf("output"), status));
  ReadClamp(&in, &layer.clamp_min, &layer.clamp_max);
  layer.method = static_cast<dispatch::Int8Method>(in.Choice("method", {kMethods[0], kMethods[1], kMethods[2]}));
  layer.winograd = in.Ints("winograd");
  if (layer.winograd.size() % 6 != 0) {
    in.Fail(in.LineOf("winograd"), "winograd", fmt::format("{} numbers found; expected groups of 6", layer.winograd.size()));
  }
  layer.scales = in.Floats("scales", 0, FLT_MAX);
  in.Finish();
  return layer;
}

}  // namespace quantpress::graph
