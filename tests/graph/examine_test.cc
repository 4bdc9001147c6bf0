// Statistics of weights in a file, and what is different between two files.
#include "graph/examine.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>

#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

using testing::NetBuilder;
using testing::TempFolder;

constexpr testing::ConvShape kShape{.outputs = 16, .inputs = 64, .kernel = 3};

void WriteModel(const std::string& path, const std::vector<float>& weights, const std::vector<std::string>& names = {"conv"}) {
  NetBuilder builder;
  for (const std::string& name : names) builder.AddConvolution(name, kShape, weights);
  builder.Write(path);
}

TEST(ExamineWeights, CountsEveryWeight) {
  TempFolder folder;
  std::vector<float> weights(kShape.elements());
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = i % 4 == 0 ? 3.0f : i % 4 == 1 ? -1.0f : 0.0f;
  WriteModel(folder / "a.mnn", weights);
  const auto all = ExamineWeights(folder / "a.mnn", "conv");
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 1u);
  const WeightStatistics& layer = all->front();
  EXPECT_EQ(layer.summary.coding, "float32");
  EXPECT_EQ(layer.count, weights.size());
  EXPECT_EQ(layer.zeros, weights.size() / 2);
  EXPECT_EQ(layer.not_finite, 0u);
  EXPECT_EQ(layer.smallest, -1);
  EXPECT_EQ(layer.largest, 3);
  EXPECT_DOUBLE_EQ(layer.mean, 0.5);
  EXPECT_DOUBLE_EQ(layer.rms, std::sqrt(2.5));
  EXPECT_DOUBLE_EQ(layer.deviation, 1.5);
  ASSERT_EQ(layer.histogram.size(), kExamineBins);
  EXPECT_EQ(layer.histogram.front(), weights.size() / 4);
  EXPECT_EQ(layer.histogram[kExamineBins / 4], weights.size() / 2);
  EXPECT_EQ(layer.histogram.back(), weights.size() / 4);
}

TEST(ExamineWeights, ValuesThatAreNotFiniteAreCountedApart) {
  TempFolder folder;
  std::vector<float> weights(kShape.elements(), 2.0f);
  weights[5] = std::numeric_limits<float>::quiet_NaN();
  weights[6] = -std::numeric_limits<float>::infinity();
  WriteModel(folder / "a.mnn", weights);
  const auto all = ExamineWeights(folder / "a.mnn", "conv");
  ASSERT_TRUE(all.ok()) << all.status();
  EXPECT_EQ(all->front().not_finite, 2u);
  EXPECT_EQ(all->front().deviation, 0);
  EXPECT_EQ(all->front().histogram, std::vector<uint64_t>{weights.size() - 2});
  std::fill(weights.begin(), weights.end(), weights[5]);
  WriteModel(folder / "a.mnn", weights);
  EXPECT_TRUE(ExamineWeights(folder / "a.mnn", "conv")->front().histogram.empty());
}

TEST(ExamineWeights, NamesNeedNotBeUniqueButMustBeThere) {
  TempFolder folder;
  WriteModel(folder / "a.mnn", testing::RandomWeights(kShape.elements(), 1), {"conv", "other", "conv"});
  EXPECT_EQ(ExamineWeights(folder / "a.mnn", "conv")->size(), 2u);
  const auto none = ExamineWeights(folder / "a.mnn", "oth");
  ASSERT_FALSE(none.ok());
  EXPECT_NE(none.status().message().find("'other'"), std::string::npos);
}

TEST(DiffWeights, IsTheErrorThatTheConversionReports) {
  TempFolder folder;
  WriteModel(folder / "a.mnn", testing::RandomWeights(kShape.elements(), 1));
  ConvertOptions options = testing::Options(folder / "a.mnn", folder / "b.mnn");
  for (const int bits : {2, 4, 8}) {
    options.quantize.request = {.bits = bits, .asymmetric = bits == 4, .block = 32};
    options.statistics = true;
    const auto result = Convert(options);
    ASSERT_TRUE(result.ok()) << result.status();
    const auto diffs = DiffWeights(folder / "a.mnn", folder / "b.mnn");
    ASSERT_TRUE(diffs.ok()) << diffs.status();
    ASSERT_EQ(diffs->size(), 1u);
    const LayerDiff& diff = diffs->front();
    const LayerReport& report = result->layers[0];
    EXPECT_EQ(diff.state, DiffState::kCompared);
    EXPECT_NEAR(diff.rmse, report.rmse, 1e-4 * report.rmse);
    EXPECT_NEAR(diff.sqnr_db, report.sqnr_db, 1e-3);
    EXPECT_NEAR(diff.max_error, report.max_error, 1e-6);
    EXPECT_NEAR(diff.cosine, report.cosine, 1e-5);
    EXPECT_GT(diff.different, kShape.elements() / 2);
  }
  const auto same = DiffWeights(folder / "b.mnn", folder / "b.mnn");
  EXPECT_EQ(same->front().different, 0u);
  EXPECT_TRUE(std::isinf(same->front().sqnr_db));
  EXPECT_EQ(same->front().cosine, 1);
}

TEST(DiffWeights, LayersThatDoNotMatch) {
  TempFolder folder;
  WriteModel(folder / "a.mnn", testing::RandomWeights(kShape.elements(), 1), {"one", "two", "two", "three"});
  NetBuilder builder;
  builder.AddConvolution("two", kShape, testing::RandomWeights(kShape.elements(), 1));
  builder.AddConvolution("four", kShape, testing::RandomWeights(kShape.elements(), 1));
  const testing::ConvShape small{.outputs = 8, .inputs = 8};
  builder.AddConvolution("three", small, testing::RandomWeights(small.elements(), 1));
  builder.Write(folder / "b.mnn");
  const auto diffs = DiffWeights(folder / "a.mnn", folder / "b.mnn");
  ASSERT_TRUE(diffs.ok()) << diffs.status();
  std::vector<DiffState> states;
  for (const LayerDiff& diff : *diffs) states.push_back(diff.state);
  EXPECT_EQ(states, (std::vector<DiffState>{DiffState::kOnlyFirst, DiffState::kCompared, DiffState::kOnlyFirst, DiffState::kOtherSize, DiffState::kOnlySecond}));
  EXPECT_FALSE(DiffWeights(folder / "a.mnn", folder / "none.mnn").ok());
}

}  // namespace
}  // namespace quantpress::graph
