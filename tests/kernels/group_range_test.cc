#include "kernels/group_range.h"

#include <algorithm>
#include <cfloat>
#include <limits>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/test_data.h"

namespace quantpress::kernels {
namespace {

using testing_data::ForEachIsa;
using testing_data::Kind;
using testing_data::Source;

constexpr size_t kGroups = 19;  // more than one vector of groups, and a rest

TEST(GroupRange, EqualsTheDefinitionForFiniteWeights) {
  ForEachIsa([] {
    for (size_t size = 1; size <= 70; ++size) {
      for (const Kind kind : {Kind::kGaussian, Kind::kExtreme, Kind::kDenormal, Kind::kConstant}) {
        std::vector<float> weights;
        Source source(size);
        for (size_t g = 0; g < kGroups; ++g) source.Append(kind, size, &weights);
        std::vector<float> low(kGroups), high(kGroups), largest(kGroups);
        ASSERT_TRUE(GroupRange(weights.data(), kGroups, size, low.data(), high.data())) << size;
        ASSERT_TRUE(GroupMaxAbs(weights.data(), kGroups, size, largest.data())) << size;
        for (size_t g = 0; g < kGroups; ++g) {
          const auto begin = weights.begin() + static_cast<ptrdiff_t>(g * size), end = begin + static_cast<ptrdiff_t>(size);
          const auto [min, max] = std::minmax_element(begin, end);
          ASSERT_EQ(low[g], *min) << size << " group " << g;
          ASSERT_EQ(high[g], *max) << size << " group " << g;
          ASSERT_EQ(largest[g], std::max(-*min, *max)) << size << " group " << g;
        }
      }
    }
  });
}

TEST(GroupRange, SeesEveryNonFiniteWeight) {
  ForEachIsa([] {
    std::vector<float> low(kGroups), high(kGroups);
    for (const size_t size : {1, 3, 4, 5, 15, 16, 17, 31, 32, 33, 48, 64, 65}) {
      std::vector<float> weights(kGroups * size, 0.0f);  // a product with zero would hide an infinity
      for (size_t i = 0; i < weights.size(); ++i) {
        for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                                -std::numeric_limits<float>::infinity()}) {
          weights[i] = bad;
          ASSERT_FALSE(GroupRange(weights.data(), kGroups, size, low.data(), high.data())) << size << " at " << i;
          ASSERT_FALSE(GroupMaxAbs(weights.data(), kGroups, size, low.data())) << size << " at " << i;
          weights[i] = 0.0f;
        }
      }
    }
  });
}

}  // namespace
}  // namespace quantpress::kernels
