// Several calls at once, with different models, settings and instruction sets: each gives what it gives alone.
#include <atomic>
#include <thread>

#include "graph/api/quantpress.h"
#include "gtest/gtest.h"
#include "tests/api/folder.h"

namespace quantpress {
namespace {

using testing::Folder;
using testing::ReadFile;

// How often each caller does its work. A sanitizer makes it a hundred times slower.
#if defined(__SANITIZE_THREAD__)
constexpr int kRounds = 2;
#else
constexpr int kRounds = 6;
#endif

struct Work {
  std::string model;
  Quantization quantization;
};

std::vector<Work> AllWork() {
  std::vector<Work> all;
  for (const char* model : {"digits.onnx", "shapes.onnx"}) {
    const std::string path = std::string(QUANTPRESS_TEST_DATA) + "/" + model;
    all.push_back({path, {.bits = 8}});
    all.push_back({path, {.bits = 4, .hqq = true, .block = 32}});
    all.push_back(
        {path, {.bits = 3, .asymmetric = true, .scale_bits = 16, .fp16 = true, .rules = {"op:Convolution=bits:5"}}});
  }
  return all;
}

Options OptionsOf(const Work& work, const std::string& output) {
  Options options;
  options.source.path = work.model;
  options.quantization = work.quantization;
  options.output.path = output;
  return options;
}

TEST(Concurrency, CallsAtOnceGiveTheBytesOfCallsAlone) {
  const Folder folder;
  const std::vector<Work> all = AllWork();
  const std::vector<std::string> isas = AvailableIsas();
  std::vector<std::string> alone;
  for (const Work& work : all) {
    const Options options = OptionsOf(work, folder / "alone.mnn");
    const auto report = Convert(options);
    ASSERT_TRUE(report.ok()) << report.error().message();
    alone.push_back(ReadFile(options.output.path));
  }
  std::atomic<size_t> wrong{0};
  std::atomic<bool> start{false};
  std::vector<std::thread> callers;
  for (size_t i = 0; i < all.size(); ++i) {
    callers.emplace_back([&, i] {
      Options options = OptionsOf(all[i], folder / (std::to_string(i) + ".mnn"));
      while (!start) std::this_thread::yield();
      for (int round = 0; round < kRounds; ++round) {
        options.run.isa = isas[(i + static_cast<size_t>(round)) % isas.size()];
        options.run.threads = 1 + (static_cast<int>(i) + round) % 4;
        options.run.statistics = round % 2 == 0;
        std::atomic<uint64_t> calls{0};
        Hooks hooks;
        hooks.on_progress = [&](uint64_t, uint64_t) { ++calls; };
        const auto report = Convert(options, hooks);
        if (!report.ok() || report->isa() != options.run.isa || calls == 0 || ReadFile(options.output.path) != alone[i])
          ++wrong;
        const auto plan = MakePlan(options);
        if (!plan.ok() || plan->layers().empty()) ++wrong;
        if (plan.ok() &&
            (!ConvertPlan(*plan, options.output.path, options.run).ok() || ReadFile(options.output.path) != alone[i]))
          ++wrong;
        const auto info = Inspect(options.output.path);
        if (!info.ok() || info->weights.empty()) ++wrong;
      }
    });
  }
  ::testing::internal::CaptureStderr();
  start = true;
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(::testing::internal::GetCapturedStderr(),
            "");  // nor does oneTBB complain of several calls that want more threads than there are
  EXPECT_EQ(wrong.load(), 0u);
}

TEST(Concurrency, CancellingOneLeavesTheOthersAlone) {
  const Folder folder;
  const std::vector<Work> all = AllWork();
  const Cancellation cancellation;
  std::atomic<size_t> cancelled{0}, done{0};
  std::vector<std::thread> callers;
  for (size_t i = 0; i < all.size(); ++i) {
    callers.emplace_back([&, i] {
      Hooks hooks;
      if (i % 2 == 0) {
        hooks.cancellation = cancellation;
        hooks.on_progress = [&](uint64_t, uint64_t) { cancellation.Cancel(); };
      }
      const auto report = Convert(OptionsOf(all[i], folder / (std::to_string(i) + ".mnn")), hooks);
      if (report.ok()) ++done;
      if (report.error().code() == ErrorCode::kCancelled) ++cancelled;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(done.load(), all.size() / 2);
  EXPECT_EQ(cancelled.load(), all.size() / 2);
  EXPECT_EQ(folder.List(), (std::vector<std::string>{"1.mnn", "3.mnn", "5.mnn"}));
}

TEST(Concurrency, APlanServesManyCallersAtOnce) {
  const Folder folder;
  Options options = OptionsOf(AllWork()[1], folder / "alone.mnn");
  ASSERT_TRUE(Convert(options).ok());
  const auto plan = MakePlan(options);
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  const std::string alone = ReadFile(folder / "alone.mnn");
  std::atomic<size_t> wrong{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&, i] {
      const std::string output = folder / (std::to_string(i) + ".mnn");
      const auto report = ConvertPlan(*plan, output, {.threads = 2});
      if (!report.ok() || ReadFile(output) != alone) ++wrong;
      if (!plan->Save(output + ".json").ok()) ++wrong;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong.load(), 0u);
}

}  // namespace
}  // namespace quantpress
