// The body of AddErrorStats<Arch>, for one xsimd architecture. Included by error_stats_<arch>.cc only: those files are
// compiled with flags for their instruction set, so nothing in them may be visible to the linker but one function.
// Everything is in an unnamed namespace and nothing of the standard library is used; a test looks for weak symbols.
#ifndef QUANTPRESS_KERNELS_ERROR_STATS_HPP_
#define QUANTPRESS_KERNELS_ERROR_STATS_HPP_

#include <cstddef>
#include <cstdint>

#include "kernels/error_stats.h"
#include "xsimd/xsimd.hpp"

namespace quantpress::kernels {
namespace {

template <class Batch>
double SumOfLanes(const Batch& batch) {
  alignas(64) float lanes[Batch::size];
  batch.store_aligned(lanes);
  double sum = 0;
  for (size_t i = 0; i < Batch::size; ++i) sum += static_cast<double>(lanes[i]);
  return sum;
}

// Float lanes over short pieces, doubles over the pieces: fast, and good to about six digits.
template <class Arch>
void AddErrorStats(const float* weights, const float* decoded, size_t count, ErrorStats* stats) {
  using Batch = xsimd::batch<float, Arch>;
  constexpr size_t kPiece = 64 * Batch::size;
  stats->count += count;
  size_t i = 0;
  while (i + Batch::size <= count) {
    const size_t left = count - i, end = i + (left < kPiece ? left - left % Batch::size : kPiece);
    Batch squared_error(0.0f), squared_weight(0.0f), squared_decoded(0.0f), absolute(0.0f), largest(0.0f), dot(0.0f);
    for (; i < end; i += Batch::size) {
      const Batch w = Batch::load_unaligned(weights + i), q = Batch::load_unaligned(decoded + i);
      const Batch error = q - w;
      const Batch magnitude = xsimd::abs(error);
      squared_error += error * error;
      squared_weight += w * w;
      squared_decoded += q * q;
      absolute += magnitude;
      largest = xsimd::max(largest, magnitude);
      dot += w * q;
    }
    stats->sum_squared_error += SumOfLanes(squared_error);
    stats->sum_squared_weight += SumOfLanes(squared_weight);
    stats->sum_squared_decoded += SumOfLanes(squared_decoded);
    stats->sum_absolute_error += SumOfLanes(absolute);
    stats->dot += SumOfLanes(dot);
    alignas(64) float lanes[Batch::size];
    largest.store_aligned(lanes);
    for (size_t lane = 0; lane < Batch::size; ++lane) {
      const double value = static_cast<double>(lanes[lane]);
      if (value > stats->max_absolute_error) stats->max_absolute_error = value;
    }
  }
  for (; i < count; ++i) {
    const double w = static_cast<double>(weights[i]), q = static_cast<double>(decoded[i]), error = q - w;
    const double magnitude = error < 0 ? -error : error;
    stats->sum_squared_error += error * error;
    stats->sum_squared_weight += w * w;
    stats->sum_squared_decoded += q * q;
    stats->sum_absolute_error += magnitude;
    stats->dot += w * q;
    if (magnitude > stats->max_absolute_error) stats->max_absolute_error = magnitude;
  }
}

}  // namespace
}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_ERROR_STATS_HPP_
