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
#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>
#include <vector>

#include "dispatch/quantize_run.h"
#include "dispatch/scheduler.h"
#include "dispatch/target.h"
#include "gtest/gtest.h"
#include "kernels/target.h"

namespace quantpress::dispatch {
namespace {

HWY_EXPORT(CompiledTarget);

TEST(Target, KernelsKeepTheSelectedOne) {
  std::set<int64_t> targets;
  for (const Isa isa : AvailableIsas()) {
    const IsaScope scope(isa);
    const int64_t target = QP_KERNEL(CompiledTarget)();
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
    EXPECT_EQ(QP_KERNEL(CompiledTarget)(), target) << IsaName(isa);
  }
  EXPECT_EQ(targets.size(), AvailableIsas().size());
}

// Runs on many threads at once, each task list with its own instruction set; every task must find that one.
TEST(Target, TaskListsAtTheSameTimeUseTheirOwn) {
  std::map<Isa, int64_t> target_of;
  for (const Isa isa : AvailableIsas()) {
    const IsaScope scope(isa);
    target_of[isa] = QP_KERNEL(CompiledTarget)();
  }
  std::atomic<size_t> wrong{0}, ran{0};
  std::vector<std::thread> callers;
  const std::vector<Isa> isas = AvailableIsas();
  for (size_t caller = 0; caller < 2 * isas.size(); ++caller) {
    callers.emplace_back([&, isa = isas[caller % isas.size()]] {
      const auto check = [&] {
        ++ran;
        if (QP_KERNEL(CompiledTarget)() != target_of.at(isa) || ActiveIsa() != isa) ++wrong;
      };
      TaskList inner, outer;
      inner.count = 10;
      inner.run = [&](size_t, std::span<std::byte>) {
        check();
        return Status();
      };
      outer.count = 20;
      outer.run = [&](size_t task, std::span<std::byte>) {
        // A thread that waits inside may take up other work meanwhile.
        if (task % 5 == 0 && !RunTasks(inner, {.threads = 3}).ok()) ++wrong;
        check();
        return Status();
      };
      for (int round = 0; round < 10; ++round) {
        if (!RunTasks(outer, {.threads = 1 + round % 4, .isa = isa}).ok()) ++wrong;
        if (ActiveIsa() != isas.back()) ++wrong;  // the caller's thread is as it was
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong.load(), 0u);
  EXPECT_EQ(ran.load(), 2 * isas.size() * 10 * (20 + 4 * 10));
}

TEST(Target, WhatIsMissingIsRefused) {
  const std::vector<Isa> isas = AvailableIsas();
  for (const Isa isa : {Isa::kScalar, Isa::kAvx512, Isa::kNeon}) {
    if (std::find(isas.begin(), isas.end(), isa) != isas.end()) continue;
    EXPECT_FALSE(ResolveIsa(isa).ok());
    TaskList tasks;
    tasks.count = 1;
    tasks.run = [](size_t, std::span<std::byte>) { return Status(); };
    EXPECT_FALSE(RunTasks(tasks, {.isa = isa}).ok());
  }
}

}  // namespace
}  // namespace quantpress::dispatch
#endif  // HWY_ONCE
