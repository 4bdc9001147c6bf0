// `quantpress plan` and `convert --dry-run`: what a conversion would do.
#include <nlohmann/json.hpp>

#include "graph/plan_io/plan_file.h"
#include "tools/commands/commands.h"
#include "tools/commands/convert_request.h"
#include "tools/commands/summary.h"

namespace quantpress::tools {
namespace {

int Show(const Context& context, const graph::ConvertOptions& options, const std::string& path) {
  const StatusOr<graph::PlannedConversion> planned = graph::PlanConversion(options);
  if (!planned.ok()) return Fail(context, planned.status());
  PrintNotes(context.messages, planned->notes, planned->plan);
  context.messages.AddToSummary(PlanFields(planned->plan));
  if (path.empty() && !context.line.Flag("json")) return PrintData(context, Printable(PlanTable(planned->plan)));
  if (path.empty()) {
    const StatusOr<std::string> text = graph::PlanText(planned->options, planned->plan);
    return text.ok() ? PrintData(context, *text) : Fail(context, text.status());
  }
  if (const Status status = graph::WritePlan(planned->options, planned->plan, path); !status.ok()) return Fail(context, status);
  context.messages.Plain(fmt::format("{}: plan of {} weights", path, planned->plan.weights.size()));
  return kExitOk;
}

}  // namespace

int PrintPlan(const Context& context, const graph::ConvertOptions& options) { return Show(context, options, ""); }

int RunPlan(const Context& context) {
  ParsedLine line = context.line;
  line.Set(*FindOption("modelFile", kConvert), line.words[0]);
  StatusOr<ConvertRequest> request = MakeConvertRequest(line);
  if (!request.ok()) return FailUsage(context, request.status());
  for (const std::string& warning : request->warnings) context.messages.Warning(warning);
  for (const std::string& note : line.notes) context.messages.Note(note);
  for (const std::string& note : request->notes) context.messages.Note(note);
  request->options.output.biz_code = graph::BizCodeFor(request->options);
  return Show(context, request->options, line.Text("output"));
}

}  // namespace quantpress::tools
