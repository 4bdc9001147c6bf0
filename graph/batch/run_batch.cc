#include "graph/batch/run_batch.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <filesystem>
#include <mutex>
#include <numeric>
#include <set>
#include <system_error>
#include <thread>

#include "graph/ir/content_hash.h"
#include "graph/version.h"

namespace quantpress::graph {
namespace {

namespace fs = std::filesystem;

constexpr char kMissing[] = "missing";
constexpr char kExternalSuffix[] = ".weight";

bool Exists(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0;
}

// Hash of the recipe, kMissing where there is none yet, empty where none is asked for.
StatusOr<std::string> RecipeState(const ConvertOptions& options) {
  const std::string& path = options.quantize.recipe_path;
  if (path.empty()) return std::string();
  if (!Exists(path)) return std::string(kMissing);
  return FileHash(path);
}

// Hashes of all files that the source consists of.
StatusOr<std::string> SourceHashes(const ImportOptions& import) {
  QP_ASSIGN_OR_RETURN(const Model model, ImportModel(import));
  QP_ASSIGN_OR_RETURN(std::string all, FileHash(import.model_path));
  if (!import.prototxt_path.empty()) {
    QP_ASSIGN_OR_RETURN(const std::string hash, FileHash(import.prototxt_path));
    all += hash;
  }
  if (import.static_shapes && !import.input_config_path.empty()) {
    QP_ASSIGN_OR_RETURN(const std::string hash, FileHash(import.input_config_path));
    all += hash;
  }
  for (const std::string& path : model.external_files) {
    QP_ASSIGN_OR_RETURN(const std::string hash, FileHash(path));
    all += hash;
  }
  return all;
}

std::string KeyOf(const BatchJob& job, const std::string& sources, const std::string& recipe) {
  return ContentHash(fmt::format("1\n{}\n{}\n{}\n{}", Version(), job.settings, sources, recipe));
}

bool IsUnchanged(const LedgerFile& file) {
  struct stat info {};
  if (::stat(file.path.c_str(), &info) != 0 || static_cast<uint64_t>(info.st_size) != file.bytes) return false;
  const auto hash = FileHash(file.path);
  return hash.ok() && *hash == file.hash;
}

StatusOr<LedgerFile> Describe(const std::string& path) {
  LedgerFile file;
  file.path = path;
  QP_ASSIGN_OR_RETURN(file.hash, FileHash(path));
  struct stat info {};
  if (::stat(path.c_str(), &info) == 0) file.bytes = static_cast<uint64_t>(info.st_size);
  return file;
}

Status MakeFolderOf(const std::string& path) {
  std::error_code error;
  const fs::path folder = fs::path(path).parent_path();
  if (!folder.empty() && !fs::create_directories(folder, error) && error) {
    return SystemError("cannot make folder '{}': {}", folder.string(), error.message());
  }
  return {};
}

class Batch {
 public:
  Batch(std::span<const BatchJob> jobs, const BatchSetup& setup, const BatchHooks& hooks)
      : jobs_(jobs), setup_(setup), hooks_(hooks), results_(jobs.size()), progress_(jobs.size()) {
    for (const BatchJob& job : jobs) total_ += job.size;
  }

  std::vector<JobResult> Run() {
    std::vector<size_t> order(jobs_.size());
    std::iota(order.begin(), order.end(), size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return jobs_[a].size > jobs_[b].size; });
    const auto first_small = std::find_if(order.begin(), order.end(), [&](size_t i) { return jobs_[i].size < setup_.large_bytes; });
    for (auto at = order.begin(); at != first_small; ++at) RunOne(*at, setup_.budget, false);
    SideBySide({first_small, order.end()});
    for (const size_t job : again_) RunOne(job, setup_.budget, false);
    return std::move(results_);
  }

 private:
  bool Cancelled() const { return hooks_.cancellation != nullptr && hooks_.cancellation->cancelled(); }

