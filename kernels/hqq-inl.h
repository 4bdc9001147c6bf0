#if defined(QUANTPRESS_KERNELS_HQQ_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANTPRESS_KERNELS_HQQ_INL_H_
#undef QUANTPRESS_KERNELS_HQQ_INL_H_
#else
#define QUANTPRESS_KERNELS_HQQ_INL_H_
#endif

#include <algorithm>
#include <cfloat>
#include <cstddef>
#include <cstdint>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/half.h"
#include "kernels/hqq.h"
#include "kernels/hqq_power-inl.h"
#include "kernels/hqq_scratch.h"
#include "kernels/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace quantpress::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// One lane works on one group: the weights of kVectors * Lanes groups are transposed, iterations run down the columns, and
// each lane adds in the order of its group. So the float32 sums are the sequential ones, on every target.
//
// What an iteration needs depends on where the codes can fall, which the group's minimum and maximum tell:
enum class HqqPass {
  kInside,  // no code is clamped, no residual reaches the threshold of the shrink operator: z <- mean(q - w s)
  kClamp,   // codes are clamped
  kShrink,  // the shrink operator may be non-zero: residuals and, where one is large, powers
};

// The shrink operator is 0 below beta^(-1/(2-p)) = 0.1703; this leaves room for rounding.
inline constexpr float kShrinkFrom = 0.165f;

// a + b on the multiplier's port: 1 * a is exact, so this is the same sum where fused steps exist.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V AddByMultiplier(V a, [[maybe_unused]] V one, V b) {
#if HWY_TARGET <= HWY_AVX2
  return hn::MulAdd(a, one, b);
#else
  return hn::Add(a, b);
#endif
}

template <class D, size_t kVectors>
class HqqBlock {
  using V = hn::Vec<D>;
  using DI = hn::RebindToSigned<D>;
  using VI = hn::Vec<DI>;

 public:
  static constexpr size_t kLanes = hn::MaxLanes(D()) * kVectors;

  HqqBlock(const HqqShape& shape, const float* weights, const HqqScratch& scratch)
      : size_(shape.group_size),
        qmax_(static_cast<float>(MaxIndex(shape.bits))),
        half_scales_(shape.half_scales),
        weights_(weights),
        scratch_(scratch),
        whole_(size_ * kLanes <= kHqqColumnFloats),
        chunk_(whole_ ? size_ : kHqqColumnFloats / kLanes) {}

  // After Run: the iterations that each group has had, kHqqIterations if it is finished.
  HWY_ALIGN int32_t done[kLanes];

  // Takes up the work on groups ids[0 .. valid). `fresh`: they have not been looked at yet, and are neighbours. Stops when
  // at most `leave` of them still change; their state is saved. Returns false if a fresh weight is not finite. The first
  // iteration also fetches kLanes * group_size weights from `next` on, the next block's (null: nothing).
  HWY_INLINE bool Run(const uint32_t* HWY_RESTRICT ids, size_t valid, bool fresh, size_t leave, const float* next) {
    next_ = next;
    for (size_t lane = 0; lane < kLanes; ++lane) {
      rows_[lane] = weights_ + static_cast<size_t>(ids[std::min(lane, valid - 1)]) * size_;
    }
    if (fresh) {
      if (!Start()) return false;
    } else {
      if (whole_) Transpose(0, size_);
      Resume(ids, valid);
    }
    // Lanes beyond `valid` repeat the last group and are not counted as work.
    size_t active = 1;
    while (active > 0) {
      Iterate();
      active = 0;
      for (size_t v = 0; v < kVectors; ++v) active += hn::CountTrue(di_, Active(v));
      if (active <= leave) break;
    }
    Save(ids, valid, fresh);
    return true;
  }

 private:
  HWY_INLINE auto Active(size_t v) const { return hn::Lt(done_[v], hn::Set(di_, kHqqIterations)); }

