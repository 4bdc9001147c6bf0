// Small steps that several kernels share. Re-included once per target.
#if defined(QUANTPRESS_KERNELS_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANTPRESS_KERNELS_VECTOR_INL_H_
#undef QUANTPRESS_KERNELS_VECTOR_INL_H_
#else
#define QUANTPRESS_KERNELS_VECTOR_INL_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace quantpress::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// The largest float below 0.5. trunc(x + it) is x rounded half away from zero for x >= 0 (0.5 itself would lift the float
// just below 0.5 to 1).
inline constexpr float kBelowHalf = 0x1.fffffep-2f;

// Adding an integer n in 0 .. 2^22 to it makes n the low bits of the float's pattern.
inline constexpr float kIntegerMagic = 0x1p23f;

template <class D, class V = hn::Vec<D>>
HWY_INLINE V RoundHalfAway(D d, V x) {
  return hn::Trunc(hn::Add(x, hn::CopySign(hn::Set(d, kBelowHalf), x)));
}

// Negative input gives something <= 0, for callers that clamp or know their input.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V RoundHalfUpNonNegative(D d, V x) {
  return hn::Trunc(hn::Add(x, hn::Set(d, kBelowHalf)));
}

// Stores the low bytes of four vectors of 32-bit lanes to 4 * Lanes(d) bytes, in order.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void StoreLowBytes4([[maybe_unused]] D d, V v0, V v1, V v2, V v3, uint8_t* HWY_RESTRICT out) {
  constexpr size_t kLanes = hn::MaxLanes(D());
  if constexpr (kLanes == 1) {
    out[0] = static_cast<uint8_t>(hn::GetLane(v0));
    out[1] = static_cast<uint8_t>(hn::GetLane(v1));
    out[2] = static_cast<uint8_t>(hn::GetLane(v2));
    out[3] = static_cast<uint8_t>(hn::GetLane(v3));
    return;
  }
#if HWY_TARGET != HWY_SCALAR
  // Byte k of lane i is value i of vector k ...
  const V low = hn::Set(d, 0xFF);
  const V v01 = hn::Or(hn::And(v0, low), hn::ShiftLeft<8>(hn::And(v1, low)));
  const V v23 = hn::Or(hn::And(v2, low), hn::ShiftLeft<8>(v3));
  const V all = hn::Or(v01, hn::ShiftLeft<16>(v23));
  // ... then a 4x4 byte transposition in each 128-bit block, then the blocks' 32-bit pieces to their places.
  const hn::Repartition<uint8_t, D> d8;
  alignas(16) static constexpr uint8_t kTranspose[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  const auto bytes = hn::TableLookupBytes(hn::BitCast(d8, all), hn::LoadDup128(d8, kTranspose));
  constexpr size_t kBlocks = kLanes / 4;
  if constexpr (kBlocks <= 1) {
    hn::StoreU(bytes, d8, out);
  } else {
    alignas(64) int32_t source[kLanes];
    for (size_t k = 0; k < 4; ++k) {
      for (size_t b = 0; b < kBlocks; ++b) source[k * kBlocks + b] = static_cast<int32_t>(b * 4 + k);
    }
    const auto ordered = hn::TableLookupLanes(hn::BitCast(d, bytes), hn::SetTableIndices(d, source));
    hn::StoreU(hn::BitCast(d8, ordered), d8, out);
  }
#endif
}

// Stores the low byte of each 32-bit lane to Lanes(d) bytes.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void StoreLowBytes(D d, V v, uint8_t* HWY_RESTRICT out) {
  const hn::Rebind<uint8_t, D> d8;
  hn::StoreU(hn::U8FromU32(hn::And(v, hn::Set(d, 0xFF))), d8, out);
}

#if HWY_TARGET != HWY_SCALAR
// Loads 4 floats each of Lanes(d) rows and stores them as 4 columns of Lanes(d) rows, `stride` floats apart.
template <class D>
HWY_INLINE void Transpose4Columns(D d, const float* const* HWY_RESTRICT rows, size_t column, float* HWY_RESTRICT to,
                                  size_t stride) {
  constexpr size_t kLanes = hn::MaxLanes(D());
  const hn::CappedTag<float, 4> d4;
  // Block b of vector i holds row 4b + i, so that the 4x4 transpositions inside the blocks put the rows in order.
  const auto load = [&](size_t i) HWY_ATTR {
    if constexpr (kLanes == 4) {
      return hn::LoadU(d4, rows[i] + column);
    } else if constexpr (kLanes == 8) {
      return hn::Combine(d, hn::LoadU(d4, rows[4 + i] + column), hn::LoadU(d4, rows[i] + column));
    } else {
      static_assert(kLanes == 16);
      const hn::Half<D> dh;
      return hn::Combine(d,
                         hn::Combine(dh, hn::LoadU(d4, rows[12 + i] + column), hn::LoadU(d4, rows[8 + i] + column)),
                         hn::Combine(dh, hn::LoadU(d4, rows[4 + i] + column), hn::LoadU(d4, rows[i] + column)));
    }
  };
  const auto v0 = load(0), v1 = load(1), v2 = load(2), v3 = load(3);
  const hn::Repartition<uint64_t, D> d64;
  const auto t0 = hn::BitCast(d64, hn::InterleaveLower(d, v0, v1));
  const auto t1 = hn::BitCast(d64, hn::InterleaveUpper(d, v0, v1));
  const auto t2 = hn::BitCast(d64, hn::InterleaveLower(d, v2, v3));
  const auto t3 = hn::BitCast(d64, hn::InterleaveUpper(d, v2, v3));
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, t0, t2)), d, to);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, t0, t2)), d, to + stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveLower(d64, t1, t3)), d, to + 2 * stride);
  hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(d64, t1, t3)), d, to + 3 * stride);
}
#endif

// to[c * stride + r] = rows[r][first + c] for the Lanes(d) rows and `columns` columns.
template <class D>
HWY_INLINE void TransposeRows(D d, const float* const* HWY_RESTRICT rows, size_t first, size_t columns,
                              float* HWY_RESTRICT to, size_t stride) {
  size_t column = 0;
#if HWY_TARGET != HWY_SCALAR
  for (; column + 4 <= columns; column += 4) Transpose4Columns(d, rows, first + column, to + column * stride, stride);
#endif
  for (; column < columns; ++column) {
    for (size_t row = 0; row < hn::Lanes(d); ++row) to[column * stride + row] = rows[row][first + column];
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace quantpress::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
