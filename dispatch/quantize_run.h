// Quantizes a run of weight groups to the bytes that an MNN file holds.
#ifndef QUANTPRESS_DISPATCH_QUANTIZE_RUN_H_
#define QUANTPRESS_DISPATCH_QUANTIZE_RUN_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/error_stats.h"
#include "kernels/finite.h"
#include "kernels/histogram.h"
#include "kernels/types.h"

namespace quantpress::dispatch {

using kernels::ErrorStats;
using kernels::kNoNonFinite;

// How one weight tensor is coded. With b bits, qmin = -2^(b-1), t = 2^(b-1) - 1 (formulas: docs/numerics.md):
//   kSymmetric   scale = max|w| / t,                    code = round(w / scale)
//   kAsymmetric  scale = (max - min) / (2^b - 1),       code = round((w - min) / scale) + qmin
//   kHqq         as asymmetric with an optimised zero point (half-quadratic quantization, 20 iterations)
// `round` is half away from zero, codes are clamped to the range of the width. Everything is float32.
enum class QuantMethod : uint8_t { kSymmetric, kAsymmetric, kHqq };

struct CodingSpec {
  QuantMethod method = QuantMethod::kAsymmetric;
  int bits = 8;  // 2..8
  // Scales (and minima) are stored as halves, rounded to nearest even; codes are computed against the stored values.
  // Values beyond +-65504 are clamped to it. A scale that underflows belongs to a group whose codes are all "zero" anyway.
  bool half_scales = false;
};

constexpr bool IsAsymmetric(QuantMethod method) { return method != QuantMethod::kSymmetric; }

// Entries of `alpha` (or `alpha_half`) of a run.
constexpr size_t AlphaCount(QuantMethod method, size_t groups) { return IsAsymmetric(method) ? 2 * groups : groups; }

struct RunOutput {
  // PackedBytes(groups * group_size, bits) bytes: the indexes code - qmin, most significant bit first in one stream that
  // starts on a byte boundary. The unused low bits of the last byte are 0. Any alignment.
  uint8_t* packed = nullptr;
  // AlphaCount(method, groups) entries: symmetric one scale per group, asymmetric and HQQ pairs min, scale. Exactly one of
  // the two is written: `alpha_half` if half_scales, else `alpha`.
  float* alpha = nullptr;
  uint16_t* alpha_half = nullptr;
  // Added to if not null. "Decoded" is what the MNN loader makes of the stored codes and scales.
  ErrorStats* stats = nullptr;
  // With stats: where not null, every `stride`-th weight of the run is counted, from the first one on.
  kernels::Histograms* histograms = nullptr;
};

// Quantizes `groups` consecutive groups of `group_size` weights each, contiguous in memory. Bytes depend only on the
// weights and the spec, for every instruction set. A run of many groups is much faster than many runs.
//
// Returns kNoNonFinite, or the index (from `weights`) of the first NaN or infinity; outputs are then unspecified (stats
// too). `scratch` must have at least QuantizeRunScratchBytes(...) bytes, any alignment; its content does not matter.
// groups or group_size 0: nothing is written.
size_t QuantizeRun(const CodingSpec& spec, const float* weights, size_t groups, size_t group_size,
                   std::span<std::byte> scratch, const RunOutput& output);

// Less than 1 MB, whatever the sizes are. Never grows when `groups` gets smaller.
size_t QuantizeRunScratchBytes(const CodingSpec& spec, size_t groups, size_t group_size);

}  // namespace quantpress::dispatch

#endif  // QUANTPRESS_DISPATCH_QUANTIZE_RUN_H_
