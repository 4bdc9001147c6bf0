#include <cmath>
#include <nlohmann/json.hpp>

#include "graph/report/writers.h"

namespace quantpress::graph {
namespace {

using Json = nlohmann::ordered_json;
using dispatch::Storage;

Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
Json Number(const std::optional<double>& value) { return value ? Number(*value) : Json(nullptr); }

std::string_view StorageName(Storage storage) {
  switch (storage) {
    case Storage::kFloat32: return "float32";
    case Storage::kHalf: return "float16";
    case Storage::kQuantized: return "quantized";
    case Storage::kInt8: return "int8";
    case Storage::kAsIs: break;
  }
  return "kept";
}

Json CodingOf(const dispatch::WeightPlan& plan) {
  const dispatch::QuantMethod method = plan.coding.method;
  return {{"bits", plan.coding.bits},
          {"algorithm", method == dispatch::QuantMethod::kHqq         ? "hqq"
                        : method == dispatch::QuantMethod::kSymmetric ? "symmetric"
                                                                      : "asymmetric"},
          {"block", plan.block},
          {"group_size", plan.group_size},
          {"groups", plan.groups},
          {"scale_bits", plan.coding.half_scales ? 16 : 32}};
}

Json ErrorsOf(const MeasuredLayer& layer) {
  return {{"rmse", layer.rmse},
          {"sqnr_db", Number(layer.sqnr_db)},
          {"max_error", layer.max_error},
          {"cosine", layer.cosine}};
}

Json HistogramsOf(const MeasuredLayer& layer) {
  Json json = {{"samples", layer.samples},
               {"low", layer.weight_min},
               {"high", layer.weight_max},
               {"weights", layer.weight_counts}};
  if (!layer.decoded_counts.empty()) json["decoded"] = layer.decoded_counts;
  if (!layer.code_counts.empty()) {
    json["lowest_code"] = -static_cast<int64_t>(layer.code_counts.size() / 2);
    json["codes"] = layer.code_counts;
  }
  return json;
}

Json LayerOf(const ReportLayer& layer) {
  const dispatch::WeightPlan& plan = layer.plan;
  Json json = {{"layer", plan.layer},
               {"subgraph", plan.subgraph},
               {"op_type", plan.geometry.op_type},
               {"weights", plan.geometry.elements()},
               {"rows", plan.geometry.rows},
               {"input_channels", plan.geometry.input_channels},
               {"kernel_size", plan.geometry.kernel_size},
               {"storage", StorageName(plan.storage)},
               {"method", layer.method},
               {"reason", plan.reason},
               {"note", plan.note},
               {"bytes_before", plan.bytes_before},
               {"bytes_after", plan.bytes_after}};
  if (dispatch::IsCoded(plan.storage)) json["coding"] = CodingOf(plan);
  if (layer.measured) {
    if (plan.storage != Storage::kFloat32) json["errors"] = ErrorsOf(*layer.measured);
    json["histogram"] = HistogramsOf(*layer.measured);
    json["seconds"] = layer.measured->seconds;
  }
  return json;
}

Json TotalsOf(const ReportTotals& totals) {
  return {{"weights", totals.weights},
          {"bytes_before", totals.bytes_before},
          {"bytes_after", totals.bytes_after},
          {"layers", {{"quantized", totals.quantized}, {"float16", totals.half}, {"float32", totals.float32}, {"kept", totals.kept}}},
          {"rmse", Number(totals.rmse)},
          {"sqnr_db", Number(totals.sqnr_db)},
          {"max_error", Number(totals.max_error)},
          {"layer_seconds", totals.layer_seconds}};
}

void Replace(std::string_view from, std::string_view to, std::string* text) {
  for (size_t at = 0; (at = text->find(from, at)) != std::string::npos; at += to.size()) text->replace(at, from.size(), to);
}

// Puts arrays of numbers on one line each: hundreds of counts are nothing to read line by line.
std::string WithShortArrays(const std::string& text) {
  std::string out;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    out += c;
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\') out += text[++i];
    if (in_string || c != '[') continue;
    const size_t end = text.find_first_not_of("0123456789.+-eE,\n ", i + 1);
    if (end == std::string::npos || text[end] != ']') continue;
    while (++i < end) {
      if (text[i] == ',') out += ", ";
      if (text[i] != ',' && text[i] != '\n' && text[i] != ' ') out += text[i];
    }
    out += ']';
  }
  return out;
}

}  // namespace

std::string JsonReport(const Report& report, JsonStyle style) {
  Json json = {{"report", 1},
               {"quantpress", report.version},
               {"source", report.source},
               {"output", report.output},
               {"format", report.format},
               {"source_bytes", report.source_bytes},
               {"output_bytes", report.output_bytes},
               {"seconds", report.seconds},
               {"threads", report.threads},
               {"isa", report.isa},
               {"totals", TotalsOf(report.totals)}};
  json["notes"] = report.notes;
  json["layers"] = Json::array();
  for (const ReportLayer& layer : report.layers) json["layers"].push_back(LayerOf(layer));
  if (style == JsonStyle::kFile) return WithShortArrays(json.dump(1, ' ', false, Json::error_handler_t::replace)) + "\n";
  std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  Replace("<", "\\u003c", &text);
  Replace(">", "\\u003e", &text);
  Replace("&", "\\u0026", &text);
  return text;
}

}  // namespace quantpress::graph
