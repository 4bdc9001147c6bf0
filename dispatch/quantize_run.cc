#include "dispatch/quantize_run.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

#include "kernels/half.h"

namespace quantpress::dispatch {
namespace {

struct Range {
  float min, max;
};

Range FindRange(const float* weights, size_t n) {
  Range range = {weights[0], weights[0]};
  for (size_t i = 1; i < n; ++i) {
    if (weights[i] < range.min) range.min = weights[i];
    if (weights[i] > range.max) range.max = weights[i];
  }
  return range;
}

constexpr float kMinScale = 1e-6f;  // at or below it a group has only "zero" codes
constexpr int kHqqIterations = 20;

float HqqOffset(const float* weights, size_t n, float max_index, float scale, float offset) {
  const float step = 1.0f / scale;
  for (int iteration = 0; iteration < kHqqIterations; ++iteration) {
    float sum = 0.0f;
    for (size_t i = 0; i < n; ++i) {
      const float index = std::max(0.0f, std::min(max_index, std::round(weights[i] * scale + offset)));
      const float residual = weights[i] - (index - offset) * step;
      const float magnitude = std::fabs(residual);
      const float power =
          static_cast<float>(std::pow(static_cast<double>(std::max(magnitude, 1e-8f)), static_cast<double>(-0.3f)));
      const float shrunk = std::copysign(std::max(0.0f, magnitude - 0.1f * power), residual);
      sum += index - (weights[i] - shrunk) * scale;
    }
    offset = sum / static_cast<float>(n);
  }
  return offset;
}

class BitWriter {
 public:
  BitWriter(uint8_t* out, int bits) : out_(out), bits_(bits) {}
  void Put(uint32_t index) {
    pending_ = pending_ << bits_ | index;
    count_ += bits_;
    if (count_ >= 8) {
      count_ -= 8;
      *out_++ = static_cast<uint8_t>(pending_ >> count_);
    }
  }
  void Finish() {
    if (count_ > 0) *out_ = static_cast<uint8_t>(pending_ << (8 - count_));
  }

 private:
  uint8_t* out_;
  int bits_;
  int count_ = 0;
  uint32_t pending_ = 0;
};

float Stored(float value, bool half, uint16_t* bits) {
  if (!half) return value;
  *bits = kernels::HalfFromFloat(value);
  return kernels::FloatFromHalf(*bits);
}

}  // namespace

size_t QuantizeRunScratchBytes(const CodingSpec&, size_t, size_t) { return 256 * 1024; }

size_t QuantizeRun(const CodingSpec& spec, const float* weights, size_t groups, size_t group_size,
                   std::span<std::byte>, const RunOutput& output) {
  if (groups == 0 || group_size == 0) return kNoNonFinite;
  const size_t bad = kernels::FindNonFinite(weights, groups * group_size);
  if (bad != kNoNonFinite) return bad;
  const float qmin = static_cast<float>(kernels::CodeMin(spec.bits));
  const float qmax = static_cast<float>(kernels::CodeMax(spec.bits));
  const float levels = static_cast<float>(kernels::MaxIndex(spec.bits));
  BitWriter writer(output.packed, spec.bits);
  for (size_t g = 0; g < groups; ++g) {
    const float* w = weights + g * group_size;
    const Range range = FindRange(w, group_size);
    float min = 0.0f, scale, inverse = 0.0f;
    bool hqq = spec.method == QuantMethod::kHqq;
    if (spec.method == QuantMethod::kSymmetric) {
      scale = std::max(std::fabs(range.min), std::fabs(range.max)) / qmax;
    } else {
      min = range.min;
      scale = (range.max - range.min) / levels;
    }
    uint16_t half_min = 0, half_scale = 0;
    if (hqq) {
      float step = std::clamp((range.max - range.min) * (1.0f / levels), 1e-7f, FLT_MAX);
      step = Stored(step, spec.half_scales, &half_scale);
      const float s = 1.0f / step;
      const float offset = HqqOffset(w, group_size, levels, s, s * -range.min);
      scale = 1.0f / s;
      min = -(offset * scale);
      inverse = s;
    }
    min = Stored(min, spec.half_scales, &half_min);
    scale = Stored(scale, spec.half_scales, &half_scale);
    for (size_t i = 0; i < group_size; ++i) {
      float code;
      if (hqq) {
        code = std::round((w[i] - min) * inverse + qmin);
      } else if (spec.method == QuantMethod::kSymmetric) {
        code = scale <= kMinScale ? 0.0f : std::round(w[i] / scale);
      } else {
        code = scale <= kMinScale ? qmin : std::round((w[i] - min) / scale) + qmin;
      }
      code = std::max(qmin, std::min(qmax, code));
      writer.Put(static_cast<uint32_t>(static_cast<int>(code) - kernels::CodeMin(spec.bits)));
      if (output.stats != nullptr) {
        const float folded = IsAsymmetric(spec.method) ? min - qmin * scale : 0.0f;
        const double decoded = code * scale + folded, weight = w[i], error = decoded - weight;
        ErrorStats one = {1, error * error, weight * weight, decoded * decoded, std::fabs(error), std::fabs(error),
                          weight * decoded};
        output.stats->Merge(one);
      }
    }
    if (IsAsymmetric(spec.method)) {
      if (spec.half_scales) {
        output.alpha_half[2 * g] = half_min;
        output.alpha_half[2 * g + 1] = half_scale;
      } else {
        output.alpha[2 * g] = min;
        output.alpha[2 * g + 1] = scale;
      }
    } else if (spec.half_scales) {
      output.alpha_half[g] = half_scale;
    } else {
      output.alpha[g] = scale;
    }
  }
  writer.Finish();
  return kNoNonFinite;
}

}  // namespace quantpress::dispatch
