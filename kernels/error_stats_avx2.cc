#include "kernels/error_stats.hpp"

namespace quantpress::kernels {
namespace {

template <>
xsimd::batch<int32_t, xsimd::avx2> LoadIndexes<xsimd::avx2>(const uint8_t* indexes) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(indexes)));
}

}  // namespace

extern "C++" void AddErrorStatsAvx2(const float* weights, const float* decoded, size_t count, ErrorStats* stats) {
  AddErrorStats<xsimd::avx2>(weights, decoded, count, stats);
}

extern "C++" void AddCodedErrorStatsAvx2(const float* weights, const CodedGroups& coded, ErrorStats* stats) {
  AddCodedErrorStats<xsimd::avx2>(weights, coded, stats);
}

}  // namespace quantpress::kernels
