#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <system_error>
#include <thread>

#include "graph/api/access.h"
#include "graph/batch/run_batch.h"

namespace quantpress {
namespace {

using Results = std::vector<std::optional<Result<Report>>>;

uint64_t SizeOf(const std::string& path) {
  std::error_code error;
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<uint64_t>(size);
}

// Models whose options are possible, and their places.
struct Jobs {
  std::vector<graph::BatchJob> jobs;
  std::vector<size_t> places;
};

Jobs MakeJobs(const std::vector<Options>& models, Results* results) {
  Jobs made;
  std::map<std::string, size_t> outputs;
  for (size_t i = 0; i < models.size(); ++i) {
    const std::string& output = models[i].output.path;
    if (output.empty()) {
      (*results)[i] = Error(ErrorCode::kInvalidInput, "the output path is empty; name the model to write");
      continue;
    }
    if (const auto [known, is_new] = outputs.emplace(output, i); !is_new) {
      (*results)[i] = Error(ErrorCode::kInvalidInput,
                            fmt::format("models {} and {} have the same output '{}'", known->second, i, output));
      continue;
    }
    StatusOr<graph::ConvertOptions> options = ToConvertOptions(models[i]);
    if (!options.ok()) {
      (*results)[i] = ToError(options.status());
      continue;
    }
    graph::BatchJob& job = made.jobs.emplace_back();
    job.options = *std::move(options);
    job.size = SizeOf(models[i].source.path) + SizeOf(models[i].source.path + ".weight") +
               SizeOf(models[i].source.path + ".data");
    made.places.push_back(i);
  }
  return made;
}

Error RunAll(const std::vector<Options>& models, const Run& run, const Hooks& hooks, Results* results) {
  graph::ConvertOptions budget;
  if (const Status status = ApplyRun(run, &budget); !status.ok()) return ToError(status);
  if (run.threads < 0)
    return Error(ErrorCode::kInvalidInput, fmt::format("{} threads: expected 0 or more", run.threads));
  const Jobs made = MakeJobs(models, results);
  graph::BatchSetup setup;
  setup.budget = budget.budget;
  if (setup.budget.threads == 0)
    setup.budget.threads = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  graph::BatchHooks inner;
  if (hooks.cancellation) inner.cancellation = Access::Of(*hooks.cancellation);
  inner.on_progress = hooks.on_progress;
  // Each job has its own place.
  inner.on_report = [&](size_t job, const graph::ConvertOptions& options, graph::Report report, bool external) {
    (*results)[made.places[job]] = ToReport(options, std::move(report), external);
  };
  const std::vector<graph::JobResult> done = graph::RunBatch(made.jobs, setup, inner);
  for (size_t job = 0; job < done.size(); ++job) {
    if (done[job].state == graph::JobState::kFailed) (*results)[made.places[job]] = ToError(done[job].status);
  }
  return {};
}

}  // namespace

std::vector<Result<Report>> ConvertAll(const std::vector<Options>& models, const Run& run,
                                       const Hooks& hooks) {
  Results results(models.size());
  const Error error = Guarded([&] { return RunAll(models, run, hooks, &results); });
  std::vector<Result<Report>> all;
  all.reserve(results.size());
  for (std::optional<Result<Report>>& result : results) {
    all.push_back(!error.ok() ? Result<Report>(error)
                  : result    ? *std::move(result)
                              : Error(ErrorCode::kCancelled, "cancelled"));
  }
  return all;
}

}  // namespace quantpress
