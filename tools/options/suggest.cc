#include "tools/options/suggest.h"

#include <algorithm>
#include <cstddef>
#include <string>

namespace quantpress::tools {
namespace {

// Far longer than any name of ours; bounds the work on absurd input.
constexpr size_t kLongest = 64;

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// Optimal string alignment distance.
size_t Distance(const std::string& a, const std::string& b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) now[j] = std::min(now[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(now);
  }
  return last[b.size()];
}

}  // namespace

std::string_view Nearest(std::string_view typed, const std::vector<std::string_view>& candidates) {
  if (typed.empty() || typed.size() > kLongest) return {};
  const std::string lower = LowerCase(typed);
  std::string_view best;
  size_t best_distance = std::max<size_t>(2, typed.size() / 3) + 1;
  for (std::string_view candidate : candidates) {
    const size_t distance = Distance(lower, LowerCase(candidate));
    if (distance < best_distance && distance < candidate.size()) {
      best = candidate;
      best_distance = distance;
    }
  }
  return best;
}

}  // namespace quantpress::tools
