#include "dispatch/dequantize_run.h"

#include "kernels/half.h"

namespace quantpress::dispatch {
namespace {

float Alpha(const AlphaView& alpha, size_t index, float quant_scale) {
  const float value = alpha.floats != nullptr ? alpha.floats[index] : kernels::FloatFromHalf(alpha.halves[index]);
  return value * quant_scale;
}

template <typename CodeAt>
void Decode(const DecodeSpec& spec, size_t groups, size_t group_size, const AlphaView& alpha, CodeAt code_at,
            float* out) {
  for (size_t g = 0; g < groups; ++g) {
    const float scale = Alpha(alpha, spec.asymmetric ? 2 * g + 1 : g, spec.quant_scale);
    float offset = 0.0f;
    if (spec.asymmetric) {
      offset = Alpha(alpha, 2 * g, spec.quant_scale) - static_cast<float>(spec.min_code) * scale;
    }
    for (size_t i = g * group_size; i < (g + 1) * group_size; ++i) {
      const float product = static_cast<float>(code_at(i)) * scale;
      out[i] = spec.asymmetric ? product + offset : product;
    }
  }
}

}  // namespace

void DequantizeRun(const DecodeSpec& spec, const uint8_t* packed, size_t first, size_t groups, size_t group_size,
                   AlphaView alpha, float* out) {
  const size_t bits = static_cast<size_t>(spec.bits);
  Decode(spec, groups, group_size, alpha, [&](size_t i) {
    const size_t position = (first + i) * bits;
    const uint8_t* byte = packed + position / 8;
    const size_t shift = position % 8;
    uint32_t window = static_cast<uint32_t>(byte[0]) << 8;
    if (shift + bits > 8) window |= byte[1];
    const uint32_t index = window >> (16 - shift - bits) & ((1u << bits) - 1);
    return spec.table != nullptr ? spec.table[index] : static_cast<int>(index) + kernels::CodeMin(spec.bits);
  }, out);
}

void DequantizeCodes(const DecodeSpec& spec, const int8_t* codes, size_t groups, size_t group_size, AlphaView alpha,
                     float* out) {
  Decode(spec, groups, group_size, alpha, [&](size_t i) { return static_cast<int>(codes[i]); }, out);
}

}  // namespace quantpress::dispatch
