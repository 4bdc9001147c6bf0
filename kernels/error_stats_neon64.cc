#include "kernels/error_stats.hpp"

namespace quantpress::kernels {
namespace {

template <>
xsimd::batch<int32_t, xsimd::neon64> LoadIndexes<xsimd::neon64>(const uint8_t* indexes) {
  uint32_t bytes;
  __builtin_memcpy(&bytes, indexes, sizeof(bytes));
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(bytes))))));
}

}  // namespace

extern "C++" void AddErrorStatsNeon64(const float* weights, const float* decoded, size_t count, ErrorStats* stats) {
  AddErrorStats<xsimd::neon64>(weights, decoded, count, stats);
}

extern "C++" void AddCodedErrorStatsNeon64(const float* weights, const CodedGroups& coded, ErrorStats* stats) {
  AddCodedErrorStats<xsimd::neon64>(weights, coded, stats);
}

}  // namespace quantpress::kernels
