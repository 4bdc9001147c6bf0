#include <vector>

#include "dispatch/dequantize_run.h"
#include "dispatch/quantize_run.h"
#include "dispatch/target.h"
#include "gtest/gtest.h"

namespace quantpress::dispatch {
namespace {

// The worked example of the payload layout: 4 bit, codes -8 -1 0 7 / 3 -3 1 -2 are packed as 07 8F B5 96.
TEST(QuantizeRun, PacksTheWorkedExample) {
  const std::vector<float> weights = {0.0f, 7.0f, 8.0f, 15.0f, 11.0f, 5.0f, 9.0f, 6.0f, 0.0f, 15.0f};
  CodingSpec spec{QuantMethod::kAsymmetric, 4};
  std::vector<std::byte> scratch(QuantizeRunScratchBytes(spec, 1, weights.size()));
  std::vector<uint8_t> packed(5);
  std::vector<float> alpha(2);
  ErrorStats stats;
  EXPECT_EQ(QuantizeRun(spec, weights.data(), 1, weights.size(), scratch, {packed.data(), alpha.data(), nullptr, &stats}),
            kNoNonFinite);
  EXPECT_EQ(packed, (std::vector<uint8_t>{0x07, 0x8F, 0xB5, 0x96, 0x0F}));
  EXPECT_EQ(alpha, (std::vector<float>{0.0f, 1.0f}));
  EXPECT_EQ(stats.count, 10u);
  EXPECT_EQ(stats.max_absolute_error, 0.0);
  std::vector<float> decoded(weights.size());
  DequantizeRun({.bits = 4, .asymmetric = true, .min_code = -8}, packed.data(), 0, 1, weights.size(),
                {.floats = alpha.data()}, decoded.data());
  EXPECT_EQ(decoded, weights);
}

TEST(Target, EveryAvailableIsaCanBeSelected) {
  for (const Isa isa : AvailableIsas()) {
    EXPECT_EQ(ResolveIsa(isa).value(), isa);
    {
      const IsaScope scope(isa);
      EXPECT_EQ(ActiveIsa(), isa);
      const IsaScope inner(AvailableIsas().front());
      EXPECT_EQ(ActiveIsa(), AvailableIsas().front());
      const IsaScope innermost(Isa::kAuto);
      EXPECT_EQ(ActiveIsa(), AvailableIsas().front());
    }
    EXPECT_EQ(ActiveIsa(), AvailableIsas().back());
    EXPECT_EQ(ParseIsa(IsaName(isa)).value(), isa);
  }
  EXPECT_EQ(ResolveIsa(Isa::kAuto).value(), AvailableIsas().back());
  EXPECT_FALSE(ParseIsa("avx9000").ok());
}

}  // namespace
}  // namespace quantpress::dispatch
