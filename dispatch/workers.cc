#include "dispatch/workers.h"

#include <optional>

#include "tbb/global_control.h"
#include "tbb/info.h"
#include "tbb/parallel_for.h"
#include "tbb/task_arena.h"

// ThreadSanitizer cannot look into the distribution's oneTBB, which is not instrumented, and would take its task
// objects, and everything that goes from thread to thread by them, for races. So this file is not instrumented either
// (CMakeLists.txt), and says what TBB guarantees.
#if defined(QUANTPRESS_THREAD_SANITIZER)
#include <sanitizer/tsan_interface.h>
#define QP_ACQUIRE(address) __tsan_acquire(address)
#define QP_RELEASE(address) __tsan_release(address)
#else
#define QP_ACQUIRE(address) static_cast<void>(address)
#define QP_RELEASE(address) static_cast<void>(address)
#endif

namespace quantpress::dispatch {

int AvailableConcurrency() { return tbb::info::default_concurrency(); }

void RunWorkers(int threads, size_t workers, const std::function<void(size_t)>& serve) {
  char start = 0, end = 0;
  QP_RELEASE(&start);
  const auto work = [&](size_t worker) {
    QP_ACQUIRE(&start);
    serve(worker);
    QP_RELEASE(&end);
  };
  // TBB makes as many workers as there are processors; more must be asked for. Of several controls at the same time the
  // smallest counts, so all ask for the same: how many threads serve this call is up to its arena.
  std::optional<tbb::global_control> more;
  if (threads > AvailableConcurrency()) {
    more.emplace(tbb::global_control::max_allowed_parallelism, size_t{kMaxThreads});
  }
  tbb::task_arena arena(threads);
  arena.execute([&] { tbb::parallel_for(size_t{0}, workers, work, tbb::simple_partitioner()); });
  QP_ACQUIRE(&end);
}

}  // namespace quantpress::dispatch
