#include "dispatch/error_stats.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/half.h"
#include "kernels/types.h"
#include "tests/kernels/test_data.h"

namespace quantpress::testing_data {
namespace {

using kernels::CodedGroups;
using kernels::ErrorStats;
using kernels::kErrorStatsPiece;

// Sixteen numbers, each added to the one 8 places further, then 4, 2 and 1.
double Tree(const float* values) {
  double sums[16];
  std::copy_n(values, 16, sums);
  for (int step = 8; step > 0; step /= 2) {
    for (int i = 0; i < step; ++i) sums[i] = sums[i] + sums[i + step];
  }
  return sums[0];
}

// From the description in the header, one weight at a time.
void AddSlowly(const std::vector<float>& weights, const std::vector<float>& decoded, ErrorStats* stats) {
  for (size_t begin = 0; begin < weights.size(); begin += kErrorStatsPiece) {
    float squared_error[16] = {}, squared_weight[16] = {}, product[16] = {};
    for (size_t i = begin; i < std::min(begin + kErrorStatsPiece, weights.size()); ++i) {
      const float w = weights[i], error = decoded[i] - w;
      squared_error[i % 16] += error * error;
      squared_weight[i % 16] += w * w;
      product[i % 16] += w * error;
      stats->max_absolute_error = std::max(stats->max_absolute_error, std::fabs(static_cast<double>(error)));
      stats->smallest = stats->count == 0 ? w : std::min(stats->smallest, w);
      stats->largest = stats->count == 0 ? w : std::max(stats->largest, w);
      ++stats->count;
    }
    const double e = Tree(squared_error), w = Tree(squared_weight), p = Tree(product);
    stats->sum_squared_error += e;
    stats->sum_squared_weight += w;
    stats->sum_squared_decoded += w + 2 * p + e;
    stats->dot += w + p;
  }
}

void ExpectSameBits(double got, double want, const char* what) {
  if (std::isnan(want)) {  // infinity less infinity
    EXPECT_TRUE(std::isnan(got)) << what << " is " << got;
  } else {
    EXPECT_EQ(std::bit_cast<uint64_t>(got), std::bit_cast<uint64_t>(want)) << what << ": " << got << ", " << want;
  }
}

void ExpectSameErrors(const ErrorStats& got, const ErrorStats& want) {
  EXPECT_EQ(got.count, want.count);
  ExpectSameBits(got.sum_squared_error, want.sum_squared_error, "squared error");
  ExpectSameBits(got.sum_squared_weight, want.sum_squared_weight, "squared weight");
  ExpectSameBits(got.sum_squared_decoded, want.sum_squared_decoded, "squared decoded");
  ExpectSameBits(got.max_absolute_error, want.max_absolute_error, "largest error");
  ExpectSameBits(got.dot, want.dot, "dot");
}

// Weights as a source in half precision gives them.
std::vector<float> RoundedToHalves(std::vector<float> weights) {
  for (float& w : weights) w = kernels::FloatFromHalf(kernels::HalfFromFloat(w));
  return weights;
}

TEST(ErrorStats, OfEverySizeEqualTheDescription) {
  const size_t sizes[] = {0,  1,  2,  3,  4,  7,   8,   9,   15,   16,   17,   31,   32,   33,
                          47, 48, 63, 64, 65, 127, 128, 129, 1000, 4095, 4096, 4097, 8192, 10007};
  for (int kind = 0; kind < static_cast<int>(Kind::kCount); ++kind) {
    for (const size_t size : sizes) {
      Source source(size + static_cast<uint64_t>(kind));
      const std::vector<float> weights = source.Weights(static_cast<Kind>(kind), 1, size),
                               decoded = RoundedToHalves(weights);
      ErrorStats expected;
      AddSlowly(weights, decoded, &expected);
      AddSlowly(weights, weights, &expected);
      ForEachIsa([&] {
        ErrorStats stats;
        dispatch::AddRange(weights.data(), size, &stats);
        dispatch::AddErrorStats(weights.data(), decoded.data(), size, &stats);
        dispatch::AddRange(weights.data(), size, &stats);
        dispatch::AddErrorStats(weights.data(), weights.data(), size, &stats);
        ExpectSameErrors(stats, expected);
        EXPECT_EQ(stats.smallest, expected.smallest);
        EXPECT_EQ(stats.largest, expected.largest);
      });
      ASSERT_FALSE(HasFailure()) << "kind " << kind << ", " << size << " weights";
    }
  }
}

TEST(ErrorStats, LeaveTheRangeAlone) {
  const std::vector<float> weights(100, 1000.0f);
  ForEachIsa([&] {
    ErrorStats stats;
    stats.smallest = -123, stats.largest = 456;
    dispatch::AddErrorStats(weights.data(), weights.data(), weights.size(), &stats);
    EXPECT_EQ(stats.smallest, -123);
    EXPECT_EQ(stats.largest, 456);
    dispatch::AddRange(weights.data(), weights.size(), &stats);
    EXPECT_EQ(stats.smallest, -123);
    EXPECT_EQ(stats.largest, 1000);
  });
}

struct CodedCase {
  std::vector<float> weights, scale, offset, decoded;
  std::vector<uint8_t> indexes;
  CodedGroups groups;  // of these
};

CodedCase MakeCase(int bits, size_t groups, size_t size, bool with_offset, bool halves, Kind kind) {
  CodedCase result;
  Source source(size * 100 + groups * 10 + static_cast<uint64_t>(bits));
  result.weights = source.Weights(kind, groups, size);
  result.scale = source.Weights(kind == Kind::kExtreme ? Kind::kGaussian : kind, 1, groups);
  result.offset = source.Weights(kind, 1, groups);
  if (halves) {
    result.scale = RoundedToHalves(result.scale);
    result.offset = RoundedToHalves(result.offset);
  }
  const int bias = kernels::CodeMin(bits);
  for (size_t i = 0; i < groups * size; ++i) {
    const auto index = static_cast<uint8_t>(source.Below(uint64_t{1} << bits));
    const float product = static_cast<float>(index + bias) * result.scale[i / size];
    result.indexes.push_back(index);
    result.decoded.push_back(with_offset ? product + result.offset[i / size] : product);
    // Some weights are exactly what they are decoded to, and some half a step away from it.
    const uint64_t choice = source.Below(8);
    if (choice == 0) result.weights[i] = result.decoded[i];
    if (choice == 1) result.weights[i] = result.decoded[i] + 0.5f * result.scale[i / size];
  }
  result.groups = {
      result.indexes.data(), bias, groups, size, result.scale.data(), with_offset ? result.offset.data() : nullptr};
  return result;
}

void CheckCoded(const CodedCase& c) {
  ErrorStats expected;
  AddSlowly(c.weights, c.decoded, &expected);
  AddSlowly(c.weights, c.decoded, &expected);
  ForEachIsa([&] {
    ErrorStats stats;
    stats.smallest = -123, stats.largest = 456;
    dispatch::AddCodedErrorStats(c.weights.data(), c.groups, &stats);
    dispatch::AddCodedErrorStats(c.weights.data(), c.groups, &stats);
    ExpectSameErrors(stats, expected);
    EXPECT_EQ(stats.smallest, -123);  // left alone
    EXPECT_EQ(stats.largest, 456);
  });
}

TEST(ErrorStats, OfCodedWeightsEqualTheDescription) {
  for (int bits = kernels::kMinBits; bits <= kernels::kMaxBits; ++bits) {
    for (const size_t size : {16, 32, 48, 64, 80, 112, 128, 144, 256, 1024, 2048, 4096}) {
      const size_t most = kErrorStatsPiece / size;
      for (const size_t groups : {size_t{1}, std::min<size_t>(3, most), most}) {
        for (const bool offset : {false, true}) {
          for (const bool halves : {false, true}) {
            CheckCoded(MakeCase(bits, groups, size, offset, halves, Kind::kGaussian));
            ASSERT_FALSE(HasFailure()) << bits << " bits, " << groups << " groups of " << size << ", " << offset;
          }
        }
      }
    }
  }
}

TEST(ErrorStats, OfEveryKindOfCodedWeightsEqualTheDescription) {
  for (int kind = 0; kind < static_cast<int>(Kind::kCount); ++kind) {
    for (const int bits : {2, 4, 8}) {
      for (const bool offset : {false, true}) {
        CheckCoded(MakeCase(bits, 7, 48, offset, false, static_cast<Kind>(kind)));
        ASSERT_FALSE(HasFailure()) << "kind " << kind << ", " << bits << " bits, " << offset;
      }
    }
  }
}

// Errors whose squares are below the floats, just within them, and beyond.
TEST(ErrorStats, OfCodedWeightsWithErrorsOfEveryMagnitude) {
  for (int exponent = -149; exponent <= 127; ++exponent) {
    CodedCase c = MakeCase(4, 3, 48, false, false, Kind::kZeros);
    Source source(static_cast<uint64_t>(exponent + 200));
    for (float& w : c.weights) w = std::ldexp(0.5f + 0.125f * source.Gaussian() / 6, exponent);
    CheckCoded(c);
    for (float& w : c.weights) w = 0;
    c.weights[77] = std::ldexp(1.0f, exponent);
    CheckCoded(c);
    ASSERT_FALSE(HasFailure()) << "2^" << exponent;
  }
}

}  // namespace
}  // namespace quantpress::testing_data
