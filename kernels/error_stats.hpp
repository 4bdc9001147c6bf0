// The bodies of AddErrorStats<Arch> and AddCodedErrorStats<Arch>, for one xsimd architecture. Included by
// error_stats_<arch>.cc only: those files are compiled with flags for their instruction set, so nothing in them may be
// visible to the linker but these functions.
// Everything is in an unnamed namespace and nothing of the standard library is used; a test looks for weak symbols.
#ifndef QUANTPRESS_KERNELS_ERROR_STATS_HPP_
#define QUANTPRESS_KERNELS_ERROR_STATS_HPP_

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/error_stats.h"
#include "xsimd/xsimd.hpp"

namespace quantpress::kernels {
namespace {

constexpr size_t kLanes = 16;
static_assert(kCodedSizeMultiple == kLanes && kErrorStatsPiece % kLanes == 0);

// The lane sums of one piece of at most kErrorStatsPiece weights. With error = decoded - weight the other sums follow
// from these.
struct PieceSums {
  alignas(64) float squared_error[kLanes], squared_weight[kLanes], product[kLanes];  // product: weight * error
  alignas(64) float worst[kLanes], smallest[kLanes], largest[kLanes];
};

// The larger one; `most` where `value` is no number, as where infinities are subtracted. x86's instruction gives its
// second operand then, NEON's gives no number.
template <class Batch>
Batch Larger(const Batch& most, const Batch& value) {
#if defined(__aarch64__)
  return xsimd::select(value > most, value, most);
#else
  return xsimd::max(value, most);
#endif
}

// The sums of some of the lanes, in registers.
template <class Arch>
struct Sums {
  using Batch = xsimd::batch<float, Arch>;
  Batch squared_error = Batch(0.0f), squared_weight = Batch(0.0f), product = Batch(0.0f), worst = Batch(0.0f);

  void Add(Batch w, Batch q) {
    const Batch error = q - w;
    squared_error += error * error;  // not fused: the same on every instruction set
    squared_weight += w * w;
    product += w * error;
    worst = Larger(worst, xsimd::abs(error));
  }

  void Store(size_t lane, PieceSums* sums) const {
    squared_error.store_aligned(sums->squared_error + lane);
    squared_weight.store_aligned(sums->squared_weight + lane);
    product.store_aligned(sums->product + lane);
    worst.store_aligned(sums->worst + lane);
  }
};

// The same with the range of the weights.
template <class Arch>
struct SumsAndRange {
  using Batch = xsimd::batch<float, Arch>;
  Sums<Arch> of;
  Batch smallest, largest;

  explicit SumsAndRange(float weight) : smallest(weight), largest(weight) {}

  void Add(const float* weights, const float* decoded) {
    const Batch w = Batch::load_unaligned(weights);
    of.Add(w, Batch::load_unaligned(decoded));
    smallest = xsimd::min(smallest, w);
    largest = xsimd::max(largest, w);
  }

