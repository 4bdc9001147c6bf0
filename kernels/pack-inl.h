#if defined(QUANTPRESS_KERNELS_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef QUANTPRESS_KERNELS_PACK_INL_H_
#undef QUANTPRESS_KERNELS_PACK_INL_H_
#else
#define QUANTPRESS_KERNELS_PACK_INL_H_
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "hwy/highway.h"
#include "kernels/pack.h"

HWY_BEFORE_NAMESPACE();
namespace quantpress::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// 8 indexes make exactly kBits bytes: a 64-bit word whose low 8 * kBits bits are stored big-endian.
template <int kBits>
HWY_INLINE void Pack8(const uint8_t* HWY_RESTRICT indexes, uint8_t* HWY_RESTRICT packed) {
  uint64_t word = 0;
  for (size_t i = 0; i < 8; ++i) word = word << kBits | indexes[i];
  for (int i = 0; i < kBits; ++i) packed[i] = static_cast<uint8_t>(word >> (8 * (kBits - 1 - i)));
}

template <int kBits>
HWY_INLINE void Unpack8(const uint8_t* HWY_RESTRICT packed, uint8_t* HWY_RESTRICT indexes) {
  uint64_t word = 0;
  for (int i = 0; i < kBits; ++i) word = word << 8 | packed[i];
  for (int i = 0; i < 8; ++i) indexes[i] = static_cast<uint8_t>(word >> (kBits * (7 - i)) & ((1u << kBits) - 1));
}

#if HWY_TARGET != HWY_SCALAR
// Each 64-bit lane: 8 index bytes to their 8 * kBits bits, neighbours joined three times.
template <int kBits, class D8, class V8 = hn::Vec<D8>>
HWY_INLINE auto JoinIndexes([[maybe_unused]] D8 d8, V8 bytes) {
  const hn::Repartition<uint16_t, D8> d16;
  const hn::Repartition<uint32_t, D8> d32;
  const hn::Repartition<uint64_t, D8> d64;
  const auto a = hn::BitCast(d16, bytes);
  const auto b = hn::BitCast(d32, hn::Or(hn::ShiftLeft<kBits>(hn::And(a, hn::Set(d16, 0xFF))), hn::ShiftRight<8>(a)));
  const auto c = hn::BitCast(
      d64, hn::Or(hn::ShiftLeft<2 * kBits>(hn::And(b, hn::Set(d32, 0xFFFF))), hn::ShiftRight<16>(b)));
  return hn::Or(hn::ShiftLeft<4 * kBits>(hn::And(c, hn::Set(d64, 0xFFFFFFFFull))), hn::ShiftRight<32>(c));
}

// The inverse.
template <int kBits, class D64, class V64 = hn::Vec<D64>>
HWY_INLINE auto SplitIndexes(D64 d64, V64 words) {
  const hn::Repartition<uint8_t, D64> d8;
  const hn::Repartition<uint16_t, D64> d16;
  const hn::Repartition<uint32_t, D64> d32;
  const auto c = hn::BitCast(
      d32, hn::Or(hn::ShiftRight<4 * kBits>(words),
                  hn::ShiftLeft<32>(hn::And(words, hn::Set(d64, (uint64_t{1} << (4 * kBits)) - 1)))));
  const auto b =
      hn::BitCast(d16, hn::Or(hn::ShiftRight<2 * kBits>(c),
                              hn::ShiftLeft<16>(hn::And(c, hn::Set(d32, (uint32_t{1} << (2 * kBits)) - 1)))));
  const uint16_t mask = static_cast<uint16_t>((1u << kBits) - 1);
  return hn::BitCast(d8, hn::Or(hn::ShiftRight<kBits>(b), hn::ShiftLeft<8>(hn::And(b, hn::Set(d16, mask)))));
}

// The byte permutation of a 128-bit block: 2 words to 2 * kBits big-endian bytes.
template <int kBits>
struct PackOrder {
  alignas(16) uint8_t bytes[16];
  constexpr PackOrder() : bytes() {
    for (int i = 0; i < 16; ++i) {
      const int word = i / kBits, byte = i % kBits;
      bytes[i] = word < 2 ? static_cast<uint8_t>(8 * word + kBits - 1 - byte) : uint8_t{0x80};
    }
  }
};

template <int kBits>
struct UnpackOrder {
  alignas(16) uint8_t bytes[16];
  constexpr UnpackOrder() : bytes() {
    for (int i = 0; i < 16; ++i) {
      const int word = i / 8, byte = i % 8;
      bytes[i] = byte < kBits ? static_cast<uint8_t>(word * kBits + kBits - 1 - byte) : uint8_t{0x80};
    }
  }
};

// Stores the low 2 * kBits bytes of each 128-bit block, one after the other, with 16-byte stores that overlap.
template <int kBits, class D8, class V8 = hn::Vec<D8>>
HWY_INLINE void StoreBlocks(D8 d8, V8 bytes, uint8_t* HWY_RESTRICT out) {
  constexpr size_t kLanes = hn::MaxLanes(D8());
  if constexpr (kLanes == 16) {
    hn::StoreU(bytes, d8, out);
  } else {
    const hn::Half<D8> dh;
    StoreBlocks<kBits>(dh, hn::LowerHalf(dh, bytes), out);
    StoreBlocks<kBits>(dh, hn::UpperHalf(dh, bytes), out + kLanes / 16 * kBits);
  }
}

