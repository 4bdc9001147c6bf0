// The public C++ interface: that it reaches what the command line reaches, and gives the same bytes by every way.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "graph/api/quantpress.h"
#include "graph/examine.h"
#include "gtest/gtest.h"
#include "tests/api/folder.h"

namespace quantpress {
namespace {

using testing::Folder;
using testing::ReadFile;

constexpr char kDigits[] = QUANTPRESS_TEST_DATA "/digits.onnx";

Options DigitsOptions(const std::string& output) {
  Options options;
  options.source.path = kDigits;
  options.output.path = output;
  options.quantization.bits = 4;
  options.quantization.hqq = true;
  options.quantization.block = 32;
  return options;
}

// Null where the test has failed.
std::unique_ptr<Report> MustConvert(const Options& options, const Hooks& hooks = {}) {
  auto report = Convert(options, hooks);
  EXPECT_TRUE(report.ok()) << report.error().message();
  return report.ok() ? std::make_unique<Report>(*report) : nullptr;
}

TEST(Api, OptionsOfTheGraph) {
  const Folder folder;
  Options options = DigitsOptions(folder / "out.mnn");
  options.quantization.block = -1;  // blocks are newer than the target
  options.source.optimize_prefer = 1;
  options.source.for_training = true;
  options.source.fuse_attention = true;
  options.source.allow_custom_op = true;
  options.source.static_shapes = true;
  options.source.input_shapes = {{"picture", {3, 1, 8, 8}}};
  options.source.target_version = "2.8";
  const auto report = MustConvert(options);
  ASSERT_NE(report, nullptr);
  const auto has = [&](const std::string& option) {
    return std::any_of(report->notes().begin(), report->notes().end(), [&](const std::string& note) { return note.find(option) == 0; });
  };
  for (const char* option : {"--optimizePrefer=1", "--transformerFuse", "--allowCustomOp"}) EXPECT_TRUE(has(option)) << option;
  options.quantization.scale_bits = 16;
  const auto too_new = Convert(options);
  ASSERT_FALSE(too_new.ok());
  EXPECT_EQ(too_new.error().code(), ErrorCode::kUnsupported);
  options.quantization.scale_bits = 32;
  options.source.input_shapes = {{"nothing", {1}}};
  const auto no_input = Convert(options);
  ASSERT_FALSE(no_input.ok());
  EXPECT_NE(no_input.error().message().find("'nothing'"), std::string::npos);
}

TEST(Api, StatisticsAreThoseOfTheFileThatWasWritten) {
  const Folder folder;
  const auto report = MustConvert(DigitsOptions(folder / "out.mnn"));
  ASSERT_NE(report, nullptr);
  EXPECT_EQ(report->totals().output_bytes, std::filesystem::file_size(folder / "out.mnn"));
  EXPECT_EQ(report->totals().source_bytes, std::filesystem::file_size(kDigits));
  // The same file once more, with floats: what the quantized weights are compared with.
  Options as_floats;
  as_floats.source.path = kDigits;
  as_floats.output.path = folder / "float.mnn";
  ASSERT_NE(MustConvert(as_floats), nullptr);
  const auto diffs = graph::DiffWeights(folder / "float.mnn", folder / "out.mnn");
  ASSERT_TRUE(diffs.ok());
  size_t quantized = 0;
  for (const Layer& layer : report->layers()) {
    if (layer.storage != Storage::kQuantized) continue;
    ++quantized;
    EXPECT_EQ(layer.method, Method::kHqq);
    EXPECT_EQ(layer.bits, 4);
    EXPECT_LT(layer.bytes_after, layer.bytes_before / 2);
    EXPECT_FALSE(layer.reason.empty());
    ASSERT_TRUE(layer.statistics.has_value());
    bool found = false;
    for (const graph::LayerDiff& diff : *diffs) {
      if (diff.first.layer != layer.name) continue;
      found = true;
      EXPECT_EQ(diff.first.elements, layer.statistics->weights);
      EXPECT_NEAR(diff.rmse, layer.statistics->rmse, 1e-6 * diff.rmse);
      EXPECT_NEAR(diff.sqnr_db, layer.statistics->sqnr_db, 1e-4);
      EXPECT_NEAR(diff.max_error, layer.statistics->max_error, 1e-6 * diff.max_error);
      EXPECT_NEAR(diff.cosine, layer.statistics->cosine, 1e-6);
    }
    EXPECT_TRUE(found) << layer.name;
  }
  EXPECT_EQ(quantized, report->totals().quantized);
  EXPECT_GT(quantized, 2u);
}

TEST(Api, APlanGivesTheBytesOfTheConversion) {
  const Folder folder;
  Options options = DigitsOptions(folder / "direct.mnn");
  options.quantization.rules = {"op:ConvolutionDepthwise=skip", ".*[13579].*=bits:6,block:-1"};
  options.output.auth_code = "somebody";
  ASSERT_NE(MustConvert(options), nullptr);
  options.output.path.clear();
  const auto plan = MakePlan(options);
  ASSERT_TRUE(plan.ok()) << plan.error().message();
  ASSERT_TRUE(plan->Save(folder / "plan.json").ok());
  EXPECT_EQ(ReadFile(folder / "plan.json"), *plan->ToJson());
  const auto loaded = Plan::Load(folder / "plan.json");
  ASSERT_TRUE(loaded.ok()) << loaded.error().message();
  ASSERT_EQ(loaded->layers().size(), plan->layers().size());
  for (size_t i = 0; i < plan->layers().size(); ++i)
    EXPECT_EQ(loaded->layers()[i].description, plan->layers()[i].description);

  const auto made = ConvertPlan(*plan, folder / "made.mnn");
  ASSERT_TRUE(made.ok()) << made.error().message();
  const auto read = ConvertPlan(*loaded, folder / "read.mnn", {.threads = 1}, {}, kDigits);
  ASSERT_TRUE(read.ok()) << read.error().message();
  const std::string direct = ReadFile(folder / "direct.mnn");
  EXPECT_FALSE(direct.empty());
  EXPECT_EQ(ReadFile(folder / "made.mnn"), direct);
  EXPECT_EQ(ReadFile(folder / "read.mnn"), direct);
  for (size_t i = 0; i < plan->layers().size(); ++i) {
    EXPECT_EQ(made->layers()[i].bytes_after, plan->layers()[i].bytes_after);
    EXPECT_EQ(read->layers()[i].bytes_after, plan->layers()[i].bytes_after);
  }
}

TEST(Api, ARecipeIsMadeAndReadBack) {
  const Folder folder;
  Options options = DigitsOptions(folder / "first.mnn");
  options.quantization.recipe_path = folder / "recipe.json";
  ASSERT_NE(MustConvert(options), nullptr);
  Options again;
  again.source.path = kDigits;
  again.output.path = folder / "again.mnn";
  again.quantization.hqq = true;  // a recipe says bits and blocks, the caller how they are found
  again.quantization.recipe_path = folder / "recipe.json";
  const auto report = MustConvert(again);
  ASSERT_NE(report, nullptr);
  for (const Layer& layer : report->layers()) {
    if (layer.storage == Storage::kQuantized) {
      EXPECT_EQ(layer.bits, 4);
    }
  }
}

TEST(Api, RunSettingsChangeNoByte) {
  const Folder folder;
  Options options = DigitsOptions(folder / "first.mnn");
  ASSERT_NE(MustConvert(options), nullptr);
  const std::string first = ReadFile(folder / "first.mnn");
  options.output.path = folder / "other.mnn";
  for (const std::string& isa : AvailableIsas()) {
    options.run = {.threads = 2, .memory_bytes = 4 << 20, .isa = isa, .statistics = false};
    const auto report = MustConvert(options);
    ASSERT_NE(report, nullptr);
    EXPECT_EQ(report->isa(), isa);
    EXPECT_EQ(report->threads(), 2);
    for (const Layer& layer : report->layers()) EXPECT_FALSE(layer.statistics.has_value());
    EXPECT_EQ(ReadFile(folder / "other.mnn"), first) << isa;
  }
}

TEST(Api, ReportsAreWritten) {
  const Folder folder;
  const auto report = MustConvert(DigitsOptions(folder / "out.mnn"));
  ASSERT_NE(report, nullptr);
  for (const char* name : {"r.json", "r.md", "r.html"}) {
    const Error error = report->Write(folder / name);
    EXPECT_TRUE(error.ok()) << error.message();
  }
  const auto json = nlohmann::json::parse(ReadFile(folder / "r.json"));
  ASSERT_EQ(json["layers"].size(), report->layers().size());
  for (size_t i = 0; i < report->layers().size(); ++i) {
    EXPECT_EQ(json["layers"][i]["layer"], report->layers()[i].name);
    EXPECT_EQ(json["layers"][i]["bytes_after"], report->layers()[i].bytes_after);
  }
  EXPECT_EQ(ReadFile(folder / "r.md"), *report->Render(ReportFormat::kMarkdown));
  EXPECT_EQ(report->Write(folder / "r.txt").code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(report->Write(folder / "out.mnn").code(), ErrorCode::kInvalidInput);
  EXPECT_EQ(report->Render(static_cast<ReportFormat>(7)).error().code(), ErrorCode::kInvalidInput);
}

TEST(Api, ProgressEndsWithEverythingAndCancelLeavesNothing) {
  const Folder folder;
  std::atomic<uint64_t> largest{0}, total{0};
  Hooks hooks;
  hooks.on_progress = [&](uint64_t done, uint64_t all) {
    total = all;
    uint64_t seen = largest;
    while (seen < done && !largest.compare_exchange_weak(seen, done)) {
    }
  };
  ASSERT_NE(MustConvert(DigitsOptions(folder / "out.mnn"), hooks), nullptr);
  EXPECT_GT(total.load(), 0u);
  EXPECT_EQ(largest.load(), total.load());

  const std::string before = ReadFile(folder / "out.mnn");
  const Cancellation cancellation;
  hooks.cancellation = cancellation;
  hooks.on_progress = [&](uint64_t, uint64_t) { cancellation.Cancel(); };
  Options options = DigitsOptions(folder / "out.mnn");
  options.quantization.bits = 8;
  for (const char* const name : {"out.mnn", "new.mnn"}) {
    options.output.path = folder / name;
    const auto cancelled = Convert(options, hooks);
    ASSERT_FALSE(cancelled.ok());
    EXPECT_EQ(cancelled.error().code(), ErrorCode::kCancelled);
  }
  EXPECT_EQ(ReadFile(folder / "out.mnn"), before);
  EXPECT_EQ(folder.List(), std::vector<std::string>{"out.mnn"});
}

TEST(Api, ErrorsSayWhatIsWrong) {
  const Folder folder;
  const auto fails = [&](const Options& options, ErrorCode code, const std::string& text) {
    const auto report = Convert(options);
    ASSERT_FALSE(report.ok());
    EXPECT_EQ(report.error().code(), code) << report.error().message();
    EXPECT_NE(report.error().message().find(text), std::string::npos) << report.error().message();
  };
  const Options good = DigitsOptions(folder / "out.mnn");
  Options options = good;
  options.source.path = folder / "missing.onnx";
  fails(options, ErrorCode::kSystem, "missing.onnx");
  options = good;
  options.source.path.clear();
  fails(options, ErrorCode::kInvalidInput, "source.path");
  options = good;
  options.source.format = Format::kMnn;
  fails(options, ErrorCode::kInvalidInput, "ONNX");
  options = good;
  options.source.format = static_cast<Format>(9);
  fails(options, ErrorCode::kInvalidInput, "source.format");
  options = good;
  options.source.batch = -2;
  fails(options, ErrorCode::kInvalidInput, "source.batch");
  options.source.batch = 0;
  options.source.optimize_prefer = 3;
  fails(options, ErrorCode::kInvalidInput, "source.optimize_prefer");
  options.source.optimize_prefer = 0;
  options.source.target_version = "new";
  fails(options, ErrorCode::kInvalidInput, "--targetVersion");
  options.source.target_version = {};
  options.source.input_shapes = {{"x", {1, 0}}};
  fails(options, ErrorCode::kInvalidInput, "source.input_shapes");
  options = good;
  options.output.path.clear();
  fails(options, ErrorCode::kInvalidInput, "output path");
  options = good;
  options.output.path = folder / "no/such/out.mnn";
  fails(options, ErrorCode::kSystem, "no/such");
  options = good;
  options.quantization.bits = 9;
  fails(options, ErrorCode::kInvalidInput, "9");
  options = good;
  options.quantization.block = 7;
  options.quantization.block_policy = BlockPolicy::kError;
  fails(options, ErrorCode::kInvalidInput, "7");
  options = good;
  options.quantization.rules = {"conv=bits:99"};
  fails(options, ErrorCode::kInvalidInput, "bits:99");
  options = good;
  options.quantization.rules = {"nothing_has_this_name=bits:8"};
  options.quantization.strict_recipe = true;
  fails(options, ErrorCode::kInvalidInput, "nothing_has_this_name");
  options = good;
  options.run.isa = "avx9000";
  fails(options, ErrorCode::kInvalidInput, "avx9000");
  options = good;
  options.run.threads = -1;
  fails(options, ErrorCode::kInvalidInput, "-1 threads");
  options = good;
  options.run.memory_bytes = 100;
  fails(options, ErrorCode::kMemoryBudget, "memory");
  EXPECT_EQ(folder.List(), std::vector<std::string>{});
  EXPECT_EQ(Plan::Load(kDigits).error().code(), ErrorCode::kInvalidInput);
}

TEST(Api, WeightsOfALayerAndOfTwoFiles) {
  const Folder folder;
  const auto report = MustConvert(DigitsOptions(folder / "out.mnn"));
  ASSERT_NE(report, nullptr);
  const Layer& layer = report->layers().at(1);
  const auto weights = InspectWeights(folder / "out.mnn", layer.name);
  ASSERT_TRUE(weights.ok()) << weights.error().message();
  ASSERT_EQ(weights->size(), 1u);
  EXPECT_EQ(weights->at(0).stored.layer, layer.name);
  EXPECT_EQ(weights->at(0).count, layer.statistics->weights);
  EXPECT_EQ(weights->at(0).histogram.size(), 64u);
  EXPECT_FALSE(weights->at(0).codes);
  EXPECT_EQ(InspectWeights(folder / "out.mnn", "nothing").error().code(), ErrorCode::kInvalidInput);

  const auto diffs = DiffWeights(kDigits, folder / "out.mnn");
  ASSERT_TRUE(diffs.ok()) << diffs.error().message();
  ASSERT_EQ(diffs->size(), report->layers().size());
  EXPECT_EQ(diffs->at(1).match, Match::kCompared);
  EXPECT_NEAR(diffs->at(1).rmse, layer.statistics->rmse, 1e-6 * layer.statistics->rmse);
  EXPECT_EQ(diffs->at(1).second.bits, 4);
  EXPECT_EQ(DiffWeights(kDigits, folder / "none.mnn").error().code(), ErrorCode::kSystem);
}

TEST(Api, ManyModelsUnderOneBudget) {
  const Folder folder;
  std::vector<Options> models(4, DigitsOptions(folder / "a.mnn"));
  models[1].output.path = folder / "b/b.mnn";
  models[1].quantization.bits = 8;
  models[2].source.path = folder / "nothing.onnx";
  models[2].output.path = folder / "c.mnn";
  models[3].output.path = models[0].output.path;
  std::atomic<uint64_t> done{0};
  Hooks hooks;
  hooks.on_progress = [&](uint64_t bytes, uint64_t total) {
    EXPECT_LE(bytes, total);
    done = bytes;
  };
  const auto results = ConvertAll(models, {.threads = 2}, hooks);
  ASSERT_EQ(results.size(), 4u);
  for (size_t i = 0; i < 2; ++i) {
    ASSERT_TRUE(results[i].ok()) << results[i].error().message();
    const auto single = MustConvert([&] {
      Options options = models[i];
      options.output.path = folder / "single.mnn";
      return options;
    }());
    ASSERT_NE(single, nullptr);
    EXPECT_EQ(ReadFile(models[i].output.path), ReadFile(folder / "single.mnn"));
    ASSERT_EQ(results[i]->layers().size(), single->layers().size());
    EXPECT_TRUE(results[i]->layers()[0].statistics.has_value());
    EXPECT_EQ(results[i]->totals().output_bytes, single->totals().output_bytes);
  }
  EXPECT_EQ(results[2].error().code(), ErrorCode::kSystem);
  EXPECT_NE(results[3].error().message().find("models 0 and 3 have the same output"), std::string::npos)
      << results[3].error().message();
  EXPECT_GT(done.load(), 0u);

  Cancellation cancelled;
  cancelled.Cancel();
  const auto none = ConvertAll({models[0]}, {}, {.cancellation = cancelled});
  EXPECT_EQ(none.at(0).error().code(), ErrorCode::kCancelled);
  EXPECT_EQ(ConvertAll({models[0]}, {.threads = -1}).at(0).error().code(), ErrorCode::kInvalidInput);
  EXPECT_TRUE(ConvertAll({}).empty());
}

TEST(Api, InspectSaysWhatAFileHolds) {
  const Folder folder;
  ASSERT_NE(MustConvert(DigitsOptions(folder / "out.mnn")), nullptr);
  const auto info = Inspect(folder / "out.mnn");
  ASSERT_TRUE(info.ok()) << info.error().message();
  EXPECT_EQ(info->format, Format::kMnn);
  EXPECT_EQ(info->framework, "ONNX");
  EXPECT_EQ(info->biz_code, "MNNTest");
  ASSERT_EQ(info->inputs.size(), 1u);
  EXPECT_EQ(info->inputs[0].type, "float32");
  EXPECT_FALSE(info->operators.empty());
  size_t quantized = 0;
  for (const StoredWeight& weight : info->weights) quantized += weight.coding == "quantized" && weight.bits == 4;
  EXPECT_GT(quantized, 2u);
  EXPECT_EQ(Inspect(folder / "nothing.mnn").error().code(), ErrorCode::kSystem);
}

}  // namespace
}  // namespace quantpress
