#include "graph/import/onnx/ops/resize_axis.h"

#include <algorithm>
#include <cmath>

namespace quantpress::graph::onnx {
namespace {

// Where output element x lies on the input axis.
double SourceOf(const ResizeMode& mode, const AxisResize& a, int64_t x) {
  const auto at = static_cast<double>(x), in = static_cast<double>(a.in), out = static_cast<double>(a.out);
  const double real_out = a.scale * in;
  if (mode.coordinates == "align_corners") return real_out == 1 ? 0 : at * (in - 1) / (real_out - 1);
  if (mode.coordinates == "asymmetric") return at / a.scale;
  if (mode.coordinates == "tf_crop_and_resize") {
    if (a.out == 1) return (a.roi_end + a.roi_start) / 2 * (in - 1);
    return a.roi_start * (in - 1) + at * (a.roi_end - a.roi_start) * (in - 1) / (out - 1);
  }
  if (mode.coordinates == "pytorch_half_pixel") return a.out == 1 ? -0.5 : (at + 0.5) / a.scale - 0.5;
  const double half = (at + 0.5) / a.scale - 0.5;
  if (mode.coordinates == "half_pixel_symmetric") return in / 2 * (1 - out / real_out) + half;
  return half;
}

double CubicFilter(double x, double a) {
  x = std::fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((a * x - 5 * a) * x + 8 * a) * x - 4 * a;
  return 0;
}

}  // namespace

std::vector<int64_t> NearestIndices(const ResizeMode& mode, const AxisResize& a) {
  std::vector<int64_t> out(static_cast<size_t>(a.out));
  for (int64_t x = 0; x < a.out; ++x) {
    const double source = SourceOf(mode, a, x), low = std::floor(source);
    double index = low;
    if (mode.nearest == "round_prefer_floor") index = source - low > 0.5 ? low + 1 : low;
    if (mode.nearest == "round_prefer_ceil") index = source - low >= 0.5 ? low + 1 : low;
    if (mode.nearest == "ceil") index = std::ceil(source);
    out[static_cast<size_t>(x)] = static_cast<int64_t>(std::clamp(index, 0.0, static_cast<double>(a.in - 1)));
  }
  return out;
}

std::vector<float> InterpolationMatrix(const ResizeMode& mode, const AxisResize& a) {
  std::vector<float> matrix(static_cast<size_t>(a.in * a.out), 0.0f);
  const bool cubic = mode.mode == "cubic";
  // With antialiasing the filter gets wider as the picture gets smaller.
  const double squeeze = mode.antialias ? std::min(a.scale, 1.0) : 1.0;
  const double support = cubic ? 2 : 1;
  const auto first = static_cast<int64_t>(std::floor(-support / squeeze)) + 1;
  std::vector<double> row(static_cast<size_t>(a.in));
  for (int64_t x = 0; x < a.out; ++x) {
    const double source = std::clamp(SourceOf(mode, a, x), -1e9, 1e9), low = std::floor(source), ratio = source - low;
    std::fill(row.begin(), row.end(), 0.0);
    double sum = 0;
    for (int64_t k = first; k <= 1 - first; ++k) {
      const double distance = (static_cast<double>(k) - ratio) * squeeze;
      const double weight = cubic ? CubicFilter(distance, mode.cubic_a) : std::max(0.0, 1 - std::fabs(distance));
      const int64_t at = static_cast<int64_t>(low) + k;
      const bool inside = at >= 0 && at < a.in;
      if (!inside && mode.exclude_outside) continue;
      row[static_cast<size_t>(std::clamp<int64_t>(at, 0, a.in - 1))] += weight;
      sum += weight;
    }
    const bool normalize = (mode.exclude_outside || mode.antialias) && sum != 0;
    for (int64_t i = 0; i < a.in; ++i) {
      matrix[static_cast<size_t>(x * a.in + i)] = static_cast<float>(normalize ? row[static_cast<size_t>(i)] / sum : row[static_cast<size_t>(i)]);
    }
  }
  return matrix;
}

std::vector<float> InsideMask(const ResizeMode& mode, const AxisResize& a) {
  std::vector<float> mask(static_cast<size_t>(a.out));
  for (int64_t x = 0; x < a.out; ++x) {
    const double source = SourceOf(mode, a, x);
    mask[static_cast<size_t>(x)] = source >= 0 && source <= static_cast<double>(a.in - 1) ? 1.0f : 0.0f;
  }
  return mask;
}

}  // namespace quantpress::graph::onnx
