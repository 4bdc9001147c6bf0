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
  alignas(64) float worst[kLanes];
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

// How the largest errors are found: as such, or as roots of the largest squares, which are known anyway. The root of
// the square of a float, both rounded, is its magnitude again if the square is a normal float, that is, between these
// errors.
enum class Worst { kOfSquares, kOfMagnitudes };
constexpr float kSmallestRoot = 0x1p-50f, kLargestRoot = 0x1p62f;

// The sums of some of the lanes, in registers.
template <class Arch>
struct Sums {
  using Batch = xsimd::batch<float, Arch>;
  Batch squared_error = Batch(0.0f), squared_weight = Batch(0.0f), product = Batch(0.0f), worst = Batch(0.0f);

  void Store(size_t lane, PieceSums* sums) const {
    squared_error.store_aligned(sums->squared_error + lane);
    squared_weight.store_aligned(sums->squared_weight + lane);
    product.store_aligned(sums->product + lane);
    worst.store_aligned(sums->worst + lane);
  }
};

// Registers `lane` to lane + kParts * size of each row of sixteen, in `groups` groups of `size` weights; decoder(g)
// gives what decodes group g, from any weight on. What is done with two registers is done step by step for both:
// processors do not look far enough ahead to begin with the second while the first waits for its results. (They have
// names because g++ keeps an array of them in memory.) Nothing is fused: the same on every instruction set.
template <class Arch, size_t kParts, Worst kWorst, class Decoder>
void SumLanes(const float* weights, size_t groups, size_t size, const Decoder& decoder, size_t lane, PieceSums* sums) {
  using Batch = xsimd::batch<float, Arch>;
  constexpr size_t kNext = kParts == 2 ? Batch::size : 0;
  Sums<Arch> first, second;
  size_t at = lane;
  for (size_t g = 0; g < groups; ++g) {
    const auto decode = decoder(g);
    for (const size_t end = at + size; at < end; at += kLanes) {
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

// At most two registers of each row at a time: their eight sums stay in registers, and two hide the latency of the
// additions.
template <class Arch, Worst kWorst, class Decoder>
void SumRows(const float* weights, size_t groups, size_t size, const Decoder& decoder, PieceSums* sums) {
  constexpr size_t kSize = xsimd::batch<float, Arch>::size, kParts = kSize == kLanes ? 1 : 2;
  for (size_t lane = 0; lane < kLanes; lane += kParts * kSize) {
    SumLanes<Arch, kParts, kWorst>(weights, groups, size, decoder, lane, sums);
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
  }
}

// Lane i and lane i + 8, then i + 4, i + 2 and i + 1.
inline double SumOfLanes(const float* lanes) {
  double sums[kLanes / 2];
  for (size_t i = 0; i < 8; ++i) sums[i] = static_cast<double>(lanes[i]) + static_cast<double>(lanes[i + 8]);
  for (size_t i = 0; i < 4; ++i) sums[i] += sums[i + 4];
  for (size_t i = 0; i < 2; ++i) sums[i] += sums[i + 2];
  return sums[0] + sums[1];
}

inline float LargestOfLanes(const float* lanes) {
  float most[kLanes / 2];
  for (size_t i = 0; i < 8; ++i) most[i] = lanes[i] > lanes[i + 8] ? lanes[i] : lanes[i + 8];
  for (size_t i = 0; i < 4; ++i) most[i] = most[i] > most[i + 4] ? most[i] : most[i + 4];
  for (size_t i = 0; i < 2; ++i) most[i] = most[i] > most[i + 2] ? most[i] : most[i + 2];
  return most[0] > most[1] ? most[0] : most[1];
}

inline void AddPiece(const PieceSums& sums, float worst, ErrorStats* stats) {
  const double error = SumOfLanes(sums.squared_error), weight = SumOfLanes(sums.squared_weight),
               product = SumOfLanes(sums.product);
  stats->sum_squared_error += error;
  stats->sum_squared_weight += weight;
  stats->sum_squared_decoded += weight + 2 * product + error;
  stats->dot += weight + product;
  if (static_cast<double>(worst) > stats->max_absolute_error) stats->max_absolute_error = static_cast<double>(worst);
}

template <class Arch>
void AddErrorStats(const float* weights, const float* decoded, size_t count, ErrorStats* stats) {
  using Batch = xsimd::batch<float, Arch>;
  stats->count += count;
  for (size_t i = 0; i < count; i += kErrorStatsPiece) {
    const size_t left = count - i, size = left < kErrorStatsPiece ? left : kErrorStatsPiece, tail = size % kLanes;
    const float* const from = decoded + i;
    const auto decoder = [from](size_t) { return [from](size_t at) { return Batch::load_unaligned(from + at); }; };
    PieceSums sums;
    SumRows<Arch, Worst::kOfMagnitudes>(weights + i, 1, size - tail, decoder, &sums);
    AddTail(weights + i + size - tail, from + size - tail, tail, &sums);
    AddPiece(sums, LargestOfLanes(sums.worst), stats);
  }
}

// As many indexes as a batch has lanes, as integers. One for each architecture, in its file.
template <class Arch>
xsimd::batch<int32_t, Arch> LoadIndexes(const uint8_t* indexes);

template <class Arch, bool kOffset>
struct CodeDecoder {
  using Batch = xsimd::batch<float, Arch>;
  const CodedGroups& coded;
  xsimd::batch<int32_t, Arch> bias;

  auto operator()(size_t group) const {
    const Batch scale(coded.scale[group]), offset(kOffset ? coded.offset[group] : 0.0f);
    return [=, indexes = coded.indexes, bias_of_all = bias](size_t at) {
      const Batch product = xsimd::to_float(LoadIndexes<Arch>(indexes + at) + bias_of_all) * scale;
      return kOffset ? product + offset : product;
    };
  }
};

template <class Arch, Worst kWorst>
float SumCoded(const float* weights, const CodedGroups& coded, PieceSums* sums) {
  const xsimd::batch<int32_t, Arch> bias(coded.bias);
  if (coded.offset != nullptr) {
    SumRows<Arch, kWorst>(weights, coded.groups, coded.size, CodeDecoder<Arch, true>{coded, bias}, sums);
  } else {
    SumRows<Arch, kWorst>(weights, coded.groups, coded.size, CodeDecoder<Arch, false>{coded, bias}, sums);
  }
  return LargestOfLanes(sums->worst);
}

template <class Arch>
void AddCodedErrorStats(const float* weights, const CodedGroups& coded, ErrorStats* stats) {
  stats->count += coded.groups * coded.size;
  PieceSums sums;
  // Not xsimd::sqrt, which is an estimate on NEON.
  float worst = std::sqrt(SumCoded<Arch, Worst::kOfSquares>(weights, coded, &sums));
  if (!(worst > kSmallestRoot && worst < kLargestRoot))
    worst = SumCoded<Arch, Worst::kOfMagnitudes>(weights, coded, &sums);
  AddPiece(sums, worst, stats);
}

}  // namespace
}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_ERROR_STATS_HPP_