  void Store(size_t lane, PieceSums* sums) const {
    of.Store(lane, sums);
    smallest.store_aligned(sums->smallest + lane);
    largest.store_aligned(sums->largest + lane);
  }
};

// Whole rows of sixteen: `rows` of them, at most two registers of each row at a time: the twelve sums of those stay in
// registers, and two hide the latency of the additions. They have names because g++ keeps an array of them in memory.
template <class Arch>
void SumRows(const float* weights, const float* decoded, size_t rows, PieceSums* sums) {
  constexpr size_t kSize = xsimd::batch<float, Arch>::size;
  const size_t end = rows * kLanes;
  if constexpr (kSize == kLanes) {
    SumsAndRange<Arch> all(weights[0]);
    for (size_t i = 0; i < end; i += kLanes) all.Add(weights + i, decoded + i);
    all.Store(0, sums);
  } else {
    for (size_t lane = 0; lane < kLanes; lane += 2 * kSize) {
      SumsAndRange<Arch> first(weights[0]), second(weights[0]);
      for (size_t i = lane; i < end; i += kLanes) {
        first.Add(weights + i, decoded + i);
        second.Add(weights + i + kSize, decoded + i + kSize);
      }
      first.Store(lane, sums);
      second.Store(lane + kSize, sums);
    }
  }
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

inline float WorstOfLanes(const PieceSums& sums) {
  float worst = 0;
  for (size_t i = 0; i < kLanes; ++i) worst = sums.worst[i] > worst ? sums.worst[i] : worst;
  return worst;
}

// The lanes are added up in order.
inline void AddSums(const PieceSums& sums, ErrorStats* stats) {
  double error = 0, weight = 0, product = 0;
  for (size_t i = 0; i < kLanes; ++i) {
    error += static_cast<double>(sums.squared_error[i]);
    weight += static_cast<double>(sums.squared_weight[i]);
    product += static_cast<double>(sums.product[i]);
  }
  stats->sum_squared_error += error;
  stats->sum_squared_weight += weight;
  stats->sum_squared_decoded += weight + 2 * product + error;
  stats->dot += weight + product;
  const double worst = static_cast<double>(WorstOfLanes(sums));
  if (worst > stats->max_absolute_error) stats->max_absolute_error = worst;
}

inline void AddRange(const PieceSums& sums, ErrorStats* stats) {
  for (size_t i = 0; i < kLanes; ++i) {
    if (sums.smallest[i] < stats->smallest) stats->smallest = sums.smallest[i];
    if (sums.largest[i] > stats->largest) stats->largest = sums.largest[i];
  }
}

template <class Arch>
void AddErrorStats(const float* weights, const float* decoded, size_t count, ErrorStats* stats) {
  if (count == 0) return;
  if (stats->count == 0) stats->smallest = stats->largest = weights[0];
  stats->count += count;
  for (size_t i = 0; i < count; i += kErrorStatsPiece) {
    const size_t left = count - i, size = left < kErrorStatsPiece ? left : kErrorStatsPiece, rows = size / kLanes;
    PieceSums sums;
    SumRows<Arch>(weights + i, decoded + i, rows, &sums);
    AddTail(weights + i + rows * kLanes, decoded + i + rows * kLanes, size % kLanes, &sums);
    AddSums(sums, stats);
    AddRange(sums, stats);
  }
}

// As many indexes as a batch has lanes, as integers. One for each architecture, in its file.
template <class Arch>
xsimd::batch<int32_t, Arch> LoadIndexes(const uint8_t* indexes);

// How SumCoded finds the largest errors: as roots of the largest squares, which are known anyway. The root of the
// square of a float, both rounded, is its magnitude again if the square is a normal float, that is, between these
// errors.
enum class Worst { kOfSquares, kOfMagnitudes };
constexpr float kSmallestRoot = 0x1p-50f, kLargestRoot = 0x1p62f;

// Registers `lane` to lane + kParts * size of each row. What is done with two registers is done step by step for both:
// processors do not look far enough ahead to begin with the second while the first waits for its results.
template <class Arch, bool kOffset, size_t kParts, Worst kWorst>
void SumCodedLanes(const float* weights, const CodedGroups& coded, size_t lane, PieceSums* sums) {
  using Batch = xsimd::batch<float, Arch>;
  using Integers = xsimd::batch<int32_t, Arch>;
  constexpr size_t kNext = kParts == 2 ? Batch::size : 0;
  const Integers bias(coded.bias);
  Sums<Arch> first, second;
  size_t at = lane;
  for (size_t g = 0; g < coded.groups; ++g) {
    const Batch scale(coded.scale[g]), offset(kOffset ? coded.offset[g] : 0.0f);
    const auto decode = [&](size_t i) {
      const Batch product = xsimd::to_float(LoadIndexes<Arch>(coded.indexes + i) + bias) * scale;
      return kOffset ? product + offset : product;
    };
    for (const size_t end = at + coded.size; at < end; at += kLanes) {
      const Batch q0 = decode(at), q1 = decode(at + kNext);
      const Batch w0 = Batch::load_unaligned(weights + at), w1 = Batch::load_unaligned(weights + at + kNext);
      const Batch e0 = q0 - w0, e1 = q1 - w1;
      first.squared_weight += w0 * w0;
      second.squared_weight += w1 * w1;
      const Batch s0 = e0 * e0, s1 = e1 * e1;
      first.squared_error += s0;
      second.squared_error += s1;
      first.product += w0 * e0;
      second.product += w1 * e1;
      first.worst = Larger(first.worst, kWorst == Worst::kOfSquares ? s0 : xsimd::abs(e0));
      second.worst = Larger(second.worst, kWorst == Worst::kOfSquares ? s1 : xsimd::abs(e1));
    }
  }
  first.Store(lane, sums);
  if constexpr (kParts == 2) second.Store(lane + kNext, sums);
}

template <class Arch, Worst kWorst>
void SumCoded(const float* weights, const CodedGroups& coded, PieceSums* sums) {
  constexpr size_t kSize = xsimd::batch<float, Arch>::size, kParts = kSize == kLanes ? 1 : 2;
  for (size_t lane = 0; lane < kLanes; lane += kParts * kSize) {
    if (coded.offset != nullptr) {
      SumCodedLanes<Arch, true, kParts, kWorst>(weights, coded, lane, sums);
    } else {
      SumCodedLanes<Arch, false, kParts, kWorst>(weights, coded, lane, sums);
    }
  }
}

template <class Arch>
void AddCodedErrorStats(const float* weights, const CodedGroups& coded, ErrorStats* stats) {
  stats->count += coded.groups * coded.size;
  PieceSums sums;
  SumCoded<Arch, Worst::kOfSquares>(weights, coded, &sums);
  // Not xsimd::sqrt, which is an estimate on NEON.
  for (float& square : sums.worst) square = std::sqrt(square);
  const float worst = WorstOfLanes(sums);
  if (!(worst > kSmallestRoot && worst < kLargestRoot)) SumCoded<Arch, Worst::kOfMagnitudes>(weights, coded, &sums);
  AddSums(sums, stats);
}

}  // namespace
}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_ERROR_STATS_HPP_
