#include <algorithm>
#include <chrono>
#include <thread>

#include "graph/api/access.h"
#include "graph/plan_io/plan_file.h"
#include "graph/version.h"

namespace quantpress {
namespace {

std::vector<Layer> LayersOf(const dispatch::Plan& plan) {
  std::vector<Layer> layers;
  layers.reserve(plan.weights.size());
  for (const dispatch::WeightPlan& weight : plan.weights) layers.push_back(ToLayer(weight));
  return layers;
}

StatusOr<Plan> Planned(const Options& options) {
  QP_ASSIGN_OR_RETURN(const graph::ConvertOptions known, ToConvertOptions(options));
  QP_ASSIGN_OR_RETURN(graph::PlannedConversion planned, graph::PlanConversion(known));
  auto impl = std::make_shared<Access::PlanImpl>();
  impl->options = std::move(planned.options);
  impl->layers = LayersOf(planned.plan);
  impl->plan = std::make_shared<const dispatch::Plan>(std::move(planned.plan));
  impl->notes = std::move(planned.notes);
  return Access::Make(std::move(impl));
}

StatusOr<Plan> Loaded(const std::string& path) {
  auto impl = std::make_shared<Access::PlanImpl>();
  QP_ASSIGN_OR_RETURN(impl->options, graph::ReadPlan(path));
  impl->plan = impl->options.quantize.plan;
  impl->layers = LayersOf(*impl->plan);
  return Access::Make(std::move(impl));
}

StatusOr<Report> Converted(const graph::ConvertOptions& options, const Hooks& hooks) {
  if (options.output.output_path.empty()) return InvalidInput("the output path is empty; name the model to write");
  const auto start = std::chrono::steady_clock::now();
  graph::ConvertHooks inner;
  if (hooks.cancellation) inner.cancellation = Access::Of(*hooks.cancellation);
  inner.on_progress = hooks.on_progress;
  std::vector<graph::MeasuredLayer> measured;
  QP_ASSIGN_OR_RETURN(const graph::ConvertResult result, options.statistics
                                                             ? graph::ConvertAndMeasure(options, inner, &measured)
                                                             : graph::Convert(options, inner));
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const int threads = options.budget.threads > 0 ? options.budget.threads
                                                 : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return ToReport(options, graph::MakeReport(options, result, measured, {seconds.count(), threads}), result.external);
}

template <typename T>
Result<T> ToResult(StatusOr<T> value) {
  if (!value.ok()) return ToError(value.status());
  return *std::move(value);
}

}  // namespace

Report ToReport(const graph::ConvertOptions& options, graph::Report report, bool external) {
  auto impl = std::make_shared<Access::ReportImpl>();
  impl->options = options;
  impl->report = std::move(report);
  impl->external = external;
  for (const graph::ReportLayer& layer : impl->report.layers) {
    impl->layers.push_back(ToLayer(layer.plan));
    if (layer.measured) impl->layers.back().statistics = ToStatistics(*layer.measured);
  }
  impl->totals = ToTotals(impl->report);
  return Access::Make(std::move(impl));
}

const char* LibraryVersion() { return graph::Version(); }

std::vector<std::string> AvailableIsas() {
  std::vector<std::string> names;
  for (const dispatch::Isa isa : dispatch::AvailableIsas()) names.emplace_back(dispatch::IsaName(isa));
  return names;
}

Cancellation::Cancellation() : impl_(std::make_shared<Impl>()) {}
void Cancellation::Cancel() const { impl_->token.Cancel(); }
bool Cancellation::cancelled() const { return impl_->token.cancelled(); }

Result<Plan> Plan::Load(const std::string& path) {
  return Guarded([&]() -> Result<Plan> { return ToResult(Loaded(path)); });
}

const std::vector<Layer>& Plan::layers() const { return impl_->layers; }
const std::vector<std::string>& Plan::notes() const { return impl_->notes; }

Result<std::string> Plan::ToJson() const {
  return Guarded([&]() -> Result<std::string> { return ToResult(graph::PlanText(impl_->options, *impl_->plan)); });
}

Error Plan::Save(const std::string& path) const {
  return Guarded([&] { return ToError(graph::WritePlan(impl_->options, *impl_->plan, path)); });
}

const std::vector<Layer>& Report::layers() const { return impl_->layers; }
const std::vector<std::string>& Report::notes() const { return impl_->report.notes; }
const Totals& Report::totals() const { return impl_->totals; }
bool Report::external() const { return impl_->external; }
std::string Report::isa() const { return impl_->report.isa; }
int32_t Report::threads() const { return impl_->report.threads; }

Result<std::string> Report::Render(ReportFormat format) const {
  return Guarded([&]() -> Result<std::string> {
    switch (format) {
      case ReportFormat::kJson:
        return graph::RenderReport(impl_->report, graph::ReportFormat::kJson);
      case ReportFormat::kMarkdown:
        return graph::RenderReport(impl_->report, graph::ReportFormat::kMarkdown);
      case ReportFormat::kHtml:
        return graph::RenderReport(impl_->report, graph::ReportFormat::kHtml);
    }
    return Error(ErrorCode::kInvalidInput,
                 fmt::format("there is no report format {}; possible are 0 to 2", static_cast<int>(format)));
  });
}

Error Report::Write(const std::string& path) const {
  return Guarded([&] {
    Status status = graph::CheckReportPaths({path}, impl_->options);
    if (status.ok()) status = graph::WriteReport(impl_->report, path);
    return ToError(status);
  });
}

Result<Plan> MakePlan(const Options& options) {
  return Guarded([&]() -> Result<Plan> { return ToResult(Planned(options)); });
}

Result<Report> Convert(const Options& options, const Hooks& hooks) {
  return Guarded([&]() -> Result<Report> {
    const StatusOr<graph::ConvertOptions> known = ToConvertOptions(options);
    if (!known.ok()) return ToError(known.status());
    return ToResult(Converted(*known, hooks));
  });
}

Result<Report> ConvertPlan(const Plan& plan, const std::string& output_path, const Run& run, const Hooks& hooks,
                           const std::string& source_path) {
  return Guarded([&]() -> Result<Report> {
    const Access::PlanImpl& known = Access::Of(plan);
    graph::ConvertOptions options;  // what a plan file holds, whether or not this plan was in one
    options.import = known.options.import;
    if (!source_path.empty()) options.import.model_path = source_path;
    options.quantize.plan = known.plan;
    options.quantize.nonfinite = known.options.quantize.nonfinite;
    options.output = known.options.output;
    options.output.output_path = output_path;
    if (const Status status = ApplyRun(run, &options); !status.ok()) return ToError(status);
    options.output.biz_code = graph::BizCodeFor(options);
    return ToResult(Converted(options, hooks));
  });
}

}  // namespace quantpress
