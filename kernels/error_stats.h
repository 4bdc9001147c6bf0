// How far decoded weights are from the original ones, and the range of those. Only reported, never written into a
// model; the same bits on every instruction set all the same: sixteen sums in float, of every sixteenth weight each,
// for pieces of kErrorStatsPiece weights. These are added up in double, each to the one 8 places further, then 4, 2 and
// 1, and so are the pieces, in order. Nothing is fused.
#ifndef QUANTPRESS_KERNELS_ERROR_STATS_H_
#define QUANTPRESS_KERNELS_ERROR_STATS_H_

#include <cstddef>
#include <cstdint>

namespace quantpress::kernels {

inline constexpr size_t kErrorStatsPiece = 4096;

struct ErrorStats {
  uint64_t count = 0;
  double sum_squared_error = 0;
  double sum_squared_weight = 0;
  double sum_squared_decoded = 0;
  double max_absolute_error = 0;
  float smallest = 0, largest = 0;  // weight; 0 while count is 0. The sign of a zero is unspecified.
  double dot = 0;  // sum of weight * decoded: cosine = dot / sqrt(sum_squared_weight * sum_squared_decoded)

  // For weights between these two, before they are counted.
  void Widen(float low, float high) {
    if (count == 0 || low < smallest) smallest = low;
    if (count == 0 || high > largest) largest = high;
  }

  void Merge(const ErrorStats& other) {
    if (other.count == 0) return;
    Widen(other.smallest, other.largest);
    count += other.count;
    sum_squared_error += other.sum_squared_error;
    sum_squared_weight += other.sum_squared_weight;
    sum_squared_decoded += other.sum_squared_decoded;
    if (other.max_absolute_error > max_absolute_error) max_absolute_error = other.max_absolute_error;
    dot += other.dot;
  }
};

// Coded weights: the decoded weight of index i of group g is (i + bias) * scale[g] + offset[g] (null: no offset), each
// operation rounded to float.
struct CodedGroups {
  const uint8_t* indexes;
  int bias;
  size_t groups, size;  // `size` weights each
  const float* scale;
  const float* offset;
};
inline constexpr size_t kCodedSizeMultiple = 16;

// The same as AddErrorStats of what `coded` decodes to. Preconditions: size is a multiple of kCodedSizeMultiple, and
// groups * size at most kErrorStatsPiece.
extern "C++" void AddCodedErrorStatsSse2(const float* weights, const CodedGroups& coded, ErrorStats* stats);
extern "C++" void AddCodedErrorStatsAvx2(const float* weights, const CodedGroups& coded, ErrorStats* stats);
extern "C++" void AddCodedErrorStatsAvx512(const float* weights, const CodedGroups& coded, ErrorStats* stats);
extern "C++" void AddCodedErrorStatsNeon64(const float* weights, const CodedGroups& coded, ErrorStats* stats);

// Adds the statistics of `count` weights to *stats, but for their range, which stays as it is: kernels that choose
// scales know it. One function per instruction set, each in a file of its own that is compiled with that set's flags:
// dispatch/error_stats.h chooses.
extern "C++" void AddErrorStatsSse2(const float* weights, const float* decoded, size_t count, ErrorStats* stats);
extern "C++" void AddErrorStatsAvx2(const float* weights, const float* decoded, size_t count, ErrorStats* stats);
extern "C++" void AddErrorStatsAvx512(const float* weights, const float* decoded, size_t count, ErrorStats* stats);
extern "C++" void AddErrorStatsNeon64(const float* weights, const float* decoded, size_t count, ErrorStats* stats);

}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_ERROR_STATS_H_
