#include "kernels/error_stats.hpp"

namespace quantpress::kernels {
namespace {

template <>
xsimd::batch<int32_t, xsimd::sse2> LoadIndexes<xsimd::sse2>(const uint8_t* indexes) {
  int32_t bytes;
  __builtin_memcpy(&bytes, indexes, sizeof(bytes));
  const __m128i zero = _mm_setzero_si128();
  return _mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(bytes), zero), zero);
}

}  // namespace

extern "C++" void AddErrorStatsSse2(const float* weights, const float* decoded, size_t count, ErrorStats* stats) {
  AddErrorStats<xsimd::sse2>(weights, decoded, count, stats);
}

extern "C++" void AddCodedErrorStatsSse2(const float* weights, const CodedGroups& coded, ErrorStats* stats) {
  AddCodedErrorStats<xsimd::sse2>(weights, coded, stats);
}

}  // namespace quantpress::kernels
