// `quantpress convert`: one model in, one model out.
#include <chrono>
#include <nlohmann/json.hpp>

#include "graph/export/output_file.h"
#include "graph/model_json/model_json.h"
#include "graph/model_json/scratch.h"
#include "graph/report/report.h"
#include "tools/commands/commands.h"
#include "tools/commands/convert_request.h"
#include "tools/commands/summary.h"
#include "tools/terminal/progress.h"
#include "tools/terminal/signals.h"
#include "tools/terminal/standard_streams.h"

namespace quantpress::tools {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

int FailOrCancelled(const Context& context, const Status& status) {
  if (!absl::IsCancelled(status) || SignalReceived() == 0) return Fail(context, status);
  context.messages.Error("cancelled; nothing was written");
  return 128 + SignalReceived();
}

// The result of a dump, or of an MNN file made from one.
void ShowFiles(const Context& context, const std::string& path, const graph::ConvertResult& result, Clock::time_point start) {
  for (const std::string& note : result.notes) context.messages.Note(note);
  context.messages.Plain(FilesText(path, result, SecondsSince(start)));
}

int DumpJson(const Context& context, const std::string& model) {
  const auto start = Clock::now();
  graph::ConvertHooks hooks;
  hooks.cancellation = &CancelOnSignals();
  const std::string path = context.line.Text("JsonFile");
  const StatusOr<graph::ConvertResult> result = graph::WriteModelJson(model, path, hooks);
  if (!result.ok()) return FailOrCancelled(context, result.status());
  ShowFiles(context, path, *result, start);
  return kExitOk;
}

int Restore(const Context& context, const graph::ConvertOptions& options, const std::string& shown) {
  const auto start = Clock::now();
  graph::ConvertHooks hooks;
  hooks.cancellation = &CancelOnSignals();
  const StatusOr<graph::ConvertResult> result =
      graph::RestoreModel(options.import.model_path, options.output.output_path, options.budget, hooks);
  if (!result.ok()) return FailOrCancelled(context, result.status());
  ShowFiles(context, shown, *result, start);
  return kExitOk;
}

// `shown`: how messages call the output.
int Convert(const Context& context, graph::ConvertOptions options, const std::string& shown) {
  const Messages& messages = context.messages;
  const auto start = Clock::now();
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
  if (!result.ok()) return FailOrCancelled(context, result.status());
  PrintNotes(messages, result->notes, result->plan);
  if (messages.verbose()) PrintLayers(messages, *result);
  const double seconds = SecondsSince(start);
  options.output.output_path = shown;
  if (messages.json()) {
    messages.AddToSummary(SummaryFields(options, *result, seconds));
  } else {
    messages.Plain(SummaryText(options, *result, seconds));
  }
  if (!reports.empty()) {
    const int threads = options.budget.threads > 0 ? options.budget.threads : AvailableThreads();
    const graph::ReportContext facts = {seconds, threads};
    const Status status = graph::WriteReports(graph::MakeReport(options, *result, measured, facts), reports);
    if (!status.ok()) return Fail(context, Annotate(status, "the model was written, but not its report"));
  }
  return kExitOk;
}

void SayConverted(const Context& context) {
  if (!context.as_mnnconvert) return;
  // Scripts around the stock tool look for this line. The model is in place whether or not it can be printed.
  const Status status = WriteStandardOutput("Converted Success!\n");
  if (!status.ok()) context.messages.Warning(fmt::format("{}; the model was written", Message(status)));
}

// Everything that is to be made from the source: a model, JSON, or both.
int Produce(const Context& context, graph::ConvertOptions options) {
  const ParsedLine& line = context.line;
  const bool to_model = line.Given("MNNModel"), to_json = line.Given("JsonFile");
  if (!to_model && (line.Given("report") || line.Given("testdir"))) {
    return FailUsage(context, InvalidInput("--{} needs --MNNModel", line.Given("report") ? "report" : "testdir"));
  }
  if (to_json && graph::IsSameFile(line.Text("JsonFile"), options.import.model_path)) {
    return Fail(context, InvalidInput("output '{}' is the source file itself; give another output path", line.Text("JsonFile")));
  }
  const StatusOr<graph::SourceFormat> found = graph::FormatToRead(options.import);
  if (!found.ok()) return Fail(context, found.status());
  const graph::SourceFormat format = *found;
  const bool keep = !ChangesModel(line) && !line.Given("report");
  if (keep && !to_model && format == graph::SourceFormat::kMnn) return DumpJson(context, options.import.model_path);

  std::unique_ptr<graph::ScratchFolder> scratch;  // of a model that is only wanted as JSON
  std::string shown = options.output.output_path;
  if (!to_model) {
    StatusOr<std::unique_ptr<graph::ScratchFolder>> made = graph::ScratchFolder::Create();
    if (!made.ok()) return Fail(context, made.status());
    scratch = *std::move(made);
    options.output.output_path = *scratch / "model.mnn";
    shown = line.Text("JsonFile");
  }
  const bool restore = keep && format == graph::SourceFormat::kJson;
  int code = restore ? Restore(context, options, shown) : Convert(context, options, shown);
  if (code == kExitOk && to_json) code = DumpJson(context, options.output.output_path);
  if (code != kExitOk) return code;
  SayConverted(context);
  return line.Given("testdir") ? VerifyFile(context, options.output.output_path) : kExitOk;
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
  for (const std::string_view option : {"testconfig", "thredhold", "python"}) {
    if (line.Given(option) && !line.Given("testdir")) context.messages.Note(fmt::format("--{} has no effect without --testdir", option));
  }
  if (line.Flag("dry-run")) return PrintPlan(context, request->options);
  return Produce(context, request->options);
}

}  // namespace quantpress::tools
