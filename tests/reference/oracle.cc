#include "tests/reference/oracle.h"

#include <cfloat>
#include <cmath>
#include <limits>

namespace quantpress::reference {
namespace {

double Clamped(double value, double low, double high) { return value < low ? low : value > high ? high : value; }

float HalfRounded(float value) { return static_cast<float>(HalfValue(NearestHalf(value, true))); }

struct Row {
  const float* weights;
  size_t size;
  float min, max, magnitude;
};

Row LookAt(const float* weights, size_t size) {
  Row row = {weights, size, weights[0], weights[0], std::fabs(weights[0])};
  for (size_t i = 1; i < size; ++i) {
    if (weights[i] < row.min) row.min = weights[i];
    if (weights[i] > row.max) row.max = weights[i];
    if (std::fabs(weights[i]) > row.magnitude) row.magnitude = std::fabs(weights[i]);
  }
  return row;
}

float AsymmetricScale(const Row& row, int bits) {
  const float levels = static_cast<float>((1 << bits) - 1);
  const float range = row.max - row.min;
  return std::isinf(range) ? row.max / levels - row.min / levels : range / levels;
}

void CodeAsymmetric(const Row& row, int bits, float min, float scale, std::vector<int>* codes) {
  const int qmin = -(1 << (bits - 1)), qmax = -qmin - 1;
  for (size_t i = 0; i < row.size; ++i) {
    if (scale <= 1e-6f) {
      codes->push_back(qmin);
      continue;
    }
    const float distance = row.weights[i] - min;
    const float quotient = std::isinf(distance) ? row.weights[i] / scale - min / scale : distance / scale;
    codes->push_back(static_cast<int>(Clamped(static_cast<double>(std::round(quotient)) + qmin, qmin, qmax)));
  }
}

// True if the iteration applies; otherwise the row is coded by min-max.
bool Hqq(const Row& row, int bits, bool half_scales, float* min, float* scale, std::vector<int>* codes) {
  const float levels = static_cast<float>((1 << bits) - 1);
  const int qmin = -(1 << (bits - 1)), qmax = -qmin - 1;
  const float range = row.max - row.min;
  if (std::isinf(range)) return false;
  float step = range * (1.0f / levels);
  if (step < 1e-7f) step = 1e-7f;
  if (half_scales) step = HalfRounded(step);
  const float s = 1.0f / step;
  const float n = static_cast<float>(row.size);
  if (!(row.magnitude * s * n <= 1e36f)) return false;
  float z = s * -row.min;
  for (int iteration = 0; iteration < 20; ++iteration) {
    const float inverse = 1.0f / s;
    float sum = 0.0f;
    for (size_t i = 0; i < row.size; ++i) {
      const float w = row.weights[i];
      const float scaled = w * s;
      float q = std::round(scaled + z);
      if (q > levels) q = levels;
      if (q < 0.0f) q = 0.0f;
      const float decoded = (q - z) * inverse;
      const float r = w - decoded;
      const float magnitude = std::fabs(r);
      const float base = magnitude < 1e-8f ? 1e-8f : magnitude;
      const float power = static_cast<float>(std::pow(static_cast<double>(base), static_cast<double>(-0.3f)));
      const float tenth = 0.1f * power;
      float e = magnitude - tenth;
      if (e < 0.0f) e = 0.0f;
      if (r < 0.0f) e = -e;
      const float target = (w - e) * s;
      const float term = q - target;
      sum = sum + term;
    }
    z = sum / n;
  }
  *scale = 1.0f / s;
  const float product = z * *scale;
  *min = -product;
  const float used_min = half_scales ? HalfRounded(*min) : *min;
  for (size_t i = 0; i < row.size; ++i) {
    const float distance = row.weights[i] - used_min;
    const float scaled = distance * s;
    const float shifted = scaled + static_cast<float>(qmin);
    codes->push_back(static_cast<int>(Clamped(std::round(shifted), qmin, qmax)));
  }
  return true;
}

}  // namespace

Coded Quantize(Method method, int bits, bool half_scales, const std::vector<float>& weights, size_t groups,
               size_t group_size) {
  Coded coded;
  const int qmax = (1 << (bits - 1)) - 1;
  for (size_t g = 0; g < groups; ++g) {
    const Row row = LookAt(weights.data() + g * group_size, group_size);
    float min = 0.0f, scale = 0.0f;
    if (method == Method::kSymmetric) {
      scale = row.magnitude / static_cast<float>(qmax);
      const float stored = half_scales ? HalfRounded(scale) : scale;
      for (size_t i = 0; i < row.size; ++i) {
        coded.codes.push_back(
            stored <= 1e-6f ? 0 : static_cast<int>(Clamped(std::round(row.weights[i] / stored), -qmax - 1, qmax)));
      }
    } else if (method == Method::kAsymmetric || !Hqq(row, bits, half_scales, &min, &scale, &coded.codes)) {
      min = row.min;
      scale = AsymmetricScale(row, bits);
      CodeAsymmetric(row, bits, half_scales ? HalfRounded(min) : min, half_scales ? HalfRounded(scale) : scale,
                     &coded.codes);
    }
    if (method != Method::kSymmetric) coded.alpha.push_back(min);
    coded.alpha.push_back(scale);
  }
  if (half_scales) {
    for (float& value : coded.alpha) {
      coded.half_alpha.push_back(NearestHalf(value, true));
      value = static_cast<float>(HalfValue(coded.half_alpha.back()));
    }
  }
  std::vector<int> indexes = coded.codes;
  for (int& index : indexes) index += qmax + 1;
  coded.packed = PackBits(indexes, bits);
  return coded;
}

std::vector<float> Dequantize(Method method, int bits, bool half_scales, const Coded& coded, size_t groups,
                              size_t group_size) {
  (void)half_scales;  // alpha holds the widened values then
  std::vector<float> out;
  const float qmin = static_cast<float>(-(1 << (bits - 1)));
  for (size_t g = 0; g < groups; ++g) {
    for (size_t i = g * group_size; i < (g + 1) * group_size; ++i) {
      const float code = static_cast<float>(coded.codes[i]);
      if (method == Method::kSymmetric) {
        out.push_back(code * coded.alpha[g]);
      } else {
        const float scale = coded.alpha[2 * g + 1];
        const float low = qmin * scale;
        const float offset = coded.alpha[2 * g] - low;
        const float product = code * scale;
        out.push_back(product + offset);
      }
    }
  }
  return out;
}

std::vector<uint8_t> PackBits(const std::vector<int>& indexes, int bits) {
  std::vector<uint8_t> bytes((indexes.size() * static_cast<size_t>(bits) + 7) / 8, 0);
  size_t position = 0;
  for (const int index : indexes) {
    for (int bit = bits - 1; bit >= 0; --bit, ++position) {
      if ((index >> bit & 1) != 0) bytes[position / 8] = static_cast<uint8_t>(bytes[position / 8] | 0x80 >> position % 8);
    }
  }
  return bytes;
}

std::vector<int> UnpackBits(const std::vector<uint8_t>& packed, int bits, size_t first, size_t count) {
  std::vector<int> indexes;
  size_t position = first * static_cast<size_t>(bits);
  for (size_t i = 0; i < count; ++i) {
    int index = 0;
    for (int bit = 0; bit < bits; ++bit, ++position) index = 2 * index + (packed[position / 8] >> (7 - position % 8) & 1);
    indexes.push_back(index);
  }
  return indexes;
}

double HalfValue(uint16_t half) {
  const int exponent = half >> 10 & 31, mantissa = half & 1023;
  double value;
  if (exponent == 31) {
    value = mantissa != 0 ? std::numeric_limits<double>::quiet_NaN() : std::numeric_limits<double>::infinity();
  } else if (exponent == 0) {
    value = std::ldexp(mantissa, -24);
  } else {
    value = std::ldexp(1024 + mantissa, exponent - 25);
  }
  return std::copysign(value, half & 0x8000 ? -1.0 : 1.0);
}

uint16_t NearestHalf(float value, bool clamp) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(static_cast<double>(value));
  // From 65520 on the nearest half would be 65536, one step above the largest.
  if (magnitude >= 65520.0) return static_cast<uint16_t>(sign | (clamp ? 0x7BFF : 0x7C00));
  uint16_t low = 0, high = 0x7BFF;  // positive halves are ordered like their bits
  while (low < high) {
    const uint16_t middle = static_cast<uint16_t>((low + high + 1) / 2);
    if (HalfValue(middle) <= magnitude) {
      low = middle;
    } else {
      high = static_cast<uint16_t>(middle - 1);
    }
  }
  if (low == 0x7BFF) return static_cast<uint16_t>(sign | low);
  const double below = magnitude - HalfValue(low), above = HalfValue(static_cast<uint16_t>(low + 1)) - magnitude;
  const bool up = above < below || (above == below && (low & 1) != 0);
  return static_cast<uint16_t>(sign | (low + (up ? 1 : 0)));
}

}  // namespace quantpress::reference
