// A flag that one thread (or a signal handler) raises and running tasks look at.
#ifndef QUANTPRESS_DISPATCH_CANCELLATION_H_
#define QUANTPRESS_DISPATCH_CANCELLATION_H_

#include <atomic>

namespace quantpress::dispatch {

// Lock-free, so Cancel() may be called from a signal handler. Safe from several threads.
class CancellationToken {
 public:
  void Cancel() { cancelled_.store(true, std::memory_order_relaxed); }
  bool cancelled() const { return cancelled_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> cancelled_{false};
  static_assert(std::atomic<bool>::is_always_lock_free);
};

}  // namespace quantpress::dispatch

#endif  // QUANTPRESS_DISPATCH_CANCELLATION_H_
