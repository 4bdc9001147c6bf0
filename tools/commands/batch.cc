// `quantpress batch`: many models under one thread and one memory budget.
#include <chrono>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <system_error>

#include "graph/batch/shard.h"
#include "tools/commands/batch_jobs.h"
#include "tools/commands/commands.h"
#include "tools/commands/summary.h"
#include "tools/terminal/progress.h"
#include "tools/terminal/signals.h"

namespace quantpress::tools {
namespace {

using graph::JobResult;
using graph::JobState;
using Json = nlohmann::ordered_json;

constexpr size_t kMostFailed = 20;  // that are named at the end

std::string_view StateName(JobState state) {
  switch (state) {
    case JobState::kConverted: return "converted";
    case JobState::kComplete: return "complete";
    case JobState::kFailed: return "failed";
    case JobState::kNotRun: return "not run";
  }
  return "?";
}

struct Totals {
  size_t converted = 0, complete = 0, failed = 0, not_run = 0;
  uint64_t source_bytes = 0, output_bytes = 0;
};

Totals Sum(const std::vector<JobResult>& results) {
  Totals totals;
  for (const JobResult& result : results) {
    totals.converted += result.state == JobState::kConverted;
    totals.complete += result.state == JobState::kComplete;
    totals.failed += result.state == JobState::kFailed;
    totals.not_run += result.state == JobState::kNotRun;
    totals.source_bytes += result.source_bytes;
    totals.output_bytes += result.output_bytes;
  }
  return totals;
}

// The models of this process.
std::vector<BatchModel> Share(std::vector<BatchModel> models, const Shard& shard) {
  std::vector<uint64_t> sizes;
  for (const BatchModel& model : models) sizes.push_back(model.job.size);
  std::vector<BatchModel> mine;
  for (const size_t i : graph::JobsOfShard(sizes, shard.index, shard.count)) mine.push_back(std::move(models[i]));
  return mine;
}

Json ResultJson(const BatchModel& model, const JobResult& result) {
  Json row = {{"source", model.row.source}, {"output", model.row.output}, {"state", StateName(result.state)}};
  if (result.state == JobState::kFailed) row["error"] = Message(result.status);
  if (result.state == JobState::kConverted) {
    row["source_bytes"] = result.source_bytes;
    row["output_bytes"] = result.output_bytes;
    row["seconds"] = result.seconds;
  }
  return row;
}

Json TotalsJson(const Totals& totals, double seconds) {
  return {{"converted", totals.converted}, {"complete", totals.complete},         {"failed", totals.failed},
          {"not_run", totals.not_run},     {"source_bytes", totals.source_bytes}, {"output_bytes", totals.output_bytes},
          {"seconds", seconds}};
}

// Says what became of the models, one after the other.
class Reporter {
 public:
  Reporter(const Context& context, const std::vector<BatchModel>& models, ProgressLine* progress)
      : context_(context), models_(models), progress_(*progress) {}

  void Report(const BatchModel& model, const JobResult& result) {
    progress_.Clear();
    ++count_;
    const Messages& messages = context_.messages;
    const About about = {.file = model.row.source};
    if (!result.warning.empty()) messages.Warning(fmt::format("{}: {}; --resume will convert it again", model.row.output, result.warning), about);
    if (messages.json()) return ReportJson(model, result);
    const std::string place = fmt::format("[{}/{}]", count_, models_.size());
    if (result.state == JobState::kFailed) {
      messages.Error(fmt::format("{} {}: {}", place, model.row.where, Message(result.status)));
      return;
    }
    if (messages.verbose()) {
      for (const std::string& note : ConversionNotes(result.notes, result.plan, true)) messages.Note(fmt::format("{}: {}", model.row.output, note));
    }
    if (result.state == JobState::kComplete) {
      if (messages.verbose()) messages.Plain(fmt::format("{} {}: complete", place, model.row.output));
      return;
    }
    messages.Plain(fmt::format("{} {}: {} -> {}, {:.2f} s", place, model.row.output, HumanBytes(result.source_bytes),
                               HumanBytes(result.output_bytes), result.seconds));
  }

 private:
  void ReportJson(const BatchModel& model, const JobResult& result) const {
    const bool failed = result.state == JobState::kFailed;
    if (context_.messages.verbose()) PrintNotes(context_.messages, result.notes, result.plan, {.file = model.row.source});
    Json json = {{"message", failed ? Message(result.status) : std::string(StateName(result.state))}};
    json["file"] = model.row.source;
    json.update(ResultJson(model, result));
    json.erase("source");
    json.erase("error");
    json["done"] = count_;
    json["models"] = models_.size();
    context_.messages.Fields(failed ? "error" : "info", json);
  }

