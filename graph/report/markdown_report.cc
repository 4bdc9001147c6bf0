#include <cmath>
#include <nlohmann/json.hpp>

#include "graph/report/writers.h"

namespace quantpress::graph {
namespace {

// Valid UTF-8; control characters become spaces; a backslash before everything that Markdown or HTML could take for a sign.
std::string Escaped(const std::string& text) {
  using Json = nlohmann::json;
  const std::string clean = Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
  std::string out;
  for (const char c : clean) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) {
      out += ' ';
    } else if (std::string_view("<>|&").find(c) != std::string_view::npos) {
      out += fmt::format("&#{};", byte);  // a backslash does not save a bar in a table everywhere
    } else if (std::string_view("\\`*_{}[]#~$!").find(c) != std::string_view::npos) {
      (out += '\\') += c;
    } else {
      out += c;
    }
  }
  return out;
}

std::string Percent(uint64_t part, uint64_t whole) {
  if (whole == 0) return "";
  return fmt::format(" ({:.1f} %)", 100 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string Decibels(double value) { return std::isfinite(value) ? fmt::format("{:.2f}", value) : "exact"; }

std::string FullName(const dispatch::WeightPlan& plan) {
  return plan.subgraph.empty() ? plan.layer : plan.subgraph + "/" + plan.layer;
}

std::string Row(const ReportLayer& layer) {
  const dispatch::WeightPlan& plan = layer.plan;
  std::string errors = " | | | ";
  std::string seconds;
  if (layer.measured) {
    const MeasuredLayer& m = *layer.measured;
    if (plan.storage != dispatch::Storage::kFloat32) {
      errors = fmt::format("{:.4g} | {} | {:.4g} | {:.6f}", m.rmse, Decibels(m.sqnr_db), m.max_error, m.cosine);
    }
    seconds = fmt::format("{:.4f}", m.seconds);
  }
  std::string reason = Escaped(plan.reason);
  if (!plan.note.empty()) reason += "; " + Escaped(plan.note);
  return fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} | {} |\n", Escaped(FullName(plan)), Escaped(plan.geometry.op_type),
                     layer.method, plan.geometry.elements(), plan.bytes_before, plan.bytes_after, errors, seconds, reason);
}

}  // namespace

std::string MarkdownReport(const Report& report) {
  const ReportTotals& totals = report.totals;
  std::string out = fmt::format("# {}\n\n", Escaped(report.output));
  out += fmt::format("Written by quantpress {} from {} ({}) in {:.2f} s with {} thread{}, {}.\n\n", report.version,
                     Escaped(report.source), report.format, report.seconds, report.threads, report.threads == 1 ? "" : "s",
                     report.isa);
  out += "| | before | after |\n|---|---:|---:|\n";
  out += fmt::format("| weights, bytes | {} | {}{} |\n", totals.bytes_before, totals.bytes_after,
                     Percent(totals.bytes_after, totals.bytes_before));
  out += fmt::format("| files, bytes | {} | {}{} |\n\n", report.source_bytes, report.output_bytes,
                     Percent(report.output_bytes, report.source_bytes));
  out += fmt::format("{} weights in {} layers: {} quantized, {} float16, {} float32, {} as in the source.\n", totals.weights,
                     report.layers.size(), totals.quantized, totals.half, totals.float32, totals.kept);
  if (totals.rmse) {
    out += fmt::format("All quantized and float16 weights together: RMSE {:.4g}, SQNR {} dB, largest error {:.4g}.\n",
                       *totals.rmse, Decibels(*totals.sqnr_db), *totals.max_error);
  }
  for (const std::string& note : report.notes) out += fmt::format("\n- {}", Escaped(note));
  out += report.notes.empty() ? "\n" : "\n\n";
  out += "| layer | operator | method | weights | bytes before | bytes after | RMSE | SQNR, dB | largest error | cosine "
         "| seconds | reason |\n"
         "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---|\n";
  for (const ReportLayer& layer : report.layers) out += Row(layer);
  return out;
}

}  // namespace quantpress::graph
