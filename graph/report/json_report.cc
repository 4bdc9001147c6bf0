#include <fmt/format.h>

#include <cmath>
#include <iterator>
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

Json FactsOf(const ReportLayer& layer) {
  const dispatch::WeightPlan& plan = layer.plan;
  return {{"layer", plan.layer},
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

// Writes text piece by piece: a tree of the hundreds of counts of every layer would take longer to make than some
// models to convert.
class Writer {
 public:
  explicit Writer(JsonStyle style) : in_page_(style == JsonStyle::kInPage) {}

  void Begin(char bracket) {
    text_ += bracket;
    ++depth_;
    empty_ = true;
  }

  void End(char bracket) {
    --depth_;
    if (!empty_) StartLine();
    text_ += bracket;
    empty_ = false;
  }

  // Before each element of an array.
  void Next() {
    if (!empty_) text_ += ',';
    StartLine();
    empty_ = false;
  }

  // Before the value of a member of an object.
  void Name(std::string_view name) {
    Next();
    Value(Json(name));
    text_ += in_page_ ? ":" : ": ";
  }

  void Value(const Json& value) {
    if (value.is_object()) {
      Begin('{');
      Members(value);
      End('}');
    } else if (value.is_array()) {
      Begin('[');
      for (const Json& element : value) {
        Next();
        Value(element);
      }
      End(']');
    } else {
      text_ += value.dump(-1, ' ', in_page_, Json::error_handler_t::replace);
    }
  }

  void Members(const Json& object) {
    for (const auto& [name, value] : object.items()) {
      Name(name);
      Value(value);
    }
  }

  // On one line: hundreds of numbers are nothing to read line by line.
  void Counts(std::string_view name, const std::vector<uint64_t>& counts) {
    Name(name);
    fmt::format_to(std::back_inserter(text_), "[{}]", fmt::join(counts, in_page_ ? "," : ", "));
  }

  std::string Take() { return std::move(text_); }

 private:
  void StartLine() {
    if (!in_page_) text_.append(1, '\n').append(depth_, ' ');
  }

  const bool in_page_;
  std::string text_;
  size_t depth_ = 0;
  bool empty_ = true;  // nothing yet between the innermost brackets
};

void WriteHistogram(const MeasuredLayer& layer, Writer* out) {
  out->Name("histogram");
  out->Begin('{');
  out->Members({{"samples", layer.samples}, {"low", layer.weight_min}, {"high", layer.weight_max}});
  out->Counts("weights", layer.weight_counts);
  if (!layer.decoded_counts.empty()) out->Counts("decoded", layer.decoded_counts);
  if (!layer.code_counts.empty()) {
    out->Members({{"lowest_code", -static_cast<int64_t>(layer.code_counts.size() / 2)}});
    out->Counts("codes", layer.code_counts);
  }
  out->End('}');
}

void WriteLayer(const ReportLayer& layer, Writer* out) {
  const dispatch::WeightPlan& plan = layer.plan;
  out->Begin('{');
  out->Members(FactsOf(layer));
  if (dispatch::IsCoded(plan.storage)) out->Members({{"coding", CodingOf(plan)}});
  if (layer.measured) {
    if (plan.storage != Storage::kFloat32) out->Members({{"errors", ErrorsOf(*layer.measured)}});
    WriteHistogram(*layer.measured, out);
    out->Members({{"seconds", layer.measured->seconds}});
  }
  out->End('}');
}

}  // namespace

std::string JsonReport(const Report& report, JsonStyle style) {
  Writer out(style);
  out.Begin('{');
  out.Members({{"report", 1},
               {"quantpress", report.version},
               {"source", report.source},
               {"output", report.output},
               {"format", report.format},
               {"source_bytes", report.source_bytes},
               {"output_bytes", report.output_bytes},
               {"seconds", report.seconds},
               {"threads", report.threads},
               {"isa", report.isa},
               {"totals", TotalsOf(report.totals)},
               {"notes", report.notes}});
  out.Name("layers");
  out.Begin('[');
  for (const ReportLayer& layer : report.layers) {
    out.Next();
    WriteLayer(layer, &out);
  }
  out.End(']');
  out.End('}');
  std::string text = out.Take();
  if (style == JsonStyle::kFile) return text + "\n";
  Replace("<", "\\u003c", &text);
  Replace(">", "\\u003e", &text);
  Replace("&", "\\u0026", &text);
  return text;
}

}  // namespace quantpress::graph