  HWY_INLINE void Transpose(size_t first, size_t count) {
    for (size_t v = 0; v < kVectors; ++v) {
      float* HWY_RESTRICT to = scratch_.columns + v * hn::Lanes(d_);
      TransposeRows(d_, rows_ + v * hn::Lanes(d_), first, count,
                    [&](size_t column, V values) HWY_ATTR { hn::Store(values, d_, to + (column - first) * kLanes); });
    }
  }

  // Calls body(count) for pieces of `count` columns that are in scratch_.columns.
  template <class Body>
  HWY_INLINE void ForColumns(Body body) {
    for (size_t first = 0; first < size_; first += chunk_) {
      const size_t count = std::min(chunk_, size_ - first);
      if (!whole_) Transpose(first, count);
      body(count);
    }
  }

  HWY_INLINE V Column(size_t i, size_t v) const {
    return hn::Load(d_, scratch_.columns + i * kLanes + v * hn::Lanes(d_));
  }

  HWY_INLINE bool Start() {
    V low[kVectors], high[kVectors], bad = hn::Zero(d_);
    for (size_t v = 0; v < kVectors; ++v) {
      low[v] = hn::Set(d_, FLT_MAX);
      high[v] = hn::Set(d_, -FLT_MAX);
      float* HWY_RESTRICT to = scratch_.columns + v * hn::Lanes(d_);
      // Where a group is longer than the scratch memory these stores are not used, and stay in its first piece.
      const size_t wrap = whole_ ? size_ : chunk_;
      for (size_t first = 0; first < size_; first += wrap) {
        TransposeRows(d_, rows_ + v * hn::Lanes(d_), first, std::min(wrap, size_ - first),
                      [&](size_t column, V w) HWY_ATTR {
                        hn::Store(w, d_, to + (column - first) * kLanes);
                        low[v] = hn::Min(low[v], w);
                        high[v] = hn::Max(high[v], w);
                        // NaN or infinity times 0 is NaN.
                        bad = hn::MulAdd(w, hn::Zero(d_), bad);
                      });
      }
    }
    if (!hn::AllTrue(d_, hn::Eq(bad, bad))) return false;
    for (size_t v = 0; v < kVectors; ++v) {
      const V range = hn::Sub(high[v], low[v]);
      V step = hn::Mul(range, hn::Set(d_, 1.0f / qmax_));
      step = hn::Min(hn::Max(step, hn::Set(d_, kHqqMinScale)), hn::Set(d_, FLT_MAX));
      if (half_scales_) {
        HWY_ALIGN float steps[hn::MaxLanes(D())];
        hn::Store(step, d_, steps);
        for (float& s : steps) s = FloatFromHalf(HalfFromFloat(s));
        step = hn::Load(d_, steps);
      }
      const V factor = hn::Div(hn::Set(d_, 1.0f), step);
      // Every term and sum of the iterations stays below 64 times this.
      const V bound = hn::Mul(hn::Mul(MaxAbs(low[v], high[v]), factor), hn::Set(d_, static_cast<float>(size_)));
      const auto fits = hn::And(hn::Le(bound, hn::Set(d_, 1e36f)), hn::Le(range, hn::Set(d_, FLT_MAX)));
      low_[v] = low[v];
      high_[v] = high[v];
      factor_[v] = hn::IfThenElseZero(fits, factor);
      offset_[v] = hn::Mul(factor_[v], hn::Neg(low[v]));
      done_[v] = hn::IfThenElse(hn::RebindMask(di_, fits), hn::Zero(di_), hn::Set(di_, kHqqIterations));
    }
    return true;
  }

