#include "kernels/target.h"

#include <utility>

namespace quantpress::kernels {
namespace {

// Column 0 holds Highway's own choice, which asks the CPU again at every call that is not prepared for; here it means
// "none set".
constinit thread_local size_t thread_column = 0;

size_t BestColumn() {
  static const size_t best = ColumnOf(CpuTargets());
  return best;
}

}  // namespace

int64_t CpuTargets() {
  static const int64_t targets = HWY_SUPPORTED_TARGETS & HWY_TARGETS;
  return targets;
}

size_t ColumnOf(int64_t target) {
  const int64_t bits =
      (HWY_CHOSEN_TARGET_SHIFT(target) | HWY_CHOSEN_TARGET_MASK_SCALAR) & HWY_CHOSEN_TARGET_MASK_TARGETS;
  return hwy::Num0BitsBelowLS1Bit_Nonzero64(static_cast<uint64_t>(bits));
}

size_t ThreadColumn() { return thread_column != 0 ? thread_column : BestColumn(); }

size_t SetThreadColumn(size_t column) { return std::exchange(thread_column, column); }

}  // namespace quantpress::kernels
