#include "tools/terminal/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <iterator>

#include "fmt/format.h"
#include "tools/terminal/standard_streams.h"

namespace quantpress::tools {
namespace {

constexpr std::chrono::milliseconds kInterval(200);

size_t TerminalWidth() {
  winsize size{};
  return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

void ProgressLine::Update(uint64_t done, uint64_t total) {
  if (!enabled_ || total == 0) return;
  std::unique_lock<std::mutex> lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  const Clock::time_point now = Clock::now();
  if (now < next_) return;
  next_ = now + kInterval;
  done = std::min(done, total);
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = static_cast<double>(done) / seconds;
  const bool bytes = unit_ == Unit::kBytes;
  const auto amount = [bytes](uint64_t n) { return bytes ? HumanBytes(n) : HumanCount(n); };
  std::string line = fmt::format("{:3.0f} %  {} of {}{}  {}/s", 100.0 * static_cast<double>(done) / static_cast<double>(total), amount(done),
                                 amount(total), bytes ? "" : " weights", amount(static_cast<uint64_t>(rate)));
  if (rate > 0) line += fmt::format("  {:.0f} s left", static_cast<double>(total - done) / rate);
  line.resize(std::min(line.size(), TerminalWidth() - 1));
  WriteStandardError("\r\x1b[K" + line);
  shown_ = true;
}

void ProgressLine::Clear() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (shown_) WriteStandardError("\r\x1b[K");
  shown_ = false;
}

std::string HumanBytes(uint64_t bytes) {
  const char* const units[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return fmt::format("{} bytes", bytes);
  double value = static_cast<double>(bytes) / 1000;
  size_t unit = 0;
  while (value >= 999.5 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.{}f} {}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0, units[unit]);
}

std::string HumanCount(uint64_t count) {
  const char* const units[] = {"thousand", "million", "billion", "trillion"};
  if (count < 1000) return fmt::format("{}", count);
  double value = static_cast<double>(count) / 1000;
  size_t unit = 0;
  while (value >= 999.95 && unit + 1 < std::size(units)) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.1f} {}", value, units[unit]);
}

}  // namespace quantpress::tools
