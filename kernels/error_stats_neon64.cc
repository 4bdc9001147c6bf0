#include "kernels/error_stats.hpp"

namespace quantpress::kernels {

extern "C++" void AddErrorStatsNeon64(const float* weights, const float* decoded, size_t count, ErrorStats* stats) {
  AddErrorStats<xsimd::neon64>(weights, decoded, count, stats);
}

}  // namespace quantpress::kernels
