// How often values and codes occur: for reports.
#ifndef QUANTPRESS_KERNELS_HISTOGRAM_H_
#define QUANTPRESS_KERNELS_HISTOGRAM_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "kernels/error_stats.h"

namespace quantpress::kernels {

// A value's bin is the upper 13 bits of its float32 form: sign, exponent, and four bits of the fraction. The range of
// the values need not be known, and two counts add up whatever was counted where.
inline constexpr int kValueBinBits = 13;
inline constexpr size_t kValueBins = size_t{1} << kValueBinBits;

struct ValueRange {
  double low = 0;  // smallest value of the bin; of a bin of negative numbers its end that is further from 0
  double high = 0;
};

// Precondition: a bin of finite numbers.
ValueRange RangeOfBin(size_t bin);

// What is counted of one layer.
struct Histograms {
  size_t stride = 1;                           // every stride-th weight counts
  std::array<uint32_t, kValueBins> weights{};  // before
  // By index: code - lowest code. Between the others, which count the same bin most of the time: a multiple of 4 KB apart
  // the one counter would wait for the other, as processors compare the low bits of addresses first.
  std::array<uint64_t, 256> codes{};
  std::array<uint32_t, kValueBins> decoded{};  // what a runtime makes of the codes

  // Counts every stride-th of `count` weights, from the first one on, what each is decoded to and its index (null: not
  // counted). Returns how many weights from `weights` on the next sample is, which may be behind the end.
  size_t Add(const float* values, const float* decoded_values, const uint8_t* indexes, size_t count);

  // The same for at most kErrorStatsPiece coded weights, of which the one at `first` is the first sample; only samples
  // are decoded. The result counts from weight 0.
  size_t AddCoded(const float* values, const CodedGroups& coded, size_t first);

  void Merge(const Histograms& other);
};

}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_HISTOGRAM_H_
