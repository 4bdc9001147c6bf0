#include "dispatch/quantize_run.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "dispatch/dequantize_run.h"
#include "dispatch/error_stats.h"
#include "kernels/dequantize.h"
#include "kernels/group_range.h"
#include "kernels/half.h"
#include "kernels/hqq.h"
#include "kernels/pack.h"
#include "kernels/quantize.h"

namespace quantpress::dispatch {
namespace {

// Weights whose index bytes are made before they are packed: 16 KB of floats and 4 KB of indexes stay in the first-level cache, and what is done
// once for each tile is not felt.
constexpr size_t kTileWeights = 4 * 1024;
// HQQ collects unfinished groups over more of them.
constexpr size_t kHqqTileWeights = 64 * 1024;
constexpr size_t kHqqMinGroups = 64;
constexpr size_t kMaxGroups = 4096;
constexpr size_t kAlign = 64;
static_assert(kTileWeights <= kernels::kErrorStatsPiece);

constexpr size_t RoundUp(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

// Groups whose scales are computed together. Long groups are coded piece by piece, so this is not bounded by memory.
size_t GroupsAtOnce(QuantMethod method, size_t groups, size_t group_size) {
  const size_t fit = method == QuantMethod::kHqq ? std::max(kHqqTileWeights / group_size, kHqqMinGroups)
                                                 : std::max<size_t>(kTileWeights / group_size, 1);
  return std::min({fit, kMaxGroups, groups});
}

// The scratch memory of a run, divided.
class Scratch {
 public:
  Scratch(const CodingSpec& spec, size_t groups, size_t group_size, std::span<std::byte> memory) {
    const size_t address = reinterpret_cast<uintptr_t>(memory.data());
    next_ = memory.data() + (kAlign - address % kAlign) % kAlign;
    const size_t at_once = GroupsAtOnce(spec.method, groups, group_size);
    min = Take<float>(at_once);
    max = Take<float>(at_once);
    scale = Take<float>(at_once);
    factor = Take<float>(at_once);
    offset = Take<float>(at_once);
    indexes = Take<uint8_t>(kTileWeights + 8);
    decoded = Take<float>(kTileWeights);
    if (spec.method == QuantMethod::kHqq)
      hqq = Take<float>(kernels::HqqScratchFloats({spec.bits, at_once, group_size}));
    assert(next_ <= memory.data() + memory.size());
  }

  static size_t Bytes(const CodingSpec& spec, size_t groups, size_t group_size) {
    const size_t at_once = GroupsAtOnce(spec.method, groups, group_size);
    size_t bytes = kAlign + 5 * RoundUp(at_once * sizeof(float)) + RoundUp(kTileWeights + 8) +
                   RoundUp(kTileWeights * sizeof(float));
    if (spec.method == QuantMethod::kHqq) {
      bytes += RoundUp(kernels::HqqScratchFloats({spec.bits, at_once, group_size}) * sizeof(float));
    }
    return bytes;
  }

  float *min, *max, *scale, *factor, *offset;  // per group; max holds the largest magnitude for symmetric coding
  uint8_t* indexes;
  float* decoded;
  float* hqq = nullptr;

 private:
  template <typename T>
  T* Take(size_t count) {
    T* const result = reinterpret_cast<T*>(next_);
    next_ += RoundUp(count * sizeof(T));
    return result;
  }

  std::byte* next_;
};

// The minimum as the formula finds it, the first of the smallest weights: which matters where zeros have both signs.
float FirstMinimum(const float* weights, size_t size, float min) {
  return min != 0.0f ? min : *std::find(weights, weights + size, 0.0f);
}

class Run {
 public:
  Run(const CodingSpec& spec, size_t groups, size_t group_size, std::span<std::byte> scratch, const RunOutput& output)
      : spec_(spec), size_(group_size), scratch_(spec, groups, group_size, scratch), out_(output) {}

  // False if a weight is not finite. `more`: as many groups or more follow.
  bool Groups(const float* weights, size_t groups, bool more) {
    if (!Scales(weights, groups)) return false;
    StoreAlpha(groups);
    if (out_.stats != nullptr && IsAsymmetric(spec_.method)) {
      const float low = static_cast<float>(kernels::CodeMin(spec_.bits));
      for (size_t g = 0; g < groups; ++g) scratch_.offset[g] = scratch_.min[g] - low * scratch_.scale[g];
    }
    const size_t tile_groups = std::max<size_t>(kTileWeights / size_, 1);
    for (size_t first = 0; first < groups; first += tile_groups) {
      const size_t count = std::min(tile_groups, groups - first);
      if (size_ <= kTileWeights) {
        Code(weights + first * size_, first, count, size_, more ? weights + (groups + first) * size_ : nullptr);
        continue;
      }
      for (size_t at = 0; at < size_; at += kTileWeights) {
        Code(weights + first * size_ + at, first, 1, std::min(kTileWeights, size_ - at),
             more ? weights + (groups + first) * size_ + at : nullptr);
      }
    }
    return true;
  }

  void Finish() {
    if (carried_ > 0) kernels::PackIndexes(spec_.bits, scratch_.indexes, carried_, out_.packed);
  }

 private:
  bool Scales(const float* weights, size_t groups) {
    const Scratch& s = scratch_;
    switch (spec_.method) {
      case QuantMethod::kSymmetric:
        if (out_.stats == nullptr) {
          if (!kernels::GroupMaxAbs(weights, groups, size_, s.max)) return false;
        } else {
          if (!kernels::GroupRange(weights, groups, size_, s.min, s.max)) return false;
          AddRanges(s.min, s.max, groups);
          for (size_t g = 0; g < groups; ++g) s.max[g] = std::max(std::fabs(s.min[g]), std::fabs(s.max[g]));
        }
        kernels::SymmetricScales(spec_.bits, s.max, groups, s.scale);
        break;
      case QuantMethod::kAsymmetric:
        if (!kernels::GroupRange(weights, groups, size_, s.min, s.max)) return false;
        if (out_.stats != nullptr) AddRanges(s.min, s.max, groups);
        kernels::AsymmetricScales(spec_.bits, s.min, s.max, groups, s.scale);
        for (size_t g = 0; g < groups; ++g) s.min[g] = FirstMinimum(weights + g * size_, size_, s.min[g]);
        break;
      case QuantMethod::kHqq:
        if (!kernels::HqqSolve({spec_.bits, groups, size_, spec_.half_scales}, weights, s.hqq, s.min, s.scale,
                               s.factor)) {
          return false;
        }
        if (out_.stats != nullptr) {
          const kernels::HqqRanges ranges = kernels::HqqGroupRanges(s.hqq, groups);
          AddRanges(ranges.min, ranges.max, groups);
        }
        break;
    }
    return true;
  }

  // Adds the ranges of groups to that of all weights.
  void AddRanges(const float* min, const float* max, size_t groups) {
    float low = min[0], high = max[0];
    for (size_t g = 1; g < groups; ++g) {
      low = min[g] < low ? min[g] : low;
      high = max[g] > high ? max[g] : high;
    }
    out_.stats->Widen(low, high);
  }

  // Writes the scales and, with half_scales, replaces them by what was stored.
  void StoreAlpha(size_t groups) {
    const bool asymmetric = IsAsymmetric(spec_.method);
    if (!spec_.half_scales) {
      if (!asymmetric) {
        std::memcpy(out_.alpha, scratch_.scale, groups * sizeof(float));
        out_.alpha += groups;
        return;
      }
      for (size_t g = 0; g < groups; ++g) {
        out_.alpha[2 * g] = scratch_.min[g];
        out_.alpha[2 * g + 1] = scratch_.scale[g];
      }
      out_.alpha += 2 * groups;
      return;
    }
    const auto store = [&](float& value) {
      *out_.alpha_half = kernels::HalfFromFloat(value);
      value = kernels::FloatFromHalf(*out_.alpha_half++);
    };
    for (size_t g = 0; g < groups; ++g) {
      if (asymmetric) store(scratch_.min[g]);
      store(scratch_.scale[g]);
    }
  }

  // Codes `groups` groups (or one piece of one group) that fit the tile, with the scales from `first` on, and packs
  // them. Fetches as many weights from `next` on (null: none).
  void Code(const float* weights, size_t first, size_t groups, size_t size, const float* next) {
    const size_t count = groups * size;
    const bool whole_bytes = spec_.bits == 8;
    uint8_t* const indexes = whole_bytes ? out_.packed : scratch_.indexes + carried_;
    const kernels::GroupShape shape = {spec_.bits, groups, size, spec_.half_scales, next};
    const float* const min = scratch_.min + first;
    const float* const scale = scratch_.scale + first;
    switch (spec_.method) {
      case QuantMethod::kSymmetric:
        kernels::QuantizeSymmetric(shape, weights, scale, indexes);
        break;
      case QuantMethod::kAsymmetric:
        kernels::QuantizeAsymmetric(shape, weights, min, scale, indexes);
        break;
      case QuantMethod::kHqq:
        kernels::QuantizeHqq(shape, weights, min, scale, scratch_.factor + first, indexes);
        break;
    }
    if (out_.stats != nullptr) {
      const float* const offset = IsAsymmetric(spec_.method) ? scratch_.offset + first : nullptr;
      Measure(weights, {indexes, kernels::CodeMin(spec_.bits), groups, size, scale, offset});
    }
    if (whole_bytes) {
      out_.packed += count;
      return;
    }
    // Eight indexes end on a byte; the rest waits for the next tile.
    const size_t total = carried_ + count, full = total - total % 8;
    kernels::PackIndexes(spec_.bits, scratch_.indexes, full, out_.packed);
    out_.packed += kernels::PackedBytes(full, spec_.bits);
    carried_ = total - full;
    std::memmove(scratch_.indexes, scratch_.indexes + full, carried_);
  }

  // The errors of a tile and its samples, while all of it is in the first-level cache.
  void Measure(const float* weights, const kernels::CodedGroups& coded) {
    if (coded.size % kernels::kCodedSizeMultiple == 0) {
      AddCodedErrorStats(weights, coded, out_.stats);
    } else {
      kernels::DequantizeIndexes(coded.indexes, coded.bias, coded.groups, coded.size, coded.scale, coded.offset,
                                 scratch_.decoded);
      AddErrorStats(weights, scratch_.decoded, coded.groups * coded.size, out_.stats);
    }
    if (out_.histograms == nullptr) return;
    const size_t count = coded.groups * coded.size;
    if (next_sample_ < count) next_sample_ = out_.histograms->AddCoded(weights, coded, next_sample_);
    next_sample_ -= count;
  }

  const CodingSpec spec_;
  const size_t size_;
  const Scratch scratch_;
  RunOutput out_;  // advances
  size_t carried_ = 0;
  size_t next_sample_ = 0;  // counted from the tile that comes next
};

}  // namespace

size_t QuantizeRunScratchBytes(const CodingSpec& spec, size_t groups, size_t group_size) {
  return groups == 0 || group_size == 0 ? 0 : Scratch::Bytes(spec, groups, group_size);
}

size_t QuantizeRun(const CodingSpec& spec, const float* weights, size_t groups, size_t group_size,
                   std::span<std::byte> scratch, const RunOutput& output) {
  if (groups == 0 || group_size == 0) return kNoNonFinite;
  assert(spec.bits >= kernels::kMinBits && spec.bits <= kernels::kMaxBits);
  assert(scratch.size() >= QuantizeRunScratchBytes(spec, groups, group_size));
  Run run(spec, groups, group_size, scratch, output);
  const size_t at_once = GroupsAtOnce(spec.method, groups, group_size);
  for (size_t first = 0; first < groups; first += at_once) {
    const size_t count = std::min(at_once, groups - first);
    if (!run.Groups(weights + first * group_size, count, first + count + at_once <= groups)) {
      const size_t begin = first * group_size;
      return begin + kernels::FindNonFinite(weights + begin, count * group_size);
    }
  }
  run.Finish();
  return kNoNonFinite;
}

}  // namespace quantpress::dispatch