  HWY_INLINE void Resume(const uint32_t* HWY_RESTRICT ids, size_t valid) {
    HWY_ALIGN float low[kLanes], high[kLanes], factor[kLanes], offset[kLanes];
    for (size_t lane = 0; lane < kLanes; ++lane) {
      const uint32_t id = ids[std::min(lane, valid - 1)];
      low[lane] = scratch_.min[id];
      high[lane] = scratch_.max[id];
      factor[lane] = scratch_.factor[id];
      offset[lane] = scratch_.offset[id];
      done[lane] = scratch_.done[id];
    }
    for (size_t v = 0; v < kVectors; ++v) {
      const size_t at = v * hn::Lanes(d_);
      low_[v] = hn::Load(d_, low + at);
      high_[v] = hn::Load(d_, high + at);
      factor_[v] = hn::Load(d_, factor + at);
      offset_[v] = hn::Load(d_, offset + at);
      done_[v] = hn::Load(di_, done + at);
    }
  }

  HWY_INLINE void Save(const uint32_t* HWY_RESTRICT ids, size_t valid, bool fresh) {
    HWY_ALIGN float offset[kLanes];
    for (size_t v = 0; v < kVectors; ++v) {
      hn::Store(offset_[v], d_, offset + v * hn::Lanes(d_));
      hn::Store(done_[v], di_, done + v * hn::Lanes(d_));
    }
    if (!fresh) {
      for (size_t lane = 0; lane < valid; ++lane) {
        scratch_.offset[ids[lane]] = offset[lane];
        scratch_.done[ids[lane]] = done[lane];
      }
      return;
    }
    // Fresh groups are neighbours; entries beyond the last group belong to nobody.
    const size_t first = ids[0];
    for (size_t v = 0; v < kVectors; ++v) {
      const size_t at = v * hn::Lanes(d_);
      hn::StoreU(low_[v], d_, scratch_.min + first + at);
      hn::StoreU(high_[v], d_, scratch_.max + first + at);
      hn::StoreU(factor_[v], d_, scratch_.factor + first + at);
      hn::StoreU(offset_[v], d_, scratch_.offset + first + at);
      hn::StoreU(done_[v], di_, scratch_.done + first + at);
    }
  }

  static HWY_INLINE V MaxAbs(V low, V high) { return hn::Max(hn::Abs(low), hn::Abs(high)); }

  HWY_INLINE HqqPass ChoosePass(const V (&step)[kVectors]) const {
    bool clamp = false, shrink = false;
    for (size_t v = 0; v < kVectors; ++v) {
      // Rounding is monotonic: every w s + z lies between these two.
      const V first = hn::Add(hn::Mul(low_[v], factor_[v]), offset_[v]);
      const V last = hn::Add(hn::Mul(high_[v], factor_[v]), offset_[v]);
      const V over = hn::Max(hn::Neg(first), hn::Sub(last, hn::Set(d_, qmax_)));
      const auto active = hn::RebindMask(d_, Active(v));
      clamp |= !hn::AllFalse(d_, hn::AndNot(hn::Lt(over, hn::Set(d_, 0.49f)), active));
      // The largest residual, and what rounding may add to it.
      const V slack = hn::Mul(MaxAbs(low_[v], high_[v]), hn::Set(d_, 0x1p-20f));
      const V residual = hn::Add(hn::Mul(hn::Max(over, hn::Set(d_, 0.5f)), step[v]), slack);
      shrink |= !hn::AllFalse(d_, hn::AndNot(hn::Lt(residual, hn::Set(d_, kShrinkFrom)), active));
    }
    return shrink ? HqqPass::kShrink : clamp ? HqqPass::kClamp : HqqPass::kInside;
  }

  // The shrunk residual: sign(r) max(0, |r| - max(|r|, 1e-8)^-0.3 / 10).
  HWY_INLINE V Shrink(V residual) const {
    const V magnitude = hn::Abs(residual);
    if (hn::AllTrue(d_, hn::Lt(magnitude, hn::Set(d_, kShrinkFrom)))) return hn::Zero(d_);
    HWY_ALIGN float power[hn::MaxLanes(D())];
    hn::Store(hn::Max(magnitude, hn::Set(d_, 1e-8f)), d_, power);
    PowerOfFloats(power, hn::Lanes(d_));
    const V less = hn::Sub(magnitude, hn::Mul(hn::Set(d_, 0.1f), hn::Load(d_, power)));
    return hn::CopySign(hn::Max(hn::Zero(d_), less), residual);
  }

