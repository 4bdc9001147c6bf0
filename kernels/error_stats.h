// How far decoded weights are from the original ones. The sums are the same on every instruction set: sixteen float32 sums
// side by side over pieces of at most 4096 weights, and double sums over those in a fixed order.
#ifndef QUANTPRESS_KERNELS_ERROR_STATS_H_
#define QUANTPRESS_KERNELS_ERROR_STATS_H_

#include <cstddef>
#include <cstdint>

namespace quantpress::kernels {

struct ErrorStats {
  uint64_t count = 0;
  double sum_squared_error = 0;
  double sum_squared_weight = 0;
  double sum_product = 0;  // of weight * error, with error = decoded - weight
  double max_absolute_error = 0;
  double smallest = 0;  // of the weights; 0 where count is 0
  double largest = 0;

  // Sum of weight * decoded, and of squared decoded weights: cosine = dot / sqrt(sum_squared_weight * squared decoded).
  double Dot() const { return sum_squared_weight + sum_product; }
  double SumSquaredDecoded() const { return sum_squared_weight + 2 * sum_product + sum_squared_error; }

  void Merge(const ErrorStats& other) {
    if (other.count == 0) return;
    if (count == 0 || other.smallest < smallest) smallest = other.smallest;
    if (count == 0 || other.largest > largest) largest = other.largest;
    count += other.count;
    sum_squared_error += other.sum_squared_error;
    sum_squared_weight += other.sum_squared_weight;
    sum_product += other.sum_product;
    if (other.max_absolute_error > max_absolute_error) max_absolute_error = other.max_absolute_error;
  }
};

// Adds the statistics of `count` weights to *stats. One function per instruction set, each in a file of its own that is
// compiled with that set's flags: dispatch/error_stats.h chooses.
extern "C++" void AddErrorStatsSse2(const float* weights, const float* decoded, size_t count, ErrorStats* stats);
extern "C++" void AddErrorStatsAvx2(const float* weights, const float* decoded, size_t count, ErrorStats* stats);
extern "C++" void AddErrorStatsAvx512(const float* weights, const float* decoded, size_t count, ErrorStats* stats);
extern "C++" void AddErrorStatsNeon64(const float* weights, const float* decoded, size_t count, ErrorStats* stats);

}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_ERROR_STATS_H_
