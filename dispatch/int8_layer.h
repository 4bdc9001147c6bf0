// A layer that computes with int8: input and output are rounded to int8, weights are int8 with given scales.
#ifndef QUANTPRESS_DISPATCH_INT8_LAYER_H_
#define QUANTPRESS_DISPATCH_INT8_LAYER_H_

#include <cstdint>
#include <vector>

namespace quantpress::dispatch {

// real value = (code - zero_point) * scale, codes clamped to clamp_min .. clamp_max.
struct Activation {
  float scale = 0;
  int bits = 8;
  int zero_point = 0;
  int clamp_min = -128;
  int clamp_max = 127;
  bool operator==(const Activation&) const = default;
};

enum class Int8Method : uint8_t { kDefault, kOverflowAware, kWinogradAware };

// Weights: code = clamp(round(w * (1 / scale)), clamp_min, clamp_max), halves away from zero.
struct Int8Layer {
  Activation input, output;
  std::vector<float> scales;  // one per output channel
  int clamp_min = -128;
  int clamp_max = 127;
  Int8Method method = Int8Method::kDefault;
  std::vector<int32_t> winograd;  // kWinogradAware only: groups of kyStart, kxStart, subKy, subKx, unitY, unitX
  bool operator==(const Int8Layer&) const = default;
};

}  // namespace quantpress::dispatch

#endif  // QUANTPRESS_DISPATCH_INT8_LAYER_H_
