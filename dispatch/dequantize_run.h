// Decodes quantized weights to float32, as the MNN 3.x loader does.
#ifndef QUANTPRESS_DISPATCH_DEQUANTIZE_RUN_H_
#define QUANTPRESS_DISPATCH_DEQUANTIZE_RUN_H_

#include <cstddef>
#include <cstdint>

#include "kernels/types.h"

namespace quantpress::dispatch {

struct DecodeSpec {
  int bits = 8;             // index width, 1..8
  bool asymmetric = false;  // alpha holds pairs min, scale; else scales
  // Asymmetric: the code that decodes to min (MNN's aMin, with its special cases resolved by the caller: qmin where aMin
  // is 0 ... and 0 where it is positive).
  int min_code = 0;
  // MNN's quantScale: every alpha entry is multiplied by it first.
  float quant_scale = 1.0f;
  // The codes that indexes stand for, 2^bits entries (the caller pads a shorter table). Null: index + CodeMin(bits),
  // the full-range table; needs bits >= 2.
  const int8_t* table = nullptr;
};

// Exactly one of the two is set. Half entries are widened first.
struct AlphaView {
  const float* floats = nullptr;
  const uint16_t* halves = nullptr;
};

// out = q * scale (symmetric) or q * scale + (min - min_code * scale), each operation rounded to float32 and the
// parenthesis computed once per group. Weight `first` of the stream `packed` is the first weight of the first group.
// Reads packed bytes first*bits/8 up to ceil((first + groups*group_size)*bits/8); any alignment.
void DequantizeRun(const DecodeSpec& spec, const uint8_t* packed, size_t first, size_t groups, size_t group_size,
                   AlphaView alpha, float* out);

// The same for codes that are stored as bytes already (spec.bits and spec.table are ignored).
void DequantizeCodes(const DecodeSpec& spec, const int8_t* codes, size_t groups, size_t group_size, AlphaView alpha,
                     float* out);

}  // namespace quantpress::dispatch

#endif  // QUANTPRESS_DISPATCH_DEQUANTIZE_RUN_H_
