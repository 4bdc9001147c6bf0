#include "graph/report/report.h"

#include <cmath>
#include <limits>

#include "graph/export/output_file.h"
#include "graph/report/writers.h"
#include "graph/version.h"

namespace quantpress::graph {
namespace {

using dispatch::Storage;
using dispatch::WeightPlan;

// Sums over the layers whose weights changed.
struct Errors {
  uint64_t count = 0;
  double squared_error = 0;
  double squared_weight = 0;
  double largest = 0;

  void Add(const MeasuredLayer& layer) {
    count += layer.count;
    squared_error += layer.sum_squared_error;
    squared_weight += layer.sum_squared_weight;
    largest = std::max(largest, layer.max_error);
  }
};

uint64_t& CountOf(Storage storage, ReportTotals* totals) {
  switch (storage) {
    case Storage::kQuantized:
    case Storage::kInt8: return totals->quantized;
    case Storage::kHalf: return totals->half;
    case Storage::kFloat32: return totals->float32;
    case Storage::kAsIs: break;
  }
  return totals->kept;
}

ReportTotals TotalsOf(const std::vector<ReportLayer>& layers) {
  ReportTotals totals;
  Errors errors;
  for (const ReportLayer& layer : layers) {
    totals.weights += layer.plan.geometry.elements();
    totals.bytes_before += layer.plan.bytes_before;
    totals.bytes_after += layer.plan.bytes_after;
    ++CountOf(layer.plan.storage, &totals);
    if (!layer.measured) continue;
    totals.layer_seconds += layer.measured->seconds;
    if (layer.plan.storage != Storage::kFloat32) errors.Add(*layer.measured);
  }
  if (errors.count == 0) return totals;
  totals.rmse = std::sqrt(errors.squared_error / static_cast<double>(errors.count));
  totals.sqnr_db = errors.squared_error > 0 ? 10 * std::log10(errors.squared_weight / errors.squared_error)
                                            : std::numeric_limits<double>::infinity();
  totals.max_error = errors.largest;
  return totals;
}

bool EndsWith(std::string_view path, std::string_view suffix) {
  if (path.size() < suffix.size()) return false;
  path.remove_prefix(path.size() - suffix.size());
  return std::equal(path.begin(), path.end(), suffix.begin(), [](char a, char b) { return (a | 0x20) == (b | 0x20); });
}

}  // namespace

std::string MethodName(const WeightPlan& plan) {
  switch (plan.storage) {
    case Storage::kFloat32: return plan.sparse.listed ? "float, sparse" : "float";
    case Storage::kHalf: return "half float";
    case Storage::kAsIs: return "as in the source";
    case Storage::kInt8: return "int8";
    case Storage::kQuantized: break;
  }
  const std::string_view method = plan.coding.method == dispatch::QuantMethod::kHqq          ? "HQQ"
                                  : plan.coding.method == dispatch::QuantMethod::kAsymmetric ? "asymmetric"
                                                                                             : "symmetric";
  std::string text = fmt::format("{} bit {}", plan.coding.bits, method);
  if (plan.block > 0) text += fmt::format(", block {}", plan.block);
  if (plan.coding.half_scales) text += ", half scales";
  if (plan.sparse.listed) text += ", sparse";
  return text;
}

Report MakeReport(const ConvertOptions& options, const ConvertResult& result, const std::vector<MeasuredLayer>& measured,
                  const ReportContext& context) {
  Report report;
  report.version = Version();
  report.source = options.import.model_path;
  report.output = options.output.output_path;
  SourceFormat format = options.import.format;
  if (format == SourceFormat::kAuto) format = DetectFormat(report.source).value_or(SourceFormat::kAuto);
  report.format = SourceFormatName(format);
  report.source_bytes = result.source_bytes;
  report.output_bytes = result.output_bytes;
  report.seconds = context.seconds;
  report.threads = context.threads;
  report.isa = dispatch::IsaName(dispatch::ResolveIsa(options.budget.isa).value_or(dispatch::Isa::kAuto));
  report.notes = result.notes;
  for (const WeightPlan& plan : result.plan.weights) report.layers.push_back({plan, MethodName(plan), std::nullopt});
  for (const MeasuredLayer& layer : measured) report.layers[layer.plan_index].measured = layer;
  report.totals = TotalsOf(report.layers);
  return report;
}

StatusOr<ReportFormat> ReportFormatOf(const std::string& path) {
  if (EndsWith(path, ".json")) return ReportFormat::kJson;
  if (EndsWith(path, ".md")) return ReportFormat::kMarkdown;
  if (EndsWith(path, ".html") || EndsWith(path, ".htm")) return ReportFormat::kHtml;
  return InvalidInput("report '{}': the name must end in .json, .md or .html, which says what is written", path);
}

Status CheckReportPath(const std::string& path, const std::vector<std::string>& taken) {
  QP_RETURN_IF_ERROR(ReportFormatOf(path).status());
  QP_ASSIGN_OR_RETURN(const std::string resolved, ResolveOutputPath(path));
  for (const std::string& other : taken) {
    if (path == other || IsSameFile(resolved, other)) {
      return InvalidInput("report '{}' would replace '{}'; give it another name", path, other);
    }
  }
  return {};
}

Status CheckReportPaths(const std::vector<std::string>& reports, const ConvertOptions& options) {
  std::vector<std::string> taken = {options.import.model_path, options.output.output_path, options.output.output_path + ".weight"};
  if (!options.quantize.recipe_path.empty()) taken.push_back(options.quantize.recipe_path);
  for (const std::string& path : reports) {
    QP_RETURN_IF_ERROR(CheckReportPath(path, taken));
    taken.push_back(path);
  }
  return {};
}

std::string RenderReport(const Report& report, ReportFormat format) {
  switch (format) {
    case ReportFormat::kJson: return JsonReport(report, JsonStyle::kFile);
    case ReportFormat::kMarkdown: return MarkdownReport(report);
    case ReportFormat::kHtml: break;
  }
  return HtmlReport(report);
}

Status WriteReport(const Report& report, const std::string& path) {
  QP_ASSIGN_OR_RETURN(const ReportFormat format, ReportFormatOf(path));
  QP_ASSIGN_OR_RETURN(const std::string resolved, ResolveOutputPath(path));
  const std::string text = RenderReport(report, format);
  QP_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> file, OutputFile::Create(resolved, text.size()));
  QP_RETURN_IF_ERROR(file->Write(0, {reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
  QP_RETURN_IF_ERROR(SyncForCommit(*file, nullptr));
  return Commit(file.get(), nullptr);
}

Status WriteReports(const Report& report, const std::vector<std::string>& paths) {
  for (const std::string& path : paths) QP_RETURN_IF_ERROR(WriteReport(report, path));
  return {};
}

}  // namespace quantpress::graph
