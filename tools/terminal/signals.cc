#include "tools/terminal/signals.h"

#include <csignal>
#include <ctime>

namespace quantpress::tools {
namespace {

// A signal handler can reach nothing but globals.
dispatch::CancellationToken token;
std::atomic<int> received{0};
std::atomic<time_t> received_at{0};
static_assert(std::atomic<time_t>::is_always_lock_free);

extern "C" void HandleSignal(int number) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  int none = 0;
  if (received.compare_exchange_strong(none, number)) {
    received_at.store(now.tv_sec);
    token.Cancel();
    return;
  }
  // Some senders, such as timeout(1), signal the process and then its group: the second one means nothing new.
  if (now.tv_sec - received_at.load() < 2) return;
  std::signal(number, SIG_DFL);
  std::raise(number);
}

}  // namespace

const dispatch::CancellationToken& CancelOnSignals() {
  for (int number : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction old {};
    if (sigaction(number, nullptr, &old) != 0 || old.sa_handler == SIG_IGN) continue;
    struct sigaction action {};
    action.sa_handler = HandleSignal;
    action.sa_flags = SA_RESTART;
    sigaction(number, &action, nullptr);
  }
  return token;
}

int SignalReceived() { return received.load(); }

}  // namespace quantpress::tools