  template <HqqPass kPass>
  HWY_INLINE void Pass(size_t count, const V (&step)[kVectors], V (&sum)[kVectors]) const {
    V one = hn::Set(d_, 1.0f);
    const V zero = hn::Zero(d_), qmax = hn::Set(d_, qmax_), half = hn::Set(d_, kBelowHalf);
    V factor[kVectors], offset[kVectors], total[kVectors];
    for (size_t v = 0; v < kVectors; ++v) {
      factor[v] = factor_[v];
      offset[v] = offset_[v];
      total[v] = sum[v];
    }
    const float* HWY_RESTRICT next = next_;
    for (size_t i = 0; i < count; ++i) {
      if constexpr (kPass == HqqPass::kInside) {
        if (next != nullptr) {
          for (size_t line = 0; line < kLanes; line += 16) hwy::Prefetch(next + i * kLanes + line);
        }
      }
      for (size_t v = 0; v < kVectors; ++v) {
        const V w = Column(i, v);
        const V scaled = hn::Mul(w, factor[v]);
        const V x = hn::Add(scaled, offset[v]);
        // Half away from zero for x > -0.5; what is below is clamped to 0.
        V q = hn::Trunc(AddByMultiplier<D>(x, one, half));
        if constexpr (kPass != HqqPass::kInside) q = hn::Max(zero, hn::Min(qmax, q));
        V term;
        if constexpr (kPass == HqqPass::kShrink) {
          const V residual = hn::Sub(w, hn::Mul(hn::Sub(q, offset[v]), step[v]));
          term = hn::Sub(q, hn::Mul(hn::Sub(w, Shrink(residual)), factor[v]));
        } else {
          term = hn::Sub(q, scaled);
        }
        total[v] = AddByMultiplier<D>(term, one, total[v]);
      }
    }
    for (size_t v = 0; v < kVectors; ++v) sum[v] = total[v];
  }

  HWY_INLINE void Iterate() {
    V step[kVectors], sum[kVectors];
    for (size_t v = 0; v < kVectors; ++v) {
      step[v] = hn::Div(hn::Set(d_, 1.0f), factor_[v]);
      sum[v] = hn::Zero(d_);
    }
    const HqqPass pass = ChoosePass(step);
    ForColumns([&](size_t count) HWY_ATTR {
      if (pass == HqqPass::kInside) {
        Pass<HqqPass::kInside>(count, step, sum);
      } else if (pass == HqqPass::kClamp) {
        Pass<HqqPass::kClamp>(count, step, sum);
      } else {
        Pass<HqqPass::kShrink>(count, step, sum);
      }
    });
    next_ = nullptr;
    for (size_t v = 0; v < kVectors; ++v) {
      const V next = hn::Div(sum[v], hn::Set(d_, static_cast<float>(size_)));
      const auto active = Active(v);
      // The same bits again: the remaining iterations would change nothing.
      const auto fixed = hn::Eq(hn::BitCast(di_, next), hn::BitCast(di_, offset_[v]));
      offset_[v] = hn::IfThenElse(hn::RebindMask(d_, active), next, offset_[v]);
      const VI counted = hn::IfThenElse(active, hn::Add(done_[v], hn::Set(di_, 1)), done_[v]);
      done_[v] = hn::IfThenElse(fixed, hn::Set(di_, kHqqIterations), counted);
    }
  }

  const D d_;
  const DI di_;
  const size_t size_;
  const float qmax_;
  const bool half_scales_;
  const float* const weights_;
  const HqqScratch& scratch_;
  const bool whole_;    // the columns of a block stay in scratch between iterations
  const size_t chunk_;  // else they are transposed anew, so many at a time
  const float* rows_[kLanes];
  const float* next_ = nullptr;
  V low_[kVectors], high_[kVectors], factor_[kVectors], offset_[kVectors];
  VI done_[kVectors];
};

