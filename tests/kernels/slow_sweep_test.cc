// What takes minutes: random runs of many shapes, and the power of HQQ over all floats. CTest runs these as
// kernels_slow.
#include <bit>
#include <cmath>
#include <cstdio>

#include "gtest/gtest.h"
#include "kernels/hqq.h"
#include "tests/kernels/run_checker.h"
#include "tests/kernels/test_data.h"

namespace quantpress::testing_data {
namespace {

using dispatch::CodingSpec;
using dispatch::QuantMethod;

TEST(SlowSweep, RandomRunsEqualTheOracle) {
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    Source source(seed);
    const auto method = static_cast<QuantMethod>(source.Below(3));
    const int bits = static_cast<int>(2 + source.Below(7));
    const bool half_scales = source.Below(2) == 0;
    const size_t size = 1 + source.Below(source.Below(4) == 0 ? 3000 : 300);
    const size_t groups = 1 + source.Below(1 + 20000 / size);
    const std::vector<float> weights = source.Patchwork(groups, size);
    ASSERT_EQ(CheckRun({method, bits, half_scales}, weights, groups, size), "")
        << "seed " << seed << " bits " << bits << " " << groups << " x " << size;
  }
}

// Every float that the shrink step raises to a power: from 1e-8, its floor, up to the largest. Both our power and the C
// library's powf are within a little more than half a unit in the last place of the exact value, so they are equal or
// neighbours. How often they are not equal, and which of the two is nearer then, is reported, not judged: it depends on
// the C library. docs/numerics.md has the numbers.
TEST(SlowSweep, PowerIsWithinOneUnitOfTheCLibrary) {
  constexpr uint32_t kPiece = 1 << 16;
  const uint32_t first = std::bit_cast<uint32_t>(1e-8f), end = 0x7F800000;
  const uint32_t matters =
      std::bit_cast<uint32_t>(0.165f);  // below, the shrunk residual is 0 whatever the last bit says
  uint64_t different = 0, different_where_it_matters = 0, worse = 0;
  std::vector<float> x(kPiece), power(kPiece);
  for (uint32_t begin = first; begin < end; begin += kPiece) {
    const size_t count = std::min(kPiece, end - begin);
    for (uint32_t i = 0; i < count; ++i) x[i] = std::bit_cast<float>(begin + i);
    kernels::HqqPower(x.data(), count, power.data());
    for (uint32_t i = 0; i < count; ++i) {
      const float library = std::pow(x[i], -0.3f);
      if (power[i] == library) continue;
      ++different;
      different_where_it_matters += begin + i >= matters ? 1 : 0;
      ASSERT_LE(std::abs(std::bit_cast<int32_t>(power[i]) - std::bit_cast<int32_t>(library)), 1) << x[i];
      const long double exact = std::pow(static_cast<long double>(x[i]), static_cast<long double>(-0.3f));
      worse += std::fabs(power[i] - exact) > std::fabs(library - exact) ? 1 : 0;
    }
  }
  std::printf("%u floats, %llu differ by the last bit, %llu of them from 0.165 on; the C library is nearer in %llu\n",
              end - first, static_cast<unsigned long long>(different),
              static_cast<unsigned long long>(different_where_it_matters), static_cast<unsigned long long>(worse));
}

}  // namespace
}  // namespace quantpress::testing_data
