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

// Writes `path` with the weights of "conv" as 8-bit codes of a layer that computes with int8; `alone`: without scales of their own.
void WriteInt8Model(const std::string& path, const std::vector<float>& weights, bool alone) {
  WriteModel(path, weights);
  ConvertOptions options = testing::Options(path, path + ".coded");
  options.quantize.request = {.bits = 8};
  const auto result = Convert(options);
  ASSERT_TRUE(result.ok()) << result.status();
  NetBuilder builder;
  builder.net() = std::move(*testing::ReadNet(path + ".coded"));
  for (const auto& op : builder.net().oplists) {
    mnn::Convolution2DT* conv = op->main.AsConvolution2D();
    if (conv == nullptr) continue;
    conv->symmetricQuan = std::make_unique<mnn::QuantizedFloatParamT>();
    if (alone) {
      op->type = mnn::OpType::ConvInt8;
      conv->symmetricQuan->weight.resize(weights.size());
      for (size_t i = 0; i < weights.size(); ++i) conv->symmetricQuan->weight[i] = static_cast<int8_t>(static_cast<int>(i % 255) - 127);
      conv->symmetricQuan->scale.assign(static_cast<size_t>(kShape.outputs), 0.5f);
      conv->quanParameter.reset();
    } else {
      conv->quanParameter->scaleIn = conv->quanParameter->scaleOut = 0.25f;
    }
  }
  builder.Write(path);
}

TEST(ExamineWeights, LayersThatComputeWithInt8) {
  TempFolder folder;
  const std::vector<float> weights = testing::RandomWeights(kShape.elements(), 1);
  WriteModel(folder / "a.mnn", weights);
  WriteInt8Model(folder / "scaled.mnn", weights, false);
  WriteInt8Model(folder / "codes.mnn", weights, true);

  const auto scaled = ExamineWeights(folder / "scaled.mnn", "conv");
  ASSERT_TRUE(scaled.ok()) << scaled.status();
  EXPECT_EQ(scaled->front().summary.coding, "int8");
  EXPECT_EQ(scaled->front().summary.elements, weights.size());
  EXPECT_EQ(scaled->front().summary.groups, static_cast<uint64_t>(kShape.outputs));
  EXPECT_FALSE(scaled->front().codes);
  const auto diffs = DiffWeights(folder / "a.mnn", folder / "scaled.mnn");
  ASSERT_TRUE(diffs.ok()) << diffs.status();
  EXPECT_EQ(diffs->front().state, DiffState::kCompared);
  EXPECT_GT(diffs->front().sqnr_db, 35);

  const auto codes = ExamineWeights(folder / "codes.mnn", "conv");
  ASSERT_TRUE(codes.ok()) << codes.status();
  EXPECT_EQ(codes->front().summary.coding, "int8");
  EXPECT_EQ(codes->front().summary.elements, weights.size());
  EXPECT_TRUE(codes->front().codes);
  EXPECT_EQ(codes->front().smallest, -127);
  EXPECT_EQ(codes->front().largest, 127);
  // Codes are compared with codes, and not with weights.
  const auto same = DiffWeights(folder / "codes.mnn", folder / "codes.mnn");
  ASSERT_TRUE(same.ok()) << same.status();
  EXPECT_TRUE(same->front().codes);
  EXPECT_EQ(same->front().different, 0u);
  const auto other = DiffWeights(folder / "a.mnn", folder / "codes.mnn");
  ASSERT_TRUE(other.ok()) << other.status();
  EXPECT_EQ(other->front().state, DiffState::kNotReadable);
  EXPECT_EQ(other->front().problem, "the second file has codes without a scale of their own");
  // What is listed is what a plan says.
  const auto summary = Inspect(folder / "codes.mnn");
  ASSERT_TRUE(summary.ok()) << summary.status();
  EXPECT_EQ(summary->weight_elements, weights.size());
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
