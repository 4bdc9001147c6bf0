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

constexpr size_t kLanes = 16;
constexpr size_t kPiece = 256 * kLanes;

// Sixteen floats as one or several registers.
template <class Arch>
struct Lanes {
  using Batch = xsimd::batch<float, Arch>;
  static constexpr size_t kParts = kLanes / Batch::size;
  Batch part[kParts];

  explicit Lanes(float value) {
    for (Batch& p : part) p = Batch(value);
  }
  void Store(float* lanes) const {
    for (size_t i = 0; i < kParts; ++i) part[i].store_aligned(lanes + i * Batch::size);
  }
};

inline double SumOfLanes(const float* lanes) {
  double sum = 0;
  for (size_t i = 0; i < kLanes; ++i) sum += static_cast<double>(lanes[i]);
  return sum;
}

// The lane sums of one piece of at most kPiece weights. With error = decoded - weight the other sums follow from these.
struct PieceSums {
  alignas(64) float squared_error[kLanes], squared_weight[kLanes], product[kLanes];  // product: weight * error
  alignas(64) float worst[kLanes], smallest[kLanes], largest[kLanes];
};

// Whole rows of sixteen: `rows` of them.
template <class Arch>
void SumRows(const float* weights, const float* decoded, size_t rows, PieceSums* sums) {
  using Batch = xsimd::batch<float, Arch>;
  Lanes<Arch> squared_error(0.0f), squared_weight(0.0f), product(0.0f), worst(0.0f);
  Lanes<Arch> smallest(weights[0]), largest(weights[0]);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t k = 0; k < Lanes<Arch>::kParts; ++k) {
      const size_t at = row * kLanes + k * Batch::size;
      const Batch w = Batch::load_unaligned(weights + at), q = Batch::load_unaligned(decoded + at);
      const Batch error = q - w;
      squared_error.part[k] += error * error;
      squared_weight.part[k] += w * w;
      product.part[k] += w * error;
      worst.part[k] = xsimd::max(worst.part[k], xsimd::abs(error));
      smallest.part[k] = xsimd::min(smallest.part[k], w);
      largest.part[k] = xsimd::max(largest.part[k], w);
    }
  }
  squared_error.Store(sums->squared_error);
  squared_weight.Store(sums->squared_weight);
  product.Store(sums->product);
  worst.Store(sums->worst);
  smallest.Store(sums->smallest);
  largest.Store(sums->largest);
}

// One more weight in each of the first `count` lanes.
inline void AddTail(const float* weights, const float* decoded, size_t count, PieceSums* sums) {
  for (size_t i = 0; i < count; ++i) {
    const float w = weights[i], q = decoded[i], error = q - w, magnitude = error < 0 ? -error : error;
    sums->squared_error[i] += error * error;
    sums->squared_weight[i] += w * w;
    sums->product[i] += w * error;
    if (magnitude > sums->worst[i]) sums->worst[i] = magnitude;
    if (w < sums->smallest[i]) sums->smallest[i] = w;
    if (w > sums->largest[i]) sums->largest[i] = w;
  }
}

inline void AddPiece(const PieceSums& sums, ErrorStats* stats) {
  const double error = SumOfLanes(sums.squared_error), weight = SumOfLanes(sums.squared_weight), product = SumOfLanes(sums.product);
  stats->sum_squared_error += error;
  stats->sum_squared_weight += weight;
  stats->sum_squared_decoded += weight + 2 * product + error;
  stats->dot += weight + product;
  for (size_t i = 0; i < kLanes; ++i) {
    const double worst = static_cast<double>(sums.worst[i]);
    if (worst > stats->max_absolute_error) stats->max_absolute_error = worst;
    if (sums.smallest[i] < stats->smallest) stats->smallest = sums.smallest[i];
    if (sums.largest[i] > stats->largest) stats->largest = sums.largest[i];
  }
}

template <class Arch>
void AddErrorStats(const float* weights, const float* decoded, size_t count, ErrorStats* stats) {
  if (count == 0) return;
  if (stats->count == 0) stats->smallest = stats->largest = weights[0];
  stats->count += count;
  for (size_t i = 0; i < count; i += kPiece) {
    const size_t left = count - i, size = left < kPiece ? left : kPiece, rows = size / kLanes;
    PieceSums sums;
    SumRows<Arch>(weights + i, decoded + i, rows, &sums);
    AddTail(weights + i + rows * kLanes, decoded + i + rows * kLanes, size % kLanes, &sums);
    AddPiece(sums, stats);
  }
}

}  // namespace
}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_ERROR_STATS_HPP_