  void SideBySide(const std::vector<size_t>& jobs) {
    if (jobs.empty()) return;
    const auto threads = static_cast<size_t>(std::max(1, setup_.budget.threads));
    const size_t workers = std::min(threads, jobs.size());
    std::atomic<size_t> next{0};
    const auto work = [&](size_t worker) {
      dispatch::Budget budget = setup_.budget;
      budget.threads = static_cast<int>(threads / workers + (worker < threads % workers ? 1 : 0));
      budget.memory_bytes = setup_.budget.memory_bytes / workers;
      for (;;) {
        const size_t position = next.fetch_add(1, std::memory_order_relaxed);
        if (position >= jobs.size()) return;
        RunOne(jobs[position], budget, workers > 1);
      }
    };
    std::vector<std::thread> others;
    for (size_t i = 1; i < workers; ++i) {
      try {
        others.emplace_back(work, i);
      } catch (const std::system_error&) {
        break;  // fewer threads than asked for; the others take over
      }
    }
    work(0);
    for (std::thread& thread : others) thread.join();
  }

  void RunOne(size_t index, const dispatch::Budget& budget, bool may_need_more) {
    if (Cancelled()) return;
    JobResult result;
    const auto start = std::chrono::steady_clock::now();
    try {
      result.status = Do(index, budget, &result);
    } catch (const std::bad_alloc&) {
      result.status = SystemError("out of memory");
    } catch (const std::exception& error) {
      result.status = SystemError("unexpected failure: {}", error.what());
    }
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    if (!result.status.ok()) result.state = JobState::kFailed;
    const std::lock_guard lock(mutex_);
    if (may_need_more && result.status.code() == absl::StatusCode::kResourceExhausted) {
      again_.push_back(index);
      return;
    }
    if (absl::IsCancelled(result.status)) return;
    SetProgress(index, jobs_[index].size);
    results_[index] = std::move(result);
    if (hooks_.on_result) hooks_.on_result(index, results_[index]);
  }

  Status Do(size_t index, const dispatch::Budget& budget, JobResult* result) {
    const BatchJob& job = jobs_[index];
    ConvertOptions options = job.options;
    options.budget = budget;
    LedgerEntry entry;
    entry.output = options.output.output_path;
    std::string recipe;
    if (setup_.ledger != nullptr) {
      QP_ASSIGN_OR_RETURN(recipe, RecipeState(options));
      QP_ASSIGN_OR_RETURN(const std::string sources, SourceHashes(options.import));
      entry.key = KeyOf(job, sources, recipe);
      if (setup_.resume && IsComplete(job, sources, entry.key, recipe)) {
        result->state = JobState::kComplete;
        return {};
      }
    }
    QP_RETURN_IF_ERROR(MakeFolderOf(options.output.output_path));
    for (const std::string& report : job.reports) QP_RETURN_IF_ERROR(MakeFolderOf(report));
    QP_RETURN_IF_ERROR(CheckReportPaths(job.reports, options));
    const bool wants_report = !job.reports.empty() || hooks_.on_report;
    options.statistics = !job.reports.empty() || (hooks_.on_report && options.statistics);  // only a report shows them
    const auto start = std::chrono::steady_clock::now();
    ConvertHooks hooks;
    hooks.cancellation = hooks_.cancellation;
    hooks.on_progress = [&](uint64_t done, uint64_t total) {
      if (total > 0) SetProgress(index, static_cast<uint64_t>(static_cast<double>(job.size) * static_cast<double>(done) / static_cast<double>(total)));
    };
    std::vector<MeasuredLayer> measured;
    QP_ASSIGN_OR_RETURN(ConvertResult converted, options.statistics ? ConvertAndMeasure(options, hooks, &measured) : Convert(options, hooks));
    if (wants_report) {
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
      Report report = MakeReport(options, converted, measured, {seconds, budget.threads});
      QP_RETURN_IF_ERROR(Annotate(WriteReports(report, job.reports), "the model was written, but not its report"));
      if (hooks_.on_report) hooks_.on_report(index, options, std::move(report), converted.external);
    }
    result->state = JobState::kConverted;
    result->notes = std::move(converted.notes);
    result->plan = std::move(converted.plan);
    result->source_bytes = converted.source_bytes;
    result->output_bytes = converted.output_bytes;
    if (setup_.ledger != nullptr) {
      if (const Status status = Record(job, recipe, converted.external, &entry); !status.ok()) result->warning = Message(status);
    }
    return {};
  }

