// `quantpress convert`: one model in, one model out.
#include <chrono>
#include <nlohmann/json.hpp>

#include "graph/report/report.h"
#include "tools/commands/commands.h"
#include "tools/commands/convert_request.h"
#include "tools/commands/summary.h"
#include "tools/terminal/progress.h"
#include "tools/terminal/signals.h"
#include "tools/terminal/standard_streams.h"

namespace quantpress::tools {
namespace {

int Convert(const Context& context, graph::ConvertOptions options) {
  const Messages& messages = context.messages;
  const auto start = std::chrono::steady_clock::now();
  ProgressLine progress(messages.is_terminal() && messages.verbosity() != Verbosity::kQuiet &&
                        !context.line.Flag("no-progress"));
  graph::ConvertHooks hooks;
  hooks.cancellation = &CancelOnSignals();
  hooks.on_progress = [&](uint64_t done, uint64_t total) { progress.Update(done, total); };
  const std::vector<std::string> reports = context.line.All("report");
  if (const Status status = graph::CheckReportPaths(reports, options); !status.ok()) return Fail(context, status);
  options.statistics = messages.verbose();
  std::vector<graph::MeasuredLayer> measured;
  const StatusOr<graph::ConvertResult> result =
      reports.empty() ? graph::Convert(options, hooks) : graph::ConvertAndMeasure(options, hooks, &measured);
  progress.Clear();
  if (!result.ok()) {
    if (!absl::IsCancelled(result.status()) || SignalReceived() == 0) return Fail(context, result.status());
    messages.Error("cancelled; nothing was written");
    return 128 + SignalReceived();
  }
  PrintNotes(messages, result->notes, result->plan);
  if (messages.verbose()) PrintLayers(messages, *result);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (messages.json()) {
    messages.AddToSummary(SummaryFields(options, *result, seconds.count()));
  } else {
    messages.Plain(SummaryText(options, *result, seconds.count()));
  }
  if (!reports.empty()) {
    const int threads = options.budget.threads > 0 ? options.budget.threads : AvailableThreads();
    const graph::ReportContext facts = {seconds.count(), threads};
    const Status status = graph::WriteReports(graph::MakeReport(options, *result, measured, facts), reports);
    if (!status.ok()) return Fail(context, Annotate(status, "the model was written, but not its report"));
  }
  if (context.as_mnnconvert) {
    // Scripts around the stock tool look for this line. The model is in place whether or not it can be printed.
    const Status status = WriteStandardOutput("Converted Success!\n");
    if (!status.ok()) messages.Warning(fmt::format("{}; the model was written", Message(status)));
  }
  return kExitOk;
}

}  // namespace

int RunConvert(const Context& context) {
  const ParsedLine& line = context.line;
  if (line.Flag("info")) {
    if (!line.Given("modelFile")) return FailUsage(context, InvalidInput("--info needs --modelFile"));
    return InspectFile(context, line.Text("modelFile"), false);
  }
  if (line.Flag("OP")) {
    const StatusOr<graph::SourceFormat> format = FormatFromLine(line);
    if (!format.ok()) return FailUsage(context, format.status());
    if (*format != graph::SourceFormat::kOnnx) return FailUsage(context, InvalidInput("--OP needs -f ONNX"));
    return ListOps(context, false);
  }
  StatusOr<ConvertRequest> request = MakeConvertRequest(line);
  if (!request.ok()) return FailUsage(context, request.status());
  if (const Status status = LoadPlan(&*request); !status.ok()) return Fail(context, status);
  for (const std::string& warning : request->warnings) context.messages.Warning(warning);
  for (const std::string& note : line.notes) context.messages.Note(note);
  for (const std::string& note : request->notes) context.messages.Note(note);
  const StatusOr<dispatch::Isa> isa = IsaFromLine(line);
  if (!isa.ok()) return Fail(context, isa.status());
  request->options.budget.isa = *isa;
  request->options.output.biz_code = graph::BizCodeFor(request->options);
  if (line.Flag("dry-run") && line.Given("report")) {
    return FailUsage(context, InvalidInput("--report needs a conversion, which --dry-run does not do; leave out one of them"));
  }
  if (line.Flag("dry-run")) return PrintPlan(context, request->options);
  return Convert(context, request->options);
}

}  // namespace quantpress::tools
