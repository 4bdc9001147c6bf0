#include "kernels/error_stats.hpp"

namespace quantpress::kernels {
namespace {

template <>
xsimd::batch<int32_t, xsimd::avx512dq> LoadIndexes<xsimd::avx512dq>(const uint8_t* indexes) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(indexes)));
}

}  // namespace

extern "C++" void AddErrorStatsAvx512(const float* weights, const float* decoded, size_t count, ErrorStats* stats) {
  AddErrorStats<xsimd::avx512dq>(weights, decoded, count, stats);
}

extern "C++" void AddCodedErrorStatsAvx512(const float* weights, const CodedGroups& coded, ErrorStats* stats) {
  AddCodedErrorStats<xsimd::avx512dq>(weights, coded, stats);
}

}  // namespace quantpress::kernels