// Groups need very different numbers of iterations (about half of the groups of 64 weights need two, some need all 20),
// so a block is left when few of its lanes still change, and what is left of several blocks is put together.
template <size_t kVectors>
HWY_INLINE bool SolveGroups(const HqqShape& shape, const float* weights, const HqqScratch& scratch) {
  using D = hn::ScalableTag<float>;
  HqqBlock<D, kVectors> block(shape, weights, scratch);
  constexpr size_t kLanes = HqqBlock<D, kVectors>::kLanes;
  constexpr size_t kLeave = kLanes / 2;
  size_t queued = 0;
  const auto run = [&](const uint32_t* ids, size_t valid, bool fresh, size_t leave, const float* next) HWY_ATTR {
    if (!block.Run(ids, valid, fresh, leave, next)) return false;
    for (size_t i = 0; i < valid; ++i) {
      scratch.queue[queued] = ids[i];
      queued += block.done[i] < kHqqIterations ? 1 : 0;
    }
    return true;
  };
  uint32_t ids[kLanes];
  const auto take = [&](size_t count) HWY_ATTR {
    queued -= count;
    std::copy_n(scratch.queue + queued, count, ids);
  };
  const size_t block_weights = kLanes * shape.group_size;
  for (size_t first = 0; first < shape.groups; first += kLanes) {
    const size_t valid = std::min(kLanes, shape.groups - first);
    for (size_t i = 0; i < valid; ++i) ids[i] = static_cast<uint32_t>(first + i);
    // Fetching is worth while where a block fits the first-level cache beside the columns.
    const bool more = first + 2 * kLanes <= shape.groups && block_weights <= 4096;
    if (!run(ids, valid, true, kLeave, more ? weights + first * shape.group_size + block_weights : nullptr)) return false;
    while (queued >= kLanes) {
      take(kLanes);
      run(ids, kLanes, false, kLeave, nullptr);
    }
  }
  while (queued > 0) {
    const size_t valid = std::min(kLanes, queued);
    take(valid);
    run(ids, valid, false, 0, nullptr);
  }
  return true;
}

bool HqqSolveTarget(const HqqShape& shape, const float* weights, float* scratch_floats, float* min, float* scale,
                    float* factor) {
  const HqqScratch scratch(scratch_floats, shape.groups);
  const bool finite = shape.group_size <= 256    ? SolveGroups<4>(shape, weights, scratch)
                      : shape.group_size <= 1024 ? SolveGroups<2>(shape, weights, scratch)
                                                 : SolveGroups<1>(shape, weights, scratch);
  if (!finite) return false;
  const float levels = static_cast<float>(MaxIndex(shape.bits));
  for (size_t g = 0; g < shape.groups; ++g) {
    const float low = scratch.min[g], high = scratch.max[g], s = scratch.factor[g];
    if (HWY_LIKELY(s != 0.0f)) {
      const float group_scale = 1.0f / s;
      const float group_min = -(scratch.offset[g] * group_scale);
      const bool near = (low - group_min) * s > -60.0f && (high - group_min) * s < 187.0f && s > 1e-36f;
      scale[g] = group_scale;
      min[g] = group_min;
      factor[g] = near ? s : -s;
    } else {
      const float range = high - low;
      scale[g] = range <= FLT_MAX ? range / levels : high / levels - low / levels;
      min[g] = low;
      factor[g] = 0.0f;
    }
  }
  return true;
}

void HqqPowerTarget(const float* x, size_t count, float* power) {
  constexpr size_t kPiece = 64;
  HWY_ALIGN float piece[kPiece];
  for (size_t i = 0; i < count; i += kPiece) {
    const size_t size = std::min(kPiece, count - i);
    std::fill(std::copy_n(x + i, size, piece), piece + kPiece, 1.0f);
    PowerOfFloats(piece, kPiece);
    std::copy_n(piece, size, power + i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace quantpress::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
