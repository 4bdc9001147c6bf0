// The external weight file, read and written.
#include <gtest/gtest.h>

#include <filesystem>

#include "graph/inspect.h"
#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

using testing::NetBuilder;
using testing::TempFolder;

NetBuilder MakeModel() {
  NetBuilder builder;
  builder.AddConvolution("conv", {.inputs = 32, .kernel = 3}, testing::RandomWeights(8 * 32 * 9, 5));
  builder.AddConstant("big", {1025}, testing::RandomWeights(1025, 6));
  builder.AddConstant("small", {1024}, testing::RandomWeights(1024, 7));
  mnn::LayerNormT norm;
  norm.gamma = {1, 2};
  norm.beta = {3, 4};
  builder.AddOp("norm", mnn::OpType::LayerNorm).main.Set(std::move(norm));
  mnn::ScaleT scale;
  scale.channels = 2;
  scale.scaleData = {5, 6};
  builder.AddOp("scale", mnn::OpType::Scale).main.Set(std::move(scale));
  return builder;
}

struct Variant {
  dispatch::WeightRequest request;
  size_t lengths;  // entries of the convolution's external field
};

class ExternalWeights : public ::testing::TestWithParam<Variant> {};

// There and back again gives the file that an inline conversion gives.
TEST_P(ExternalWeights, RoundTrip) {
  TempFolder folder;
  MakeModel().Write(folder / "in.mnn");
  auto options = testing::Options(folder / "in.mnn", folder / "inline.mnn");
  options.quantize.request = GetParam().request;
  ASSERT_TRUE(Convert(options).ok());
  options.output = {.output_path = folder / "out.mnn", .save_external_data = true, .biz_code = "", .auth_code = "", .uuid = ""};
  const auto result = Convert(options);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->external);

  const auto net = testing::ReadNet(folder / "out.mnn");
  const auto& conv = testing::FindConvolution(*net, "conv");
  ASSERT_EQ(conv.external.size(), GetParam().lengths);
  EXPECT_TRUE(conv.weight.empty());
  EXPECT_TRUE(conv.bias.empty());
  EXPECT_EQ(conv.external[0], 0);
  if (conv.quanParameter != nullptr) {
    EXPECT_TRUE(conv.quanParameter->buffer.empty());
    EXPECT_TRUE(conv.quanParameter->alpha.empty());
    EXPECT_TRUE(conv.quanParameter->alphaFp16.empty());
  }
  EXPECT_EQ(testing::FindOp(*net, "small").main.AsBlob()->external.size(), 0u);
  const auto* big = testing::FindOp(*net, "big").main.AsBlob();
  EXPECT_EQ(testing::FindOp(*net, "norm").main.AsLayerNorm()->external.size(), 3u);
  EXPECT_EQ(testing::FindOp(*net, "scale").main.AsScale()->external.size(), 2u);
  const bool half = GetParam().request.fp16;
  EXPECT_EQ(big->external.size(), half ? 0u : 2u);
  EXPECT_EQ(big->uint8s.empty(), !half);
  EXPECT_EQ(std::filesystem::file_size(folder / "out.mnn") + std::filesystem::file_size(folder / "out.mnn.weight"),
            result->output_bytes);

  const auto summary = Inspect(folder / "out.mnn");
  ASSERT_TRUE(summary.ok());
  EXPECT_TRUE(summary->weights[0].external);
  EXPECT_EQ(summary->external_bytes, std::filesystem::file_size(folder / "out.mnn.weight"));

  ASSERT_TRUE(Convert(testing::Options(folder / "out.mnn", folder / "back.mnn")).ok());
  EXPECT_EQ(testing::ReadFile(folder / "back.mnn"), testing::ReadFile(folder / "inline.mnn"));
  EXPECT_EQ(folder.List(), std::vector<std::string>({"back.mnn", "in.mnn", "inline.mnn", "out.mnn", "out.mnn.weight"}));
}

INSTANTIATE_TEST_SUITE_P(Storage, ExternalWeights,
                         ::testing::Values(Variant{{}, 3}, Variant{{.bits = 8}, 5},
                                           Variant{{.bits = 4, .asymmetric = true, .block = 16, .scale_bits = 16}, 5},
                                           Variant{{.fp16 = true}, 5}));

TEST(ExternalWeights, ReplacesAnOldPair) {
  TempFolder folder;
  MakeModel().Write(folder / "in.mnn");
  testing::WriteFile(folder / "out.mnn", "old model");
  testing::WriteFile(folder / "out.mnn.weight", "old weights");
  auto options = testing::Options(folder / "in.mnn", folder / "out.mnn");
  options.output.save_external_data = true;
  ASSERT_TRUE(Convert(options).ok());
  EXPECT_TRUE(Inspect(folder / "out.mnn").ok());
  EXPECT_EQ(folder.List(), std::vector<std::string>({"in.mnn", "out.mnn", "out.mnn.weight"}));
}

TEST(ExternalWeights, MissingOrShortFileIsAnError) {
  TempFolder folder;
  MakeModel().Write(folder / "in.mnn");
  auto options = testing::Options(folder / "in.mnn", folder / "out.mnn");
  options.output.save_external_data = true;
  ASSERT_TRUE(Convert(options).ok());
  const std::string weights = testing::ReadFile(folder / "out.mnn.weight");
  testing::WriteFile(folder / "out.mnn.weight", weights.substr(0, weights.size() - 1));
  auto result = Convert(testing::Options(folder / "out.mnn", folder / "back.mnn"));
  ASSERT_FALSE(result.ok());
  EXPECT_NE(Message(result.status()).find("'scale'"), std::string::npos);
  std::filesystem::remove(folder / "out.mnn.weight");
  result = Convert(testing::Options(folder / "out.mnn", folder / "back.mnn"));
  ASSERT_FALSE(result.ok());
  EXPECT_NE(Message(result.status()).find("out.mnn.weight"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(folder / "back.mnn"));
}

TEST(ExternalWeights, HostileRanges) {
  TempFolder folder;
  testing::WriteFile(folder / "in.mnn.weight", std::string(256, '\0'));
  const std::vector<std::vector<int64_t>> ranges = {{0, 257, 0}, {-1, 4, 0}, {0, -4, 0}, {INT64_MAX, INT64_MAX, 1}, {252, 4, 1}, {0, 3, 0}};
  for (const auto& external : ranges) {
    NetBuilder builder;
    auto& conv = builder.AddConvolution("conv", {}, {});
    conv.bias.clear();
    conv.external = external;
    builder.Write(folder / "in.mnn");
    const auto result = Convert(testing::Options(folder / "in.mnn", folder / "out.mnn"));
    ASSERT_FALSE(result.ok());
    EXPECT_NE(Message(result.status()).find("'conv'"), std::string::npos);
  }
}

}  // namespace
}  // namespace quantpress::graph
