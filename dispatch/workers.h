// Threads, from oneTBB. The one place that includes its headers.
#ifndef QUANTPRESS_DISPATCH_WORKERS_H_
#define QUANTPRESS_DISPATCH_WORKERS_H_

#include <cstddef>
#include <functional>

namespace quantpress::dispatch {

inline constexpr int kMaxThreads = 1024;

// Threads that the process may use at once.
int AvailableConcurrency();

// Calls serve(0) to serve(workers - 1), on up to `threads` threads (1 to kMaxThreads) with the calling one among them,
// and waits for all. One thread may serve several. Everything written before is seen by every call, and everything that
// the calls write is seen behind. Lets exceptions through.
void RunWorkers(int threads, size_t workers, const std::function<void(size_t)>& serve);

}  // namespace quantpress::dispatch

#endif  // QUANTPRESS_DISPATCH_WORKERS_H_
