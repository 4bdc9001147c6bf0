#include "kernels/error_stats.hpp"

namespace quantpress::kernels {

extern "C++" void AddErrorStatsAvx2(const float* weights, const float* decoded, size_t count, ErrorStats* stats) {
  AddErrorStats<xsimd::avx2>(weights, decoded, count, stats);
}

}  // namespace quantpress::kernels