  bool IsComplete(const BatchJob& job, const std::string& sources, const std::string& key, const std::string& recipe) const {
    for (const LedgerEntry* entry : setup_.ledger->Find(job.options.output.output_path)) {
      // The recipe that this conversion made is there now; then it was missing.
      const bool made = !entry->made_recipe.empty() && entry->made_recipe == recipe;
      if (entry->key != (made ? KeyOf(job, sources, kMissing) : key)) continue;
      if (!entry->files.empty() && std::all_of(entry->files.begin(), entry->files.end(), IsUnchanged)) return true;
    }
    return false;
  }

  Status Record(const BatchJob& job, const std::string& recipe_before, bool external, LedgerEntry* entry) {
    const ConvertOptions& options = job.options;
    std::vector<std::string> paths = {options.output.output_path};
    if (external) paths.push_back(options.output.output_path + kExternalSuffix);
    paths.insert(paths.end(), job.reports.begin(), job.reports.end());
    for (const std::string& path : paths) {
      QP_ASSIGN_OR_RETURN(LedgerFile file, Describe(path));
      entry->files.push_back(std::move(file));
    }
    if (recipe_before == kMissing) {
      QP_ASSIGN_OR_RETURN(entry->made_recipe, FileHash(options.quantize.recipe_path));
    }
    return setup_.ledger->Append(*entry);
  }

  void SetProgress(size_t index, uint64_t bytes) {
    const uint64_t before = progress_[index].exchange(bytes, std::memory_order_relaxed);
    const uint64_t done = done_.fetch_add(bytes - before, std::memory_order_relaxed) + (bytes - before);
    if (hooks_.on_progress) hooks_.on_progress(done, total_);
  }

  const std::span<const BatchJob> jobs_;
  const BatchSetup& setup_;
  const BatchHooks& hooks_;
  std::vector<JobResult> results_;
  std::vector<std::atomic<uint64_t>> progress_;  // bytes of each job that are done
  std::atomic<uint64_t> done_{0};
  uint64_t total_ = 0;
  std::mutex mutex_;
  std::vector<size_t> again_;
};

}  // namespace

std::vector<JobResult> RunBatch(std::span<const BatchJob> jobs, const BatchSetup& setup, const BatchHooks& hooks) {
  return Batch(jobs, setup, hooks).Run();
}

void RemoveLeftovers(std::span<const BatchJob> jobs) {
  std::set<std::string> folders, names;
  for (const BatchJob& job : jobs) {
    const fs::path output(job.options.output.output_path);
    const std::string folder = output.has_parent_path() ? output.parent_path().string() : ".";
    folders.insert(folder);
    for (const char* suffix : {"", kExternalSuffix}) names.insert(fmt::format("{}/.{}{}", folder, output.filename().string(), suffix));
  }
  for (const std::string& folder : folders) {
    std::vector<std::string> found;
    std::error_code error;
    for (fs::directory_iterator at(folder, error); !error && at != fs::directory_iterator(); at.increment(error)) {
      const std::string path = fmt::format("{}/{}", folder, at->path().filename().string());
      const size_t mark = path.rfind(".quantpress-");
      if (mark != std::string::npos && names.contains(path.substr(0, mark))) found.push_back(path);
    }
    for (const std::string& path : found) ::unlink(path.c_str());
  }
}

}  // namespace quantpress::graph
