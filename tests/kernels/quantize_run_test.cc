#include "dispatch/quantize_run.h"

#include <limits>

#include "gtest/gtest.h"
#include "tests/kernels/run_checker.h"
#include "tests/kernels/test_data.h"

namespace quantpress::testing_data {
namespace {

using dispatch::CodingSpec;
using dispatch::QuantMethod;

constexpr QuantMethod kMethods[] = {QuantMethod::kSymmetric, QuantMethod::kAsymmetric, QuantMethod::kHqq};

// Every width and method over sizes around every vector width and around the code's own pieces.
TEST(QuantizeRun, EverySizeAndWidthEqualsTheOracle) {
  for (const QuantMethod method : kMethods) {
    for (int bits = 2; bits <= 8; ++bits) {
      uint64_t seed = static_cast<uint64_t>(bits);
      for (const size_t size : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 27, 31, 32, 33, 63, 64, 65, 127, 129, 300}) {
        Source source(++seed);
        const size_t groups = 1 + source.Below(size < 40 ? 90 : 40);
        const std::vector<float> weights = source.Patchwork(groups, size);
        ASSERT_EQ(CheckRun({method, bits, source.Below(3) == 0}, weights, groups, size), "") << "seed " << seed;
      }
    }
  }
}

TEST(QuantizeRun, EveryKindOfWeightsEqualsTheOracle) {
  for (const QuantMethod method : kMethods) {
    for (int kind = 0; kind < static_cast<int>(Kind::kCount); ++kind) {
      for (const bool half : {false, true}) {
        for (const int bits : {2, 3, 4, 8}) {
          const uint64_t seed = 1000 + static_cast<uint64_t>(kind);
          const std::vector<float> weights = Source(seed).Weights(static_cast<Kind>(kind), 37, 64);
          ASSERT_EQ(CheckRun({method, bits, half}, weights, 37, 64), "") << "kind " << kind << " seed " << seed;
        }
      }
    }
  }
}

// Rows around the tile, more groups than are coded at once, and rows longer than HQQ keeps transposed.
TEST(QuantizeRun, LongRowsAndManyGroupsEqualTheOracle) {
  struct Shape {
    size_t groups, size;
  };
  for (const QuantMethod method : kMethods) {
    for (const Shape shape : {Shape{3, 4095}, Shape{5, 4097}, Shape{3, 16383}, Shape{2, 16385}, Shape{1, 40001}, Shape{4099, 3}, Shape{17, 1024},
                              Shape{300, 257}, Shape{2, 8195}}) {
      Source source(shape.size);
      const std::vector<float> weights = source.Weights(Kind::kBFloat16, shape.groups, shape.size);
      for (const int bits : {3, 8}) ASSERT_EQ(CheckRun({method, bits}, weights, shape.groups, shape.size), "");
    }
  }
}

TEST(QuantizeRun, NothingToDo) {
  EXPECT_EQ(dispatch::QuantizeRunScratchBytes({}, 0, 64), 0u);
  EXPECT_EQ(dispatch::QuantizeRun({}, nullptr, 0, 64, {}, {}), kernels::kNoNonFinite);
  EXPECT_EQ(dispatch::QuantizeRun({}, nullptr, 64, 0, {}, {}), kernels::kNoNonFinite);
}

TEST(QuantizeRun, FindsTheFirstWeightThatIsNotFinite) {
  constexpr size_t kGroups = 300, kSize = 67;
  const float bad_values[] = {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::quiet_NaN(),
                              std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()};
  ForEachIsa([&] {
    for (const QuantMethod method : kMethods) {
      for (const float bad : bad_values) {
        for (const size_t at : {size_t{0}, size_t{66}, size_t{67}, size_t{1000}, kGroups * kSize - 1}) {
          std::vector<float> weights = Source(at).Weights(Kind::kGaussian, kGroups, kSize);
          weights[at] = bad;
          weights.back() = bad;
          const CodingSpec spec{method, 4};
          std::vector<std::byte> scratch(dispatch::QuantizeRunScratchBytes(spec, kGroups, kSize));
          std::vector<uint8_t> packed(kernels::PackedBytes(weights.size(), 4));
          std::vector<float> alpha(2 * kGroups);
          ASSERT_EQ(dispatch::QuantizeRun(spec, weights.data(), kGroups, kSize, scratch,
                                          {packed.data(), alpha.data(), nullptr, nullptr}),
                    at);
        }
      }
    }
  });
}

// A change of one weight changes the bytes exactly as the oracle says: random single edits of one run.
TEST(QuantizeRun, EditedWeightsEqualTheOracle) {
  const uint64_t seed = 20240607;
  Source source(seed);
  std::vector<float> weights = source.Patchwork(24, 48);
  for (int edit = 0; edit < 300; ++edit) {
    const size_t at = source.Below(weights.size());
    std::vector<float> value;
    source.Append(static_cast<Kind>(source.Below(static_cast<uint64_t>(Kind::kCount))), 1, &value);
    weights[at] = source.Below(4) == 0 ? weights[source.Below(weights.size())] : value[0];
    const CodingSpec spec{kMethods[source.Below(3)], static_cast<int>(2 + source.Below(7)), source.Below(2) == 0};
    ASSERT_EQ(CheckRun(spec, weights, 24, 48), "") << "seed " << seed << " edit " << edit;
  }
}

}  // namespace
}  // namespace quantpress::testing_data
