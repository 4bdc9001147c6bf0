// The line that shows how far a conversion is.
#ifndef QUANTPRESS_TOOLS_TERMINAL_PROGRESS_H_
#define QUANTPRESS_TOOLS_TERMINAL_PROGRESS_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>

namespace quantpress::tools {

class ProgressLine {
 public:
  enum class Unit { kWeights, kBytes };

  // Prints nothing unless `enabled`.
  explicit ProgressLine(bool enabled, Unit unit = Unit::kWeights) : enabled_(enabled), unit_(unit) {}
  ~ProgressLine() { Clear(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // From any thread; never waits for another one. Prints at most five times a second.
  void Update(uint64_t done, uint64_t total);

  // Takes the line away, so that messages start on an empty one.
  void Clear();

 private:
  using Clock = std::chrono::steady_clock;

  const bool enabled_;
  const Unit unit_;
  std::mutex mutex_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point next_ = start_ + std::chrono::milliseconds(200);
  bool shown_ = false;
};

// "1.20 GB", "33.1 MB", "512 bytes": powers of 1000.
std::string HumanBytes(uint64_t bytes);
// "200.0 million", "12.4 thousand", "950".
std::string HumanCount(uint64_t count);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_TERMINAL_PROGRESS_H_
