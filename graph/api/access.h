// What the public types stand for inside the library.
#ifndef QUANTPRESS_GRAPH_API_ACCESS_H_
#define QUANTPRESS_GRAPH_API_ACCESS_H_

#include <exception>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include "dispatch/cancellation.h"
#include "graph/api/quantpress.h"
#include "graph/convert.h"
#include "graph/report/report.h"

namespace quantpress {

struct Cancellation::Impl {
  dispatch::CancellationToken token;
};

struct Plan::Impl {
  graph::ConvertOptions options;  // of the source and the output, as far as a plan file holds them
  std::shared_ptr<const dispatch::Plan> plan;
  std::vector<std::string> notes;
  std::vector<Layer> layers;
};

struct Report::Impl {
  graph::ConvertOptions options;
  graph::Report report;
  bool external = false;
  std::vector<Layer> layers;
  Totals totals;
};

struct Access {
  using PlanImpl = Plan::Impl;
  using ReportImpl = Report::Impl;
  static Plan Make(std::shared_ptr<const Plan::Impl> impl) { return Plan(std::move(impl)); }
  static Report Make(std::shared_ptr<const Report::Impl> impl) { return Report(std::move(impl)); }
  static const Plan::Impl& Of(const Plan& plan) { return *plan.impl_; }
  static const dispatch::CancellationToken* Of(const Cancellation& cancellation) { return &cancellation.impl_->token; }
};

Error ToError(const Status& status);

// Calls `body`; exceptions, such as those of memory that is used up, become errors.
template <typename Body>
auto Guarded(const Body& body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return Error(ErrorCode::kSystem, "out of memory");
  } catch (const std::exception& error) {
    return Error(ErrorCode::kInternal, std::string("unexpected failure: ") + error.what());
  }
}

// Errors: an empty path, a name or number that does not exist, a rule that is wrong.
StatusOr<graph::ConvertOptions> ToConvertOptions(const Options& options);
Status ApplyRun(const Run& run, graph::ConvertOptions* options);

// The public report of a conversion with these options.
Report ToReport(const graph::ConvertOptions& options, graph::Report report, bool external);

Layer ToLayer(const dispatch::WeightPlan& plan);
LayerStatistics ToStatistics(const graph::MeasuredLayer& layer);
Totals ToTotals(const graph::Report& report);

}  // namespace quantpress

#endif  // QUANTPRESS_GRAPH_API_ACCESS_H_
