// Runs a list of independent tasks under a thread and a memory budget. What a task does never depends on the thread
// count; only the order in which tasks run does.
#ifndef QUANTPRESS_DISPATCH_SCHEDULER_H_
#define QUANTPRESS_DISPATCH_SCHEDULER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "dispatch/cancellation.h"
#include "dispatch/status.h"
#include "dispatch/target.h"

namespace quantpress::dispatch {

struct Budget {
  int threads = 0;                     // 0: all that the process may use
  uint64_t memory_bytes = 512u << 20;  // scratch of all running tasks together
  Isa isa = Isa::kAuto;                // what kernels use; kAuto: as on the calling thread
};

struct TaskList {
  size_t count = 0;
  // Bytes of scratch that task i needs; 64-byte aligned memory is handed to it. Called before anything runs.
  std::function<uint64_t(size_t)> scratch_bytes;
  // Runs task i. Called from any thread, each index once.
  std::function<Status(size_t, std::span<std::byte>)> run;
};

struct RunHooks {
  const CancellationToken* cancellation = nullptr;
  std::function<void(size_t)> on_done;  // task i is complete; called from worker threads, must be thread-safe
};

// Runs all tasks. Fewer threads than asked run at once when their scratch together would pass the memory budget. Errors: the error of
// the lowest-numbered failing task (later tasks may be skipped), Cancelled(), an error if a single task needs more
// than the budget, or if the CPU lacks the instruction set. Exceptions of dependencies are caught here.
Status RunTasks(const TaskList& tasks, const Budget& budget, const RunHooks& hooks = {});

}  // namespace quantpress::dispatch

#endif  // QUANTPRESS_DISPATCH_SCHEDULER_H_