// Returns how many indexes were packed: a multiple of the vector's bytes.
template <int kBits>
HWY_INLINE size_t PackVectors(const uint8_t* HWY_RESTRICT indexes, size_t count, uint8_t* HWY_RESTRICT packed) {
  const hn::ScalableTag<uint8_t> d8;
  constexpr size_t kLanes = hn::MaxLanes(hn::ScalableTag<uint8_t>());
  size_t i = 0;
  if constexpr (kBits == 4) {  // pairs: no need for words
    const hn::Repartition<uint16_t, decltype(d8)> d16;
    const hn::Rebind<uint8_t, decltype(d16)> dh;
    for (; i + kLanes <= count; i += kLanes) {
      const auto pair = hn::BitCast(d16, hn::LoadU(d8, indexes + i));
      const auto byte = hn::Or(hn::And(hn::ShiftLeft<4>(pair), hn::Set(d16, 0xF0)), hn::ShiftRight<8>(pair));
      hn::StoreU(hn::TruncateTo(dh, byte), dh, packed + i / 2);
    }
    return i;
  }
  constexpr PackOrder<kBits> order;
  const auto table = hn::LoadDup128(d8, order.bytes);
  // The last 16-byte store of a vector reaches beyond its bytes, but never beyond the output: those are written later.
  const size_t bytes = PackedBytes(count, kBits);
  constexpr size_t kReach = kLanes / 8 * kBits + 16 - 2 * kBits;
  for (; i + kLanes <= count && i / 8 * kBits + kReach <= bytes; i += kLanes) {
    const auto words = JoinIndexes<kBits>(d8, hn::LoadU(d8, indexes + i));
    StoreBlocks<kBits>(d8, hn::TableLookupBytesOr0(hn::BitCast(d8, words), table), packed + i / 8 * kBits);
  }
  return i;
}

template <int kBits>
HWY_INLINE size_t UnpackVectors(const uint8_t* HWY_RESTRICT packed, size_t count, uint8_t* HWY_RESTRICT indexes) {
  const hn::CappedTag<uint8_t, 16> d8;
  const hn::Repartition<uint64_t, decltype(d8)> d64;
  constexpr UnpackOrder<kBits> order;
  const auto table = hn::Load(d8, order.bytes);
  const size_t bytes = PackedBytes(count, kBits);
  size_t i = 0;
  for (; i + 16 <= count && i / 8 * kBits + 16 <= bytes; i += 16) {
    const auto words = hn::TableLookupBytesOr0(hn::LoadU(d8, packed + i / 8 * kBits), table);
    hn::StoreU(SplitIndexes<kBits>(d64, hn::BitCast(d64, words)), d8, indexes + i);
  }
  return i;
}
#endif  // HWY_TARGET != HWY_SCALAR

template <int kBits>
HWY_NOINLINE void Pack(const uint8_t* HWY_RESTRICT indexes, size_t count, uint8_t* HWY_RESTRICT packed) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  i = PackVectors<kBits>(indexes, count, packed);
#endif
  for (; i + 8 <= count; i += 8) Pack8<kBits>(indexes + i, packed + i / 8 * kBits);
  if (i < count) {
    uint8_t last[8] = {}, out[8] = {};
    std::memcpy(last, indexes + i, count - i);
    Pack8<kBits>(last, out);
    std::memcpy(packed + i / 8 * kBits, out, PackedBytes(count - i, kBits));
  }
}

// `packed` starts with an index.
template <int kBits>
HWY_NOINLINE void Unpack(const uint8_t* HWY_RESTRICT packed, size_t count, uint8_t* HWY_RESTRICT indexes) {
  size_t i = 0;
#if HWY_TARGET != HWY_SCALAR
  i = UnpackVectors<kBits>(packed, count, indexes);
#endif
  for (; i + 8 <= count; i += 8) Unpack8<kBits>(packed + i / 8 * kBits, indexes + i);
  if (i < count) {
    uint8_t last[8] = {}, out[8] = {};
    std::memcpy(last, packed + i / 8 * kBits, PackedBytes(count - i, kBits));
    Unpack8<kBits>(last, out);
    std::memcpy(indexes + i, out, count - i);
  }
}

void PackTarget(int bits, const uint8_t* indexes, size_t count, uint8_t* packed) {
  switch (bits) {
    case 1: return Pack<1>(indexes, count, packed);
    case 2: return Pack<2>(indexes, count, packed);
    case 3: return Pack<3>(indexes, count, packed);
    case 4: return Pack<4>(indexes, count, packed);
    case 5: return Pack<5>(indexes, count, packed);
    case 6: return Pack<6>(indexes, count, packed);
    case 7: return Pack<7>(indexes, count, packed);
    default: std::memcpy(packed, indexes, count);
  }
}

void UnpackTarget(int bits, const uint8_t* packed, size_t count, uint8_t* indexes) {
  switch (bits) {
    case 1: return Unpack<1>(packed, count, indexes);
    case 2: return Unpack<2>(packed, count, indexes);
    case 3: return Unpack<3>(packed, count, indexes);
    case 4: return Unpack<4>(packed, count, indexes);
    case 5: return Unpack<5>(packed, count, indexes);
    case 6: return Unpack<6>(packed, count, indexes);
    case 7: return Unpack<7>(packed, count, indexes);
    default: std::memcpy(indexes, packed, count);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace quantpress::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
