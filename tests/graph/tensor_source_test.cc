#include "graph/ir/tensor_source.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "kernels/half.h"

namespace quantpress::graph {
namespace {

std::vector<float> Floats(const TensorSource& source, uint64_t begin = 0, uint64_t count = UINT64_MAX) {
  std::vector<float> out(std::min(count, source.count() - begin));
  source.ReadFloats(begin, out);
  return out;
}

std::vector<int64_t> Ints(const TensorSource& source) {
  std::vector<int64_t> out(source.count());
  source.ReadInts(0, out);
  return out;
}

std::vector<float> Iota(size_t n) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

// Every range of the source equals the same range of `expected`.
void ExpectRanges(const TensorSource& source, const std::vector<float>& expected, uint64_t step = 1) {
  ASSERT_EQ(source.count(), expected.size());
  for (uint64_t begin = 0; begin < expected.size(); begin += step) {
    for (uint64_t n : {uint64_t{1}, uint64_t{7}, uint64_t{100}, UINT64_MAX}) {
      const auto got = Floats(source, begin, n);
      ASSERT_TRUE(std::equal(got.begin(), got.end(), expected.begin() + static_cast<int64_t>(begin))) << begin << " " << n;
    }
  }
}

TEST(DenseSource, EveryTypeAtAnyAlignment) {
  const auto check = [](auto example, ElementType type) {
    using T = decltype(example);
    const std::vector<T> values = {T{0}, T{1}, T{100}, static_cast<T>(-1)};
    std::vector<uint8_t> raw(values.size() * sizeof(T) + 1);
    std::memcpy(raw.data() + 1, values.data(), values.size() * sizeof(T));
    const Bytes bytes = Bytes::Own(raw).Slice(1, values.size() * sizeof(T));
    const auto source = DenseSource(bytes, type, values.size());
    ASSERT_TRUE(source.ok());
    const auto floats = Floats(**source);
    const auto ints = Ints(**source);
    for (size_t i = 0; i < values.size(); ++i) {
      EXPECT_EQ(floats[i], static_cast<float>(values[i])) << ElementTypeName(type);
      EXPECT_EQ(ints[i], static_cast<int64_t>(values[i])) << ElementTypeName(type);
    }
    EXPECT_FALSE(DenseSource(bytes, type, values.size() + 1).ok());
  };
  check(float{}, ElementType::kFloat32);
  check(double{}, ElementType::kFloat64);
  check(int8_t{}, ElementType::kInt8);
  check(uint8_t{}, ElementType::kUInt8);
  check(int16_t{}, ElementType::kInt16);
  check(uint16_t{}, ElementType::kUInt16);
  check(int32_t{}, ElementType::kInt32);
  check(uint32_t{}, ElementType::kUInt32);
  check(int64_t{}, ElementType::kInt64);
}

TEST(DenseSource, SmallTypes) {
  const auto source = [](std::vector<uint8_t> raw, ElementType type, uint64_t n) {
    return *DenseSource(Bytes::Own(std::move(raw)), type, n);
  };
  EXPECT_EQ(Ints(*source({0x21, 0xF8, 0x07}, ElementType::kInt4, 5)), std::vector<int64_t>({1, 2, -8, -1, 7}));
  EXPECT_EQ(Ints(*source({0x21, 0xF8}, ElementType::kUInt4, 4)), std::vector<int64_t>({1, 2, 8, 15}));
  EXPECT_EQ(Ints(*source({0, 1, 7}, ElementType::kBool, 3)), std::vector<int64_t>({0, 1, 1}));
  EXPECT_EQ(Floats(*source({0, 0x3C, 0, 0xC0}, ElementType::kFloat16, 2)), std::vector<float>({1, -2}));
  EXPECT_EQ(Floats(*source({0x80, 0x3F, 0, 0xC0}, ElementType::kBFloat16, 2)), std::vector<float>({1, -2}));
  EXPECT_EQ(Ints(*source({0, 0x3C, 0, 0xC1}, ElementType::kFloat16, 2)), std::vector<int64_t>({1, -2}));
  EXPECT_FALSE(DenseSource(Bytes::Own(std::vector<uint8_t>(8)), ElementType::kString, 1).ok());
  EXPECT_FALSE(DenseSource(Bytes::Own(std::vector<uint8_t>(8)), ElementType::kFloat32, UINT64_MAX / 4).ok());
}

TEST(DenseSource, FloatsToIntsTruncateAndSaturate) {
  const auto source = FloatSource({1.9f, -1.9f, 1e30f, -1e30f, std::numeric_limits<float>::quiet_NaN()});
  EXPECT_EQ(Ints(*source), std::vector<int64_t>({1, -1, INT64_MAX, INT64_MIN, 0}));
}

// Element by element, from the definition.
std::vector<float> NaiveStrided(const std::vector<float>& base, const std::vector<int64_t>& shape,
                                const std::vector<int64_t>& strides, int64_t offset) {
  std::vector<float> out;
  std::vector<int64_t> index(shape.size(), 0);
  for (;;) {
    int64_t at = offset;
    for (size_t i = 0; i < shape.size(); ++i) at += index[i] * strides[i];
    out.push_back(base[static_cast<size_t>(at)]);
    size_t i = shape.size();
    while (i > 0 && ++index[i - 1] == shape[i - 1]) index[--i] = 0;
    if (i == 0) return out;
  }
}

struct View {
  std::vector<int64_t> shape, strides;
  int64_t offset = 0;
};

TEST(StridedSource, EqualsTheDefinition) {
  const std::vector<View> views = {
      {{200, 130}, {1, 200}},               // matrix transposition
      {{65, 3}, {1, 65}},                   // narrow
      {{3, 65}, {1, 3}},                    // flat
      {{20, 7, 9}, {1, 20, 140}},           // HWIO to OIHW: [9][7][20] read as [20][7][9]
      {{5, 4, 6}, {24, 1, 4}},              // batched transposition
      {{4, 5, 6, 3}, {90, 1, 15, 5}},       // NCHW from NHWC-like
      {{6, 5}, {-5, 1}, 25},                // reversed rows
      {{6, 5}, {5, -1}, 4},                 // reversed columns
      {{6, 5, 4}, {5, 1, 0}},               // broadcast inside
      {{4, 30}, {0, 1}},                    // broadcast outside
      {{3, 5}, {10, 2}},                    // steps
      {{2, 3, 4}, {12, 4, 1}},              // dense
      {{1, 1}, {7, 9}, 3},                  // one element
      {{10, 1, 12}, {1, 5, 10}},            // size 1 inside
      {{3, 4, 50}, {4, 1, 12}},             // transposition below a step
  };
  const auto base = Iota(40000);
  std::vector<uint16_t> halves(2048);
  std::iota(halves.begin(), halves.end(), uint16_t{0});
  for (const View& view : views) {
    const auto expected = NaiveStrided(base, view.shape, view.strides, view.offset);
    const auto direct = StridedSource(FloatSource(base), view.shape, view.strides, view.offset);
    ExpectRanges(*direct, expected, expected.size() > 2000 ? 997 : 1);
    // The same over a base that has to be converted.
    const auto ints = IntSource(std::vector<int64_t>(base.begin(), base.end()), ElementType::kInt32);
    const auto converted = StridedSource(ints, view.shape, view.strides, view.offset);
    ExpectRanges(*converted, expected, expected.size() > 2000 ? 997 : 1);
    EXPECT_EQ(Ints(*converted), std::vector<int64_t>(expected.begin(), expected.end()));
  }
}

TEST(StridedSource, RowsAndStorage) {
  const auto base = FloatSource(Iota(24));
  EXPECT_EQ(StridedSource(base, {6, 4}, {1, 6}, 0)->RowLength(), 4u);
  EXPECT_EQ(StridedSource(base, {6, 4}, {4, 1}, 0), base);
  const auto slice = StridedSource(base, {2, 4}, {4, 1}, 8);
  EXPECT_EQ(slice->RowLength(), 1u);
  EXPECT_EQ(slice->Stored().size, 32u);
  EXPECT_EQ(Floats(*slice), std::vector<float>({8, 9, 10, 11, 12, 13, 14, 15}));
  EXPECT_EQ(StridedSource(base, {0, 4}, {1, 6}, 0)->count(), 0u);
}

TEST(AffineSource, PerChannel) {
  const auto source = AffineSource(FloatSource(Iota(12)), {1, 2, 3}, {10, 20, 30}, 2);
  ExpectRanges(*source, {10, 11, 24, 26, 42, 45, 16, 17, 36, 38, 60, 63});
  ExpectRanges(*AffineSource(FloatSource(Iota(4)), {2}, {}, 1), {0, 2, 4, 6});
}

TEST(DequantizeSource, Layouts) {
  const auto base = [](ElementType type) { return IntSource({0, 1, 2, 3, 4, 5, 6, 7}, type); };
  for (const ElementType type : {ElementType::kInt8, ElementType::kUInt8, ElementType::kInt32}) {
    ExpectRanges(*DequantizeSource(base(type), {0.5f}, {2}, {}), {-1, -0.5f, 0, 0.5f, 1, 1.5f, 2, 2.5f});
    // [2, 2, 2], one scale per position of the middle axis.
    ExpectRanges(*DequantizeSource(base(type), {1, 10}, {0, 1}, {2, 2, 0}), {0, 1, 10, 20, 4, 5, 50, 60});
    // [2, 4], blocks of 2 along the last axis.
    ExpectRanges(*DequantizeSource(base(type), {1, 10, 100, 1000}, {}, {4, 1, 2}), {0, 1, 20, 30, 400, 500, 6000, 7000});
    // [4, 2], blocks of 3 along the first axis: the last block is short.
    ExpectRanges(*DequantizeSource(base(type), {1, 10, 100, 1000}, {}, {4, 2, 3}), {0, 10, 2, 30, 4, 50, 600, 7000});
  }
}

TEST(CastSource, Types) {
  const auto base = FloatSource({1.7f, -1.7f, 300, 0, 0.2f});
  EXPECT_EQ(Ints(*CastSource(base, ElementType::kInt8)), std::vector<int64_t>({1, -1, 44, 0, 0}));
  EXPECT_EQ(Ints(*CastSource(base, ElementType::kBool)), std::vector<int64_t>({1, 1, 1, 0, 1}));
  EXPECT_EQ(Floats(*CastSource(base, ElementType::kInt32)), std::vector<float>({1, -1, 300, 0, 0}));
  EXPECT_EQ(Floats(*CastSource(base, ElementType::kFloat16))[0], kernels::FloatFromHalf(kernels::HalfFromFloat(1.7f)));
  EXPECT_EQ(Floats(*CastSource(base, ElementType::kBFloat16))[0], 1.703125f);
  EXPECT_EQ(CastSource(base, ElementType::kFloat32), base);
  EXPECT_EQ(Floats(*CastSource(IntSource({INT64_MAX, -1}), ElementType::kFloat32))[0], 0x1p63f);
  EXPECT_EQ(Ints(*CastSource(IntSource({0x1FFFFFFFF}), ElementType::kInt32))[0], -1);
}

TEST(ConcatSource, Parts) {
  const auto source = ConcatSource({FloatSource({1, 2}), FloatSource({}), FloatSource({3}), FloatSource({4, 5, 6})});
  ExpectRanges(*source, {1, 2, 3, 4, 5, 6});
  EXPECT_EQ(Ints(*source), std::vector<int64_t>({1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(ConcatSource({})->count(), 0u);
}

}  // namespace
}  // namespace quantpress::graph
