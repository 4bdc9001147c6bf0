// The report of a conversion: what happened to every weight tensor, what it cost, and why.
//
// A report needs what ConvertAndMeasure gives for errors and histograms; without that it lists bytes, methods and reasons.
#ifndef QUANTPRESS_GRAPH_REPORT_REPORT_H_
#define QUANTPRESS_GRAPH_REPORT_REPORT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "dispatch/status.h"
#include "graph/convert.h"
#include "graph/measured_layer.h"

namespace quantpress::graph {

struct ReportLayer {
  dispatch::WeightPlan plan;
  std::string method;                   // "4 bit HQQ, block 64", "float32", "float16", "as in the source"
  std::optional<MeasuredLayer> measured;  // absent where nothing was computed: the layer was copied
};

struct ReportTotals {
  uint64_t weights = 0;  // elements, where known
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
  uint64_t quantized = 0;  // layers
  uint64_t half = 0;
  uint64_t float32 = 0;
  uint64_t kept = 0;
  // Over all weights that were quantized or stored as halves; absent where there are none.
  std::optional<double> rmse;
  std::optional<double> sqnr_db;    // infinite where there is no error
  std::optional<double> max_error;
  double layer_seconds = 0;         // sum of worker times
};

struct Report {
  std::string version;       // of this library
  std::string source;        // paths as they were given
  std::string output;
  std::string format;        // of the source: "ONNX"
  uint64_t source_bytes = 0;
  uint64_t output_bytes = 0;
  double seconds = 0;        // whole conversion
  int threads = 0;
  std::string isa;
  std::vector<std::string> notes;
  std::vector<ReportLayer> layers;  // in graph order
  ReportTotals totals;
};

// What a result does not say itself.
struct ReportContext {
  double seconds = 0;
  int threads = 0;
};

// `measured`: what ConvertAndMeasure gave; empty: none.
Report MakeReport(const ConvertOptions& options, const ConvertResult& result, const std::vector<MeasuredLayer>& measured,
                  const ReportContext& context);

// "4 bit HQQ, block 64, half scales": how a weight is stored.
std::string MethodName(const dispatch::WeightPlan& plan);

enum class ReportFormat : uint8_t { kJson, kMarkdown, kHtml };

// By the end of a file name: .json, .md, .html or .htm. Errors: another one.
StatusOr<ReportFormat> ReportFormatOf(const std::string& path);

// Errors: as ReportFormatOf; the folder is missing; the path names one of the files `taken`.
Status CheckReportPath(const std::string& path, const std::vector<std::string>& taken);

// Whether these reports can be written beside the files of the conversion; to be asked before it.
Status CheckReportPaths(const std::vector<std::string>& reports, const ConvertOptions& options);

// The whole file. Text from the model is escaped as the format needs it; bytes that are not UTF-8 become U+FFFD.
//   JSON: described in docs/report.md. Infinite values are null.
//   Markdown: summary and one table.
//   HTML: one self-contained page that needs no network.
std::string RenderReport(const Report& report, ReportFormat format);

// Writes a report beside its path under a temporary name and renames it. Errors: as ReportFormatOf, and those of writing.
Status WriteReport(const Report& report, const std::string& path);
Status WriteReports(const Report& report, const std::vector<std::string>& paths);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_REPORT_REPORT_H_
