// Kernels that convert values, against the oracle or against their definition, on every instruction set.
#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>
#include <limits>
#include <utility>

#include "gtest/gtest.h"
#include "kernels/finite.h"
#include "kernels/half.h"
#include "kernels/integers.h"
#include "kernels/quantize.h"
#include "kernels/transpose.h"
#include "tests/kernels/test_data.h"
#include "tests/reference/oracle.h"

namespace quantpress::testing_data {
namespace {

using kernels::HalfOverflow;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr size_t kSizes[] = {0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 130, 1000};

TEST(Half, EveryHalfWidensExactly) {
  std::vector<uint16_t> halves(0x10000);
  for (size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<uint16_t>(i);
  ForEachIsa([&] {
    std::vector<float> floats(halves.size());
    kernels::HalfToFloat(halves.data(), halves.size(), floats.data());
    for (size_t i = 0; i < halves.size(); ++i) {
      const double want = reference::HalfValue(halves[i]);
      ASSERT_EQ(std::isnan(floats[i]), std::isnan(want)) << i;
      if (std::isnan(want)) continue;
      ASSERT_EQ(static_cast<double>(floats[i]), want) << i;
      ASSERT_EQ(std::signbit(floats[i]), std::signbit(want)) << i;
    }
  });
}

// The value itself comes back, whatever the policy (infinities with kInfinity).
TEST(Half, EveryHalfSurvivesTheWayThroughFloat) {
  for (uint32_t i = 0; i < 0x10000; ++i) {
    const auto half = static_cast<uint16_t>(i);
    const float value = kernels::FloatFromHalf(half);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(kernels::FloatFromHalf(kernels::HalfFromFloat(value)))) << i;
      continue;
    }
    ASSERT_EQ(kernels::HalfFromFloat(value, HalfOverflow::kInfinity), half) << i;
    const bool infinite = std::isinf(value);
    ASSERT_EQ(kernels::HalfFromFloat(value, HalfOverflow::kClamp), infinite ? half - 1 : half) << i;
  }
}

// The values halfway between two halves, and the floats on both sides of them and of the halves.
std::vector<float> RoundingCases() {
  std::vector<float> values;
  for (uint16_t half = 0; half < 0x7C00; ++half) {
    const double here = reference::HalfValue(half);
    const double next = half == 0x7BFF ? 65536.0 : reference::HalfValue(static_cast<uint16_t>(half + 1));
    for (const double point : {here, (here + next) / 2}) {
      const auto middle = static_cast<float>(point);  // exact: a half has 11 bits
      for (const float value : {std::nextafter(middle, 0.0f), middle, std::nextafter(middle, kInfinity)}) {
        values.push_back(value);
        values.push_back(-value);
      }
    }
  }
  for (const float value : {65536.0f, 1e6f, FLT_MAX, kInfinity, FLT_MIN, FLT_TRUE_MIN, 0x1p-25f, 0x1.000002p-25f}) {
    values.push_back(value);
    values.push_back(-value);
  }
  Source source(7);
  for (int i = 0; i < 20000; ++i) {  // any finite bit pattern
    const float value = std::bit_cast<float>(static_cast<uint32_t>(source.Below(uint64_t{1} << 32)));
    if (!std::isnan(value)) values.push_back(value);
  }
  return values;
}

TEST(Half, NarrowingRoundsToNearestEven) {
  const std::vector<float> values = RoundingCases();
  for (const HalfOverflow overflow : {HalfOverflow::kClamp, HalfOverflow::kInfinity}) {
    std::vector<uint16_t> want;
    for (const float value : values) want.push_back(reference::NearestHalf(value, overflow == HalfOverflow::kClamp));
    ForEachIsa([&] {
      std::vector<uint16_t> halves(values.size());
      kernels::FloatToHalf(values.data(), values.size(), overflow, halves.data());
      for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(halves[i], want[i]) << values[i];
    });
  }
}

TEST(Half, NanStaysNan) {
  for (const uint32_t bits : {0x7F800001u, 0x7FC00000u, 0x7FFFFFFFu, 0xFF800001u, 0xFFFFFFFFu}) {
    for (const HalfOverflow overflow : {HalfOverflow::kClamp, HalfOverflow::kInfinity}) {
      const uint16_t half = kernels::HalfFromFloat(std::bit_cast<float>(bits), overflow);
      EXPECT_TRUE(std::isnan(reference::HalfValue(half))) << bits;
      EXPECT_EQ(half >> 15, bits >> 31);
    }
  }
}

TEST(BFloat16, IsTheUpperHalfOfAFloat) {
  std::vector<uint16_t> in(0x10000);
  for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<uint16_t>(i);
  ForEachIsa([&] {
    std::vector<float> out(in.size());
    kernels::BFloat16ToFloat(in.data(), in.size(), out.data());
    for (size_t i = 0; i < in.size(); ++i) ASSERT_EQ(std::bit_cast<uint32_t>(out[i]), i << 16);
  });
}

TEST(Finite, FindsTheFirstAndReplacesAll) {
  const float bad[] = {kNan, -kNan, kInfinity, -kInfinity, std::bit_cast<float>(0x7F800001u)};
  Source source(3);
  ForEachIsa([&] {
    for (const size_t size : kSizes) {
      const std::vector<float> clean = source.Weights(Kind::kMixed, 1, size);
      ASSERT_EQ(kernels::FindNonFinite(clean.data(), size), kernels::kNoNonFinite);
      for (const float value : bad) {
        for (const size_t at : {size_t{0}, size / 2, size - 1}) {
          if (size == 0) continue;
          std::vector<float> weights = clean;
          weights[at] = value;
          weights[size - 1] = value;
          const size_t count = at == size - 1 ? 1 : 2;
          ASSERT_EQ(kernels::FindNonFinite(weights.data(), size), at);
          for (const auto policy : {kernels::NonFinitePolicy::kZero, kernels::NonFinitePolicy::kClamp}) {
            std::vector<float> want = clean, got = weights;
            const bool zero = policy == kernels::NonFinitePolicy::kZero || std::isnan(value);
            want[at] = want[size - 1] = zero ? 0.0f : std::copysign(FLT_MAX, value);
            ASSERT_EQ(kernels::ReplaceNonFinite(got.data(), size, policy), count);
            ASSERT_EQ(Bits(got), Bits(want));
          }
        }
      }
    }
  });
}

TEST(Finite, DenormalsAndNegativeZeroBecomeZero) {
  const std::vector<float> in = {0.0f,     -0.0f, FLT_TRUE_MIN, -FLT_TRUE_MIN, std::nextafter(FLT_MIN, 0.0f), FLT_MIN,
                                 -FLT_MIN, 1.0f,  -FLT_MAX,     kInfinity,     -kInfinity};
  const std::vector<float> want = {0, 0, 0, 0, 0, FLT_MIN, -FLT_MIN, 1.0f, -FLT_MAX, kInfinity, -kInfinity};
  ForEachIsa([&] {
    std::vector<float> got = in;
    kernels::FlushDenormals(got.data(), got.size());
    ASSERT_EQ(Bits(got), Bits(want));
    float nan = kNan;
    kernels::FlushDenormals(&nan, 1);
    ASSERT_TRUE(std::isnan(nan));
  });
}

TEST(Integers, EveryCodeScalesWithOneRounding) {
  for (const int32_t zero : {0, 1, -1, 128, -128, 1 << 23, -(1 << 23)}) {
    for (const float scale : {1.0f, 0.1f, -3e-8f, 1e30f, FLT_MIN}) {
      ForEachIsa([&] {
        for (const size_t size : {size_t{0}, size_t{1}, size_t{255}, size_t{256}}) {
          std::vector<uint8_t> in(256);
          for (size_t i = 0; i < in.size(); ++i) in[i] = static_cast<uint8_t>(i);
          std::vector<float> from_signed(257, -7.0f), from_unsigned(257, -7.0f);
          kernels::Int8ToFloat(reinterpret_cast<const int8_t*>(in.data()), size, scale, zero, from_signed.data());
          kernels::UInt8ToFloat(in.data(), size, scale, zero, from_unsigned.data());
          for (size_t i = 0; i < size; ++i) {
            // Exact in double precision: 25 and 24 bits.
            const double code = static_cast<int8_t>(in[i]);
            ASSERT_EQ(from_signed[i], static_cast<float>((code - zero) * static_cast<double>(scale)));
            ASSERT_EQ(from_unsigned[i], static_cast<float>((static_cast<double>(in[i]) - zero) * static_cast<double>(scale)));
          }
          ASSERT_EQ(from_signed[size], -7.0f);
          ASSERT_EQ(from_unsigned[size], -7.0f);
        }
      });
    }
  }
}

// Every shape around the vector widths; what lies between the rows of the destination stays.
TEST(Transpose, EveryShapeEqualsTheDefinition) {
  ForEachIsa([&] {
    for (const size_t rows : {0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64}) {
      for (const size_t cols : {0, 1, 2, 3, 4, 5, 7, 8, 9, 12, 15, 16, 17, 63, 64}) {
        for (const size_t more : {0, 3}) {
          const size_t src_stride = cols + more, dst_stride = rows + more;
          std::vector<uint32_t> src(rows * src_stride + 1), dst(cols * dst_stride + 1, 0xDEADBEEF), want = dst;
          for (size_t i = 0; i < src.size(); ++i) src[i] = static_cast<uint32_t>(i * 2654435761u);  // NaN patterns too
          for (size_t r = 0; r < rows; ++r) {
            for (size_t c = 0; c < cols; ++c) want[c * dst_stride + r] = src[r * src_stride + c];
          }
          kernels::TransposeTile(reinterpret_cast<const float*>(src.data()), src_stride, rows, cols,
                                 reinterpret_cast<float*>(dst.data()), dst_stride);
          ASSERT_EQ(dst, want) << rows << " x " << cols << " + " << more;
        }
      }
    }
  });
}

// Ties, neighbours of ties, products beyond the range and beyond the floats.
TEST(QuantizeByInverse, RoundsHalvesAwayAndClamps) {
  std::vector<float> weights = {0.0f, -0.0f, 0.49999997f, -0.49999997f, 0.5f, -0.5f, 1.4999999f, 2.5f, -2.5f, 126.5f, -127.5f, 1e30f, -1e30f, 1e-40f};
  for (int i = 0; i < 400; ++i) weights.push_back(static_cast<float>(i - 200) * 0.7071f);
  ForEachIsa([&] {
    for (const float inverse : {1.0f, 127.0f, 0.013f, 1e38f, 1.0f / 0.3f}) {
      for (const auto& [low, high] : {std::pair(-128, 127), std::pair(-127, 127), std::pair(-8, 7), std::pair(5, 5)}) {
        for (const size_t count : kSizes) {
          const size_t n = std::min(count, weights.size());
          std::vector<uint8_t> indexes(n + 1, 77);
          kernels::QuantizeByInverse(weights.data(), n, inverse, low, high, indexes.data());
          for (size_t i = 0; i < n; ++i) {
            const float code = std::clamp(std::round(weights[i] * inverse), static_cast<float>(low), static_cast<float>(high));
            ASSERT_EQ(static_cast<int>(indexes[i]), static_cast<int>(code) + 128) << weights[i] << " * " << inverse;
          }
          ASSERT_EQ(indexes[n], 77);
        }
      }
    }
  });
}

}  // namespace
}  // namespace quantpress::testing_data
