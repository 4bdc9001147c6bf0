#include "dispatch/dequantize_run.h"

#include <algorithm>
#include <cassert>

#include "kernels/dequantize.h"
#include "kernels/half.h"
#include "kernels/pack.h"

namespace quantpress::dispatch {
namespace {

constexpr size_t kTileWeights = 4096;
constexpr size_t kTileGroups = 256;

float Entry(const AlphaView& alpha, size_t index, float quant_scale) {
  const float value = alpha.floats != nullptr ? alpha.floats[index] : kernels::FloatFromHalf(alpha.halves[index]);
  return value * quant_scale;
}

// Calls decode(first weight, groups, group size, scale, offset) for tiles of whole groups, or of pieces of one group.
template <typename DecodeTile>
void ForTiles(const DecodeSpec& spec, size_t groups, size_t group_size, const AlphaView& alpha, DecodeTile decode) {
  if (group_size == 0) return;
  float scale[kTileGroups], offset[kTileGroups];
  const size_t at_once = std::clamp<size_t>(kTileWeights / group_size, 1, kTileGroups);
  for (size_t first = 0; first < groups; first += at_once) {
    const size_t count = std::min(at_once, groups - first);
    for (size_t i = 0; i < count; ++i) {
      const size_t g = first + i;
      scale[i] = Entry(alpha, spec.asymmetric ? 2 * g + 1 : g, spec.quant_scale);
      if (spec.asymmetric) {
        offset[i] = Entry(alpha, 2 * g, spec.quant_scale) - static_cast<float>(spec.min_code) * scale[i];
      }
    }
    const float* const offsets = spec.asymmetric ? offset : nullptr;
    if (group_size <= kTileWeights) {
      decode(first * group_size, count, group_size, scale, offsets);
      continue;
    }
    for (size_t at = 0; at < group_size; at += kTileWeights) {
      decode(first * group_size + at, 1, std::min(kTileWeights, group_size - at), scale, offsets);
    }
  }
}

}  // namespace

void DequantizeRun(const DecodeSpec& spec, const uint8_t* packed, size_t first, size_t groups, size_t group_size,
                   AlphaView alpha, float* out) {
  assert(spec.bits >= 1 && spec.bits <= 8);
  uint8_t indexes[kTileWeights];
  int8_t codes[kTileWeights];
  const auto decode = [&](size_t at, size_t count, size_t size, const float* scale, const float* offset) {
    kernels::UnpackIndexes(spec.bits, packed, first + at, count * size, indexes);
    if (spec.table == nullptr) {
      kernels::DequantizeIndexes(indexes, kernels::CodeMin(spec.bits), count, size, scale, offset, out + at);
      return;
    }
    for (size_t i = 0; i < count * size; ++i) codes[i] = spec.table[indexes[i]];
    kernels::DequantizeInt8(codes, count, size, scale, offset, out + at);
  };
  ForTiles(spec, groups, group_size, alpha, decode);
}

void DequantizeCodes(const DecodeSpec& spec, const int8_t* codes, size_t groups, size_t group_size, AlphaView alpha,
                     float* out) {
  const auto decode = [&](size_t at, size_t count, size_t size, const float* scale, const float* offset) {
    kernels::DequantizeInt8(codes + at, count, size, scale, offset, out + at);
  };
  ForTiles(spec, groups, group_size, alpha, decode);
}

}  // namespace quantpress::dispatch
