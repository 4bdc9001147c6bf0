#include "kernels/error_stats.hpp"

namespace quantpress::kernels {

extern "C++" void AddErrorStatsAvx512(const float* weights, const float* decoded, size_t count, ErrorStats* stats) {
  AddErrorStats<xsimd::avx512dq>(weights, decoded, count, stats);
}

}  // namespace quantpress::kernels