  const Context& context_;
  const std::vector<BatchModel>& models_;
  ProgressLine& progress_;
  size_t count_ = 0;
};

std::string SummaryText(const Totals& totals, size_t models, const Shard& shard, double seconds, int threads) {
  std::string out = fmt::format("{} model{}", models, models == 1 ? "" : "s");
  if (shard.count > 1) out += fmt::format(" of part {}/{}", shard.index + 1, shard.count);
  out += fmt::format(": {} converted", totals.converted);
  if (totals.complete > 0) out += fmt::format(", {} complete before", totals.complete);
  if (totals.failed > 0) out += fmt::format(", {} failed", totals.failed);
  if (totals.not_run > 0) out += fmt::format(", {} not run", totals.not_run);
  if (totals.converted > 0) {
    out += fmt::format("\n  files    {} -> {}", HumanBytes(totals.source_bytes), HumanBytes(totals.output_bytes));
  }
  out += fmt::format("\n  time     {:.2f} s", seconds);
  if (totals.source_bytes > 0 && seconds > 0) {
    out += fmt::format(", {}/s", HumanBytes(static_cast<uint64_t>(static_cast<double>(totals.source_bytes) / seconds)));
  }
  out += fmt::format(", {} thread{}", threads, threads == 1 ? "" : "s");
  return out;
}

std::string SummaryJson(const std::vector<BatchModel>& models, const std::vector<JobResult>& results, const Totals& totals, double seconds) {
  Json json = {{"models", Json::array()}};
  for (size_t i = 0; i < models.size(); ++i) json["models"].push_back(ResultJson(models[i], results[i]));
  json.update(TotalsJson(totals, seconds));
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// A line for each model that failed: its own message may have scrolled away.
std::string FailedText(const std::vector<BatchModel>& models, const std::vector<JobResult>& results) {
  std::string out;
  size_t failed = 0;
  for (size_t i = 0; i < models.size(); ++i) {
    const graph::ManifestRow& row = models[i].row;
    if (results[i].state != JobState::kFailed || ++failed > kMostFailed) continue;
    out += row.where == row.source ? fmt::format("\n  failed   {}", row.source) : fmt::format("\n  failed   {} ({})", row.source, row.where);
  }
  if (failed > kMostFailed) out += fmt::format("\n  failed   {} more", failed - kMostFailed);
  return out;
}

int PrintList(const Context& context, const std::vector<BatchModel>& models) {
  std::string out;
  for (const BatchModel& model : models) out += fmt::format("{}\t{}\n", model.row.source, model.row.output);
  return PrintData(context, out);
}

StatusOr<std::unique_ptr<graph::Ledger>> OpenLedger(const std::string& path, const Shard& shard, bool resume) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty() && !std::filesystem::create_directories(folder, error) && error) {
    return SystemError("cannot make folder '{}': {}", folder.string(), error.message());
  }
  const std::string own = shard.count > 1 ? fmt::format("{}.{}-of-{}", path, shard.index + 1, shard.count) : path;
  return graph::Ledger::Open(own, path, resume);
}

int Run(const Context& context, const std::vector<BatchModel>& models, graph::Ledger* ledger, const Shard& shard, dispatch::Isa isa) {
  const ParsedLine& line = context.line;
  const auto start = std::chrono::steady_clock::now();
  std::vector<JobResult> results(models.size());
  std::vector<graph::BatchJob> jobs;
  std::vector<size_t> place;  // of each job in `models`
  ProgressLine progress(context.messages.is_terminal() && context.messages.verbosity() != Verbosity::kQuiet && !line.Flag("no-progress"),
                        ProgressLine::Unit::kBytes);
  Reporter reporter(context, models, &progress);
  for (size_t i = 0; i < models.size(); ++i) {
    for (const std::string& warning : models[i].warnings) context.messages.Warning(fmt::format("{}: {}", models[i].row.where, warning), {.file = models[i].row.source});
    if (models[i].status.ok()) {
      jobs.push_back(models[i].job);
      place.push_back(i);
    } else {
      results[i].state = JobState::kFailed;
      results[i].status = models[i].status;
      reporter.Report(models[i], results[i]);
    }
  }
  graph::BatchSetup setup;
  setup.budget.threads = line.Int("threads") > 0 ? static_cast<int>(line.Int("threads")) : AvailableThreads();
  setup.budget.memory_bytes = line.Size("memory");
  setup.budget.isa = isa;
  setup.ledger = ledger;
  setup.resume = line.Flag("resume");
  graph::BatchHooks hooks;
  hooks.cancellation = &CancelOnSignals();
  hooks.on_result = [&](size_t job, const JobResult& result) { reporter.Report(models[place[job]], result); };
  hooks.on_progress = [&](uint64_t done, uint64_t total) { progress.Update(done, total); };
  if (setup.resume) graph::RemoveLeftovers(jobs);
  std::vector<JobResult> done = graph::RunBatch(jobs, setup, hooks);
  progress.Clear();
  for (size_t i = 0; i < done.size(); ++i) results[place[i]] = std::move(done[i]);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const Totals totals = Sum(results);
  if (context.messages.json()) {
    context.messages.AddToSummary({{"models", models.size()}});
    context.messages.AddToSummary(TotalsJson(totals, seconds));
  } else {
    context.messages.Plain(SummaryText(totals, models.size(), shard, seconds, setup.budget.threads) + FailedText(models, results));
  }
  if (line.Flag("json")) {
    if (const int code = PrintData(context, SummaryJson(models, results, totals, seconds)); code != kExitOk) return code;
  }
  if (totals.not_run > 0 && SignalReceived() != 0) {
    context.messages.Error("cancelled; --resume goes on from here");
    return 128 + SignalReceived();
  }
  return totals.failed > 0 ? kExitError : kExitOk;
}

}  // namespace

int RunBatch(const Context& context) {
  const ParsedLine& line = context.line;
  const StatusOr<Shard> shard = ParseShard(line.Text("shard"));
  if (!shard.ok()) return FailUsage(context, shard.status());
  StatusOr<BatchList> list = MakeBatchList(line);
  if (!list.ok()) return FailUsage(context, list.status());
  for (const std::string& note : line.notes) context.messages.Note(note);
  const std::vector<BatchModel> models = Share(std::move(list->models), *shard);
  if (line.Flag("dry-run")) return PrintList(context, models);
  const StatusOr<dispatch::Isa> isa = IsaFromLine(line);
  if (!isa.ok()) return Fail(context, isa.status());
  const StatusOr<std::unique_ptr<graph::Ledger>> ledger = OpenLedger(list->ledger, *shard, line.Flag("resume"));
  if (!ledger.ok()) return Fail(context, ledger.status());
  return Run(context, models, ledger->get(), *shard, *isa);
}

}  // namespace quantpress::tools
