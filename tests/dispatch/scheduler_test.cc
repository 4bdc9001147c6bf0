#include "dispatch/scheduler.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>
#include <vector>

namespace quantpress::dispatch {
namespace {

TEST(RunTasks, EachTaskOnceForAnyThreadCount) {
  for (const int threads : {0, 1, 2, 7, 64}) {
    std::vector<std::atomic<int>> runs(1000);
    std::atomic<size_t> done{0};
    TaskList list;
    list.count = runs.size();
    list.scratch_bytes = [](size_t i) { return i % 5 * 100; };
    list.run = [&](size_t i, std::span<std::byte> scratch) {
      EXPECT_EQ(scratch.size(), i % 5 * 100);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(scratch.data()) % 64, 0u);
      std::fill(scratch.begin(), scratch.end(), std::byte{1});
      ++runs[i];
      return Status();
    };
    RunHooks hooks;
    hooks.on_done = [&](size_t) { ++done; };
    EXPECT_TRUE(RunTasks(list, {threads, 1 << 20}, hooks).ok());
    for (const auto& n : runs) EXPECT_EQ(n, 1);
    EXPECT_EQ(done, runs.size());
  }
}

TEST(RunTasks, AsManyThreadsAsAsked) {
  std::atomic<int> running{0}, most{0};
  TaskList list;
  list.count = 40;
  list.run = [&](size_t, std::span<std::byte>) {
    int now = ++running, before = most;
    while (now > before && !most.compare_exchange_weak(before, now)) {
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    --running;
    return Status();
  };
  EXPECT_TRUE(RunTasks(list, {5, 1 << 20}).ok());
  EXPECT_LE(most, 5);
  EXPECT_GT(most, 1);
}

TEST(RunTasks, StaysWithinTheMemoryBudget) {
  constexpr uint64_t kBudget = 1000000;
  std::atomic<uint64_t> used{0};
  TaskList list;
  list.count = 200;
  list.scratch_bytes = [](size_t i) -> uint64_t { return i % 10 == 0 ? 450000 : 10000; };
  list.run = [&](size_t, std::span<std::byte> scratch) {
    EXPECT_LE(used += scratch.size(), kBudget);
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    used -= scratch.size();
    return Status();
  };
  EXPECT_TRUE(RunTasks(list, {8, kBudget}).ok());
  list.scratch_bytes = [](size_t) { return kBudget + 1; };
  const Status status = RunTasks(list, {8, kBudget});
  EXPECT_NE(Message(status).find("--memory"), std::string::npos);
}

TEST(RunTasks, ErrorOfTheLowestTask) {
  for (int repeat = 0; repeat < 20; ++repeat) {
    TaskList list;
    list.count = 500;
    list.run = [](size_t i, std::span<std::byte>) { return i >= 100 && i % 50 == 0 ? InvalidInput("task {}", i) : Status(); };
    EXPECT_EQ(Message(RunTasks(list, {4, 1 << 20})), "task 100");
  }
}

TEST(RunTasks, ExceptionsStopHere) {
  TaskList list;
  list.count = 3;
  list.run = [](size_t i, std::span<std::byte>) -> Status {
    if (i == 1) throw std::runtime_error("broken");
    if (i == 2) throw std::bad_alloc();
    return {};
  };
  EXPECT_NE(Message(RunTasks(list, {1, 1 << 20})).find("broken"), std::string::npos);
}

TEST(RunTasks, Cancellation) {
  CancellationToken token;
  std::atomic<int> runs{0};
  TaskList list;
  list.count = 1000;
  list.run = [&](size_t, std::span<std::byte>) {
    if (++runs == 10) token.Cancel();
    return Status();
  };
  EXPECT_EQ(RunTasks(list, {2, 1 << 20}, {&token, nullptr}).code(), absl::StatusCode::kCancelled);
  EXPECT_LT(runs, 100);
}

TEST(RunTasks, NothingToDo) {
  EXPECT_TRUE(RunTasks({}, {}).ok());
  EXPECT_FALSE(RunTasks({}, {-1, 1}).ok());
  EXPECT_FALSE(RunTasks({}, {1000000, 1}).ok());
}

}  // namespace
}  // namespace quantpress::dispatch
