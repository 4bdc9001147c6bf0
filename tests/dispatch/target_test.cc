// Whether kernels really run on the instruction set that was selected.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/dispatch/target_test.cc"
#include "hwy/foreach_target.h"
// Highway's order of includes.
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace quantpress::dispatch {
namespace HWY_NAMESPACE {

// The target that this copy of the function was compiled for.
int64_t CompiledTarget() { return HWY_TARGET; }

}  // namespace HWY_NAMESPACE
}  // namespace quantpress::dispatch
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
#include <set>
#include <vector>

#include "dispatch/quantize_run.h"
#include "dispatch/target.h"
#include "gtest/gtest.h"

namespace quantpress::dispatch {
namespace {

HWY_EXPORT(CompiledTarget);

TEST(Target, KernelsKeepTheSelectedOne) {
  std::set<int64_t> targets;
  for (const Isa isa : AvailableIsas()) {
    ASSERT_TRUE(SelectIsa(isa).ok());
    const int64_t target = HWY_DYNAMIC_DISPATCH(CompiledTarget)();
    targets.insert(target);
    // Neither work with statistics nor questions change it.
    const std::vector<float> weights(256, 1.0f);
    const CodingSpec spec{QuantMethod::kHqq, 4};
    std::vector<std::byte> scratch(QuantizeRunScratchBytes(spec, 4, 64));
    std::vector<uint8_t> packed(128);
    std::vector<float> alpha(8);
    ErrorStats stats;
    QuantizeRun(spec, weights.data(), 4, 64, scratch, {packed.data(), alpha.data(), nullptr, &stats});
    EXPECT_EQ(ActiveIsa(), isa);
    EXPECT_FALSE(AvailableIsaNames().empty());
    EXPECT_EQ(HWY_DYNAMIC_DISPATCH(CompiledTarget)(), target) << IsaName(isa);
  }
  EXPECT_EQ(targets.size(), AvailableIsas().size());
  ASSERT_TRUE(SelectIsa(Isa::kAuto).ok());
}

}  // namespace
}  // namespace quantpress::dispatch
#endif  // HWY_ONCE
