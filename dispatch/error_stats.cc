#include "dispatch/error_stats.h"

#include "dispatch/target.h"

namespace quantpress::dispatch {

void AddErrorStats(const float* weights, const float* decoded, size_t count, kernels::ErrorStats* stats) {
#if defined(__x86_64__)
  // SSE2 is part of x86-64, so it serves the targets below AVX2, scalar included.
  switch (ActiveIsa()) {
    case Isa::kAvx512:
      return kernels::AddErrorStatsAvx512(weights, decoded, count, stats);
    case Isa::kAvx2:
      return kernels::AddErrorStatsAvx2(weights, decoded, count, stats);
    default:
      return kernels::AddErrorStatsSse2(weights, decoded, count, stats);
  }
#elif defined(__aarch64__)
  kernels::AddErrorStatsNeon64(weights, decoded, count, stats);
#else
#error "add a row for this processor"
#endif
}

void AddCodedErrorStats(const float* weights, const kernels::CodedGroups& coded, kernels::ErrorStats* stats) {
#if defined(__x86_64__)
  switch (ActiveIsa()) {
    case Isa::kAvx512:
      return kernels::AddCodedErrorStatsAvx512(weights, coded, stats);
    case Isa::kAvx2:
      return kernels::AddCodedErrorStatsAvx2(weights, coded, stats);
    default:
      return kernels::AddCodedErrorStatsSse2(weights, coded, stats);
  }
#elif defined(__aarch64__)
  kernels::AddCodedErrorStatsNeon64(weights, coded, stats);
#else
#error "add a row for this processor"
#endif
}

}  // namespace quantpress::dispatch
