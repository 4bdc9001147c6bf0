#include "dispatch/error_stats.h"

#include "dispatch/target.h"
#include "kernels/group_range.h"

namespace quantpress::dispatch {
namespace {

struct Functions {
  decltype(&AddErrorStats) of_decoded;
  decltype(&AddCodedErrorStats) of_coded;
};

Functions Chosen() {
#if defined(__x86_64__)
  // SSE2 is part of x86-64, so it serves the targets below AVX2, scalar included.
  switch (ActiveIsa()) {
    case Isa::kAvx512:
      return {kernels::AddErrorStatsAvx512, kernels::AddCodedErrorStatsAvx512};
    case Isa::kAvx2:
      return {kernels::AddErrorStatsAvx2, kernels::AddCodedErrorStatsAvx2};
    default:
      return {kernels::AddErrorStatsSse2, kernels::AddCodedErrorStatsSse2};
  }
#elif defined(__aarch64__)
  return {kernels::AddErrorStatsNeon64, kernels::AddCodedErrorStatsNeon64};
#else
#error "add a row for this processor"
#endif
}

}  // namespace

void AddRange(const float* weights, size_t count, kernels::ErrorStats* stats) {
  if (count == 0) return;
  float low = 0, high = 0;
  kernels::GroupRange(weights, 1, count, &low, &high);
  stats->Widen(low, high);
}

void AddErrorStats(const float* weights, const float* decoded, size_t count, kernels::ErrorStats* stats) {
  Chosen().of_decoded(weights, decoded, count, stats);
}

void AddCodedErrorStats(const float* weights, const kernels::CodedGroups& coded, kernels::ErrorStats* stats) {
  Chosen().of_coded(weights, coded, stats);
}

}  // namespace quantpress::dispatch
