#include "dispatch/scheduler.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <vector>

#include "dispatch/workers.h"

namespace quantpress::dispatch {
namespace {

constexpr std::align_val_t kAlignment{64};

struct AlignedDelete {
  void operator()(std::byte* p) const { ::operator delete[](p, kAlignment); }
};

// Scratch of one worker; grows to the largest task it meets.
class Scratch {
 public:
  std::span<std::byte> Get(uint64_t bytes) {
    if (bytes > size_) {
      memory_.reset();
      memory_.reset(static_cast<std::byte*>(::operator new[](bytes, kAlignment)));
      size_ = bytes;
    }
    return {memory_.get(), static_cast<size_t>(bytes)};
  }

 private:
  std::unique_ptr<std::byte, AlignedDelete> memory_;
  uint64_t size_ = 0;
};

// The error of the lowest-numbered task that failed.
class FirstError {
 public:
  void Report(size_t task, Status status) {
    const std::lock_guard lock(mutex_);
    if (task >= task_.load(std::memory_order_relaxed)) return;
    task_.store(task, std::memory_order_relaxed);
    status_ = std::move(status);
  }
  // Tasks behind a failed one need not run.
  bool Concerns(size_t task) const { return task < task_.load(std::memory_order_relaxed); }
  Status Take() { return std::move(status_); }

 private:
  std::mutex mutex_;
  std::atomic<size_t> task_{SIZE_MAX};
  Status status_;
};

Status RunOne(const TaskList& tasks, size_t task, uint64_t bytes, Scratch* scratch) {
  try {
    return tasks.run(task, scratch->Get(bytes));
  } catch (const std::bad_alloc&) {
    return SystemError("out of memory ({} bytes of scratch); lower --threads or --memory", bytes);
  } catch (const std::exception& e) {
    return SystemError("unexpected failure: {}", e.what());
  }
}

// Runs the listed tasks on up to `workers` workers, each taking the next one as it gets free.
void RunGroup(const TaskList& tasks, const std::vector<size_t>& group, const std::vector<uint64_t>& bytes, int threads,
              size_t workers, Isa isa, const RunHooks& hooks, FirstError* error) {
  std::atomic<size_t> next{0};
  std::vector<Scratch> scratch(workers);
  const auto serve = [&](size_t worker) {
    const IsaScope scope(isa);  // of the thread, which serves other calls before and behind
    for (;;) {
      const size_t position = next.fetch_add(1, std::memory_order_relaxed);
      if (position >= group.size()) return;
      if (hooks.cancellation != nullptr && hooks.cancellation->cancelled()) return;
      const size_t task = group[position];
      if (!error->Concerns(task)) continue;
      Status status = RunOne(tasks, task, bytes[task], &scratch[worker]);
      if (!status.ok()) {
        error->Report(task, std::move(status));
      } else if (hooks.on_done) {
        hooks.on_done(task);
      }
    }
  };
  if (workers == 1) return serve(0);
  RunWorkers(threads, workers, serve);
}

// Splits the tasks in those that all threads can run at once within the budget, and bigger ones.
Status Run(const TaskList& tasks, const Budget& budget, const RunHooks& hooks) {
  const auto threads = static_cast<size_t>(budget.threads);
  std::vector<uint64_t> bytes(tasks.count);
  std::vector<size_t> small, big;
  uint64_t biggest = 0;
  for (size_t i = 0; i < tasks.count; ++i) {
    bytes[i] = tasks.scratch_bytes ? tasks.scratch_bytes(i) : 0;
    if (bytes[i] > budget.memory_bytes) {
      return MakeStatus(absl::StatusCode::kResourceExhausted,
                        fmt::format("a piece of work needs {} MB of memory; --memory allows {} MB", bytes[i] / 1000000 + 1,
                                    budget.memory_bytes / 1000000));
    }
    if (bytes[i] <= budget.memory_bytes / threads) {
      small.push_back(i);
    } else {
      big.push_back(i);
      biggest = std::max(biggest, bytes[i]);
    }
  }
  FirstError error;
  if (!small.empty()) RunGroup(tasks, small, bytes, budget.threads, std::min(threads, small.size()), budget.isa, hooks, &error);
  if (!big.empty()) {
    const size_t workers = static_cast<size_t>(std::max<uint64_t>(1, budget.memory_bytes / biggest));
    RunGroup(tasks, big, bytes, budget.threads, std::min({workers, threads, big.size()}), budget.isa, hooks, &error);
  }
  if (hooks.cancellation != nullptr && hooks.cancellation->cancelled()) return Cancelled();
  return error.Take();
}

}  // namespace

Status RunTasks(const TaskList& tasks, const Budget& budget, const RunHooks& hooks) {
  if (budget.threads < 0 || budget.threads > kMaxThreads) {
    return InvalidInput("{} threads asked for; possible are 1 to {}, and 0 for all", budget.threads, kMaxThreads);
  }
  Budget known = budget;
  if (known.isa == Isa::kAuto) known.isa = ActiveIsa();
  QP_RETURN_IF_ERROR(ResolveIsa(known.isa).status());
  try {
    if (known.threads == 0) known.threads = AvailableConcurrency();
    return Run(tasks, known, hooks);
  } catch (const std::exception& e) {
    return SystemError("cannot start work: {}", e.what());
  }
}

}  // namespace quantpress::dispatch
