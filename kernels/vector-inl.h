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

// The same value, in a register: g++ 12 else loads a vector again for each of its uses, and weights may lie at any address,
// where a load of 64 bytes touches two cache lines.
template <class V>
HWY_INLINE V InRegister(V v) {
#if HWY_ARCH_X86 && HWY_COMPILER_GCC_ACTUAL
  __asm__("" : "+v"(v.raw));
#endif
  return v;
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V RoundHalfAway(D d, V x) {
  return hn::Trunc(hn::Add(x, hn::CopySign(hn::Set(d, kBelowHalf), x)));
}

// Negative input gives something <= 0, for callers that clamp or know their input.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V RoundHalfUpNonNegative(D d, V x) {
  return hn::Trunc(hn::Add(x, hn::Set(d, kBelowHalf)));
}

#if HWY_TARGET != HWY_SCALAR
// The low bytes of four vectors of 32-bit lanes whose upper bytes are those of kIntegerMagic, in order.
template <class D, class V = hn::Vec<D>>
HWY_INLINE hn::Vec<hn::Repartition<uint8_t, D>> LowBytes4(D d, V v0, V v1, V v2, V v3) {
  // Byte k of lane i is value i of vector k (shifts drop the upper bytes, but for those of v0) ...
  const V v01 = hn::Xor(v0, hn::ShiftLeft<8>(v1));
  const V v23 = hn::Xor(hn::ShiftLeft<16>(v2), hn::ShiftLeft<24>(v3));
  const V all = hn::Xor(hn::Xor(v01, v23), hn::Set(d, 0x4B000000u));
  // ... then a 4x4 byte transposition in each 128-bit block, then the blocks' 32-bit pieces to their places.
  const hn::Repartition<uint8_t, D> d8;
  alignas(16) static constexpr uint8_t kTranspose[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  const auto bytes = hn::TableLookupBytes(hn::BitCast(d8, all), hn::LoadDup128(d8, kTranspose));
  constexpr size_t kLanes = hn::MaxLanes(D()), kBlocks = kLanes / 4;
  if constexpr (kBlocks == 1) {
    return bytes;
  } else {
    alignas(64) int32_t source[kLanes];
    for (size_t k = 0; k < 4; ++k) {
      for (size_t b = 0; b < kBlocks; ++b) source[k * kBlocks + b] = static_cast<int32_t>(b * 4 + k);
    }
    return hn::BitCast(d8, hn::TableLookupLanes(hn::BitCast(d, bytes), hn::SetTableIndices(d, source)));
  }
}
#endif

// Stores the low byte of each 32-bit lane to Lanes(d) bytes.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void StoreLowBytes(D d, V v, uint8_t* HWY_RESTRICT out) {
  const hn::Rebind<uint8_t, D> d8;
  hn::StoreU(hn::U8FromU32(hn::And(v, hn::Set(d, 0xFF))), d8, out);
}

#if HWY_TARGET != HWY_SCALAR
// 4x4 transpositions inside the 128-bit blocks.
template <class D, class V = hn::Vec<D>>
HWY_INLINE void TransposeBlocks(D d, V& v0, V& v1, V& v2, V& v3) {
  const hn::Repartition<uint64_t, D> d64;
  const auto t0 = hn::BitCast(d64, hn::InterleaveLower(d, v0, v1));
  const auto t1 = hn::BitCast(d64, hn::InterleaveUpper(d, v0, v1));
  const auto t2 = hn::BitCast(d64, hn::InterleaveLower(d, v2, v3));
  const auto t3 = hn::BitCast(d64, hn::InterleaveUpper(d, v2, v3));
  v0 = hn::BitCast(d, hn::InterleaveLower(d64, t0, t2));
  v1 = hn::BitCast(d, hn::InterleaveUpper(d64, t0, t2));
  v2 = hn::BitCast(d, hn::InterleaveLower(d64, t1, t3));
  v3 = hn::BitCast(d, hn::InterleaveUpper(d64, t1, t3));
}

// 4 columns of the Lanes(d) rows: sink(column, values).
template <class D, class Sink>
HWY_INLINE void Transpose4Columns(D d, const float* const* HWY_RESTRICT rows, size_t column, Sink sink) {
  constexpr size_t kLanes = hn::MaxLanes(D());
  const hn::CappedTag<float, 4> d4;
  // Block b of vector i holds row 4b + i, so that the 4x4 transpositions put the rows in order.
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
  auto v0 = load(0), v1 = load(1), v2 = load(2), v3 = load(3);
  TransposeBlocks(d, v0, v1, v2, v3);
  sink(column, v0);
  sink(column + 1, v1);
  sink(column + 2, v2);
  sink(column + 3, v3);
}

#if HWY_TARGET == HWY_AVX3
// 8 columns of 16 rows: fewer instructions per column.
template <class D, class Sink>
HWY_INLINE void Transpose8Columns(D d, const float* const* HWY_RESTRICT rows, size_t column, Sink sink) {
  const hn::Half<D> dh;
  // Blocks: columns 0-3 and 4-7 of row i, then of row i + 8.
  const auto load = [&](size_t i) HWY_ATTR {
    return hn::Combine(d, hn::LoadU(dh, rows[i + 8] + column), hn::LoadU(dh, rows[i] + column));
  };
  auto t0 = load(0), t1 = load(1), t2 = load(2), t3 = load(3);
  TransposeBlocks(d, t0, t1, t2, t3);
  auto u0 = load(4), u1 = load(5), u2 = load(6), u3 = load(7);
  TransposeBlocks(d, u0, u1, u2, u3);
  // Now t: column j of rows 0-3, column j + 4 of them, the same of rows 8-11; u: of rows 4-7 and 12-15.
  const auto low = [](auto t, auto u) HWY_ATTR { return hn::OddEvenBlocks(hn::SwapAdjacentBlocks(u), t); };
  const auto high = [](auto t, auto u) HWY_ATTR { return hn::OddEvenBlocks(u, hn::SwapAdjacentBlocks(t)); };
  sink(column, low(t0, u0));
  sink(column + 1, low(t1, u1));
  sink(column + 2, low(t2, u2));
  sink(column + 3, low(t3, u3));
  sink(column + 4, high(t0, u0));
  sink(column + 5, high(t1, u1));
  sink(column + 6, high(t2, u2));
  sink(column + 7, high(t3, u3));
}
#endif
#endif  // HWY_TARGET != HWY_SCALAR

// Calls sink(c, vector of rows[r][c] for the Lanes(d) rows) for the columns first .. first + count.
template <class D, class Sink>
HWY_INLINE void TransposeRows(D d, const float* const* HWY_RESTRICT rows, size_t first, size_t count, Sink sink) {
  size_t column = first;
  const size_t end = first + count;
#if HWY_TARGET == HWY_AVX3
  for (; column + 8 <= end; column += 8) Transpose8Columns(d, rows, column, sink);
#endif
#if HWY_TARGET != HWY_SCALAR
  for (; column + 4 <= end; column += 4) Transpose4Columns(d, rows, column, sink);
#endif
  for (; column < end; ++column) {
    HWY_ALIGN float values[hn::MaxLanes(D())];
    for (size_t row = 0; row < hn::Lanes(d); ++row) values[row] = rows[row][column];
    sink(column, hn::Load(d, values));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace quantpress::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
