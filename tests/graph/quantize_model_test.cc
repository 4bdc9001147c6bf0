// Quantized, half and requantized storage: what is in the file is what the plan and the formulas say.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "dispatch/target.h"
#include "graph/inspect.h"
#include "kernels/half.h"
#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

using dispatch::BlockPolicy;
using dispatch::Storage;
using testing::NetBuilder;
using testing::TempFolder;

ConvertResult MustConvert(const ConvertOptions& options) {
  auto result = Convert(options);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : ConvertResult();
}

// The formulas of the format's description for min-max quantization, one group.
std::vector<float> ExpectedGroup(const float* w, size_t n, int bits, bool asymmetric) {
  const float qmin = static_cast<float>(-(1 << (bits - 1))), qmax = static_cast<float>((1 << (bits - 1)) - 1);
  const auto [low, high] = std::minmax_element(w, w + n);
  std::vector<float> out(n);
  if (asymmetric) {
    const float scale = (*high - *low) / static_cast<float>((1 << bits) - 1);
    const float base = *low - qmin * scale;
    for (size_t i = 0; i < n; ++i) {
      const float q = scale <= 1e-6f ? qmin : std::clamp(std::round((w[i] - *low) / scale) + qmin, qmin, qmax);
      out[i] = q * scale + base;
    }
  } else {
    const float scale = std::max(std::fabs(*low), std::fabs(*high)) / qmax;
    for (size_t i = 0; i < n; ++i) {
      out[i] = scale <= 1e-6f ? 0.0f : std::clamp(std::round(w[i] / scale), qmin, qmax) * scale;
    }
  }
  return out;
}

struct Case {
  int bits;
  bool asymmetric;
  int64_t block;
  int kernel;
};

class QuantizeModel : public ::testing::TestWithParam<Case> {};

TEST_P(QuantizeModel, DecodesToTheFormulas) {
  const Case& c = GetParam();
  TempFolder folder;
  NetBuilder builder;
  const testing::ConvShape shape{.outputs = 7, .inputs = 96, .kernel = c.kernel};
  const auto weights = testing::RandomWeights(shape.elements(), 5);
  builder.AddConvolution("conv", shape, weights);
  builder.Write(folder / "in.mnn");
  auto options = testing::Options(folder / "in.mnn", folder / "out.mnn");
  options.quantize.request = {.bits = c.bits, .asymmetric = c.asymmetric, .block = c.block};
  const ConvertResult result = MustConvert(options);
  ASSERT_EQ(result.plan.weights.size(), 1u);
  const auto& plan = result.plan.weights[0];
  EXPECT_EQ(plan.storage, Storage::kQuantized);

  const auto net = testing::ReadNet(folder / "out.mnn");
  const auto& conv = testing::FindConvolution(*net, "conv");
  EXPECT_TRUE(conv.weight.empty());
  EXPECT_EQ(conv.bias.size(), 7u);
  const auto& quan = *conv.quanParameter;
  EXPECT_EQ(quan.type, 1);
  EXPECT_EQ(quan.aMaxOrBits, c.bits);
  EXPECT_EQ(quan.quantScale, 1.0f);
  EXPECT_EQ(quan.aMin, c.asymmetric ? -(1 << (c.bits - 1)) : 0);
  EXPECT_EQ(quan.readType, c.asymmetric ? static_cast<int>(plan.groups) : 0);
  EXPECT_EQ(plan.bytes_after, quan.buffer.size() + quan.alpha.size() * 4);
  const auto decoded = testing::DecodeTableCoded(quan);
  ASSERT_EQ(decoded.size(), weights.size());
  double error = 0;
  for (size_t g = 0; g < plan.groups; ++g) {
    const size_t at = g * plan.group_size;
    const auto expected = ExpectedGroup(weights.data() + at, plan.group_size, c.bits, c.asymmetric);
    for (size_t i = 0; i < plan.group_size; ++i) {
      ASSERT_EQ(decoded[at + i], expected[i]) << at + i;
      error += std::pow(static_cast<double>(expected[i]) - static_cast<double>(weights[at + i]), 2);
    }
  }
  ASSERT_EQ(result.layers.size(), 1u);
  EXPECT_NEAR(result.layers[0].rmse, std::sqrt(error / static_cast<double>(weights.size())), 1e-9);
}

INSTANTIATE_TEST_SUITE_P(Widths, QuantizeModel,
                         ::testing::Values(Case{8, false, -1, 1}, Case{8, true, -1, 3}, Case{4, true, 32, 1},
                                           Case{4, true, 16, 3}, Case{4, false, 48, 1}, Case{3, true, -1, 3},
                                           Case{5, false, -1, 1}, Case{2, true, 96, 3}, Case{6, true, 32, 3},
                                           Case{7, false, 16, 3}));

TEST(QuantizeModel, BytesDoNotDependOnThreadsOrInstructionSet) {
  TempFolder folder;
  NetBuilder builder;
  builder.AddConvolution("big", {.outputs = 301, .inputs = 320, .kernel = 3}, testing::RandomWeights(301 * 320 * 9, 5));
  builder.AddConvolution("odd", {.outputs = 33, .inputs = 7, .kernel = 3}, testing::RandomWeights(33 * 7 * 9, 6));
  builder.AddConstant("table", {100000}, testing::RandomWeights(100000, 7));
  builder.Write(folder / "in.mnn");
  for (const bool hqq : {false, true}) {
    auto options = testing::Options(folder / "in.mnn", folder / "first.mnn");
    options.quantize.request = {.bits = 5, .asymmetric = true, .hqq = hqq, .block = 32, .fp16 = true};
    options.budget.threads = 1;
    MustConvert(options);
    const std::string first = testing::ReadFile(folder / "first.mnn");
    options.output.output_path = folder / "other.mnn";
    for (const dispatch::Isa isa : dispatch::AvailableIsas()) {
      options.budget.isa = isa;
      for (const int threads : {1, 2, 7}) {
        options.budget.threads = threads;
        MustConvert(options);
        EXPECT_EQ(testing::ReadFile(folder / "other.mnn"), first) << dispatch::IsaName(isa) << " " << threads;
      }
    }
  }
}

TEST(QuantizeModel, Half) {
  TempFolder folder;
  NetBuilder builder;
  auto weights = testing::RandomWeights(32, 5);
  weights[0] = 1e6f;
  weights[1] = -70000;
  weights[2] = 1.0f + 0x1p-11f;  // a tie
  weights[3] = 1.0f + 3 * 0x1p-11f;
  builder.AddConvolution("conv", {}, weights);
  builder.AddConstant("mask", {300}, std::vector<float>(300, -std::numeric_limits<float>::infinity()));
  builder.AddConstant("epsilon", {1}, {1e-12f});
  builder.Write(folder / "in.mnn");
  auto options = testing::Options(folder / "in.mnn", folder / "out.mnn");
  options.quantize.request.fp16 = true;
  MustConvert(options);
  const auto net = testing::ReadNet(folder / "out.mnn");
  const auto& conv = testing::FindConvolution(*net, "conv");
  EXPECT_EQ(conv.quanParameter->type, 3);
  EXPECT_TRUE(conv.quanParameter->alpha.empty());
  ASSERT_EQ(conv.quanParameter->buffer.size(), 64u);
  const auto half = [&](size_t i) {
    uint16_t bits;
    std::memcpy(&bits, conv.quanParameter->buffer.data() + 2 * i, 2);
    return kernels::FloatFromHalf(bits);
  };
  EXPECT_EQ(half(0), 65504.0f);
  EXPECT_EQ(half(1), -65504.0f);
  EXPECT_EQ(half(2), 1.0f);
  EXPECT_EQ(half(3), 1.0f + 0x1p-9f);
  const auto* mask = testing::FindOp(*net, "mask").main.AsBlob();
  EXPECT_EQ(mask->dataType, mnn::DataType::DT_HALF);
  EXPECT_TRUE(mask->float32s.empty());
  ASSERT_EQ(mask->uint8s.size(), 600u);
  EXPECT_EQ(mask->uint8s[1], 0xFC);  // still -infinity
  EXPECT_EQ(testing::FindOp(*net, "epsilon").main.AsBlob()->float32s, std::vector<float>({1e-12f}));
}

TEST(QuantizeModel, HalfSourceIsQuantizedWhenAsked) {
  TempFolder folder;
  NetBuilder builder;
  builder.AddConvolution("conv", {}, testing::RandomWeights(32, 5));
  builder.Write(folder / "in.mnn");
  auto options = testing::Options(folder / "in.mnn", folder / "half.mnn");
  options.quantize.request.fp16 = true;
  MustConvert(options);
  auto again = testing::Options(folder / "half.mnn", folder / "same.mnn");
  EXPECT_EQ(MustConvert(again).plan.weights[0].storage, Storage::kAsIs);
  EXPECT_EQ(testing::ReadFile(folder / "half.mnn"), testing::ReadFile(folder / "same.mnn"));
  again.quantize.request.bits = 8;
  again.output.output_path = folder / "eight.mnn";
  EXPECT_EQ(MustConvert(again).plan.weights[0].storage, Storage::kQuantized);
}

TEST(QuantizeModel, QuantizedSourceStaysUnlessAsked) {
  TempFolder folder;
  NetBuilder builder;
  const auto weights = testing::RandomWeights(8 * 64, 5);
  builder.AddConvolution("conv", {.inputs = 64}, weights);
  builder.Write(folder / "in.mnn");
  auto options = testing::Options(folder / "in.mnn", folder / "eight.mnn");
  options.quantize.request = {.bits = 8, .asymmetric = true};
  MustConvert(options);
  auto again = testing::Options(folder / "eight.mnn", folder / "four.mnn");
  again.quantize.request = {.bits = 4, .asymmetric = true, .block = 16};
  const auto kept = MustConvert(again);
  EXPECT_EQ(kept.plan.weights[0].storage, Storage::kAsIs);
  EXPECT_NE(kept.plan.weights[0].note.find("--requantize"), std::string::npos);
  EXPECT_EQ(testing::ReadFile(folder / "four.mnn"), testing::ReadFile(folder / "eight.mnn"));

  again.quantize.requantize = true;
  MustConvert(again);
  const auto source = testing::DecodeTableCoded(*testing::FindConvolution(*testing::ReadNet(folder / "eight.mnn"), "conv").quanParameter);
  const auto net = testing::ReadNet(folder / "four.mnn");
  const auto& quan = *testing::FindConvolution(*net, "conv").quanParameter;
  EXPECT_EQ(quan.aMaxOrBits, 4);
  const auto decoded = testing::DecodeTableCoded(quan);
  for (size_t g = 0; g < 32; ++g) {
    const auto expected = ExpectedGroup(source.data() + g * 16, 16, 4, true);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), decoded.begin() + static_cast<int64_t>(g * 16))) << g;
  }
}

TEST(QuantizeModel, BlockPolicies) {
  TempFolder folder;
  NetBuilder builder;
  builder.AddConvolution("conv", {.inputs = 96}, testing::RandomWeights(8 * 96, 5));
  builder.AddConvolution("thin", {.inputs = 20}, testing::RandomWeights(8 * 20, 5));
  builder.Write(folder / "in.mnn");
  auto options = testing::Options(folder / "in.mnn", folder / "out.mnn");
  options.quantize.request = {.bits = 4, .block = 64};
  auto result = MustConvert(options);
  EXPECT_EQ(result.plan.weights[0].block, 0u);
  EXPECT_EQ(result.plan.weights[0].groups, 8u);
  EXPECT_FALSE(result.plan.weights[0].note.empty());
  options.quantize.block_policy = BlockPolicy::kAdjust;
  result = MustConvert(options);
  EXPECT_EQ(result.plan.weights[0].block, 48u);
  EXPECT_EQ(result.plan.weights[0].groups, 16u);
  EXPECT_NE(result.plan.weights[0].note.find("48"), std::string::npos);
  EXPECT_EQ(result.plan.weights[1].block, 0u);
  options.quantize.block_policy = BlockPolicy::kError;
  const auto error = Convert(options);
  ASSERT_FALSE(error.ok());
  EXPECT_NE(Message(error.status()).find("'conv'"), std::string::npos);
  EXPECT_NE(Message(error.status()).find("16, 32, 48, 96"), std::string::npos);
}

TEST(QuantizeModel, KindsOfConvolution) {
  TempFolder folder;
  NetBuilder builder;
  const testing::ConvShape depthwise{.type = mnn::OpType::ConvolutionDepthwise, .outputs = 8, .inputs = 8, .kernel = 3, .group = 8};
  const testing::ConvShape grouped{.outputs = 8, .inputs = 8, .kernel = 3, .group = 2};
  const testing::ConvShape transposed{.type = mnn::OpType::Deconvolution, .outputs = 3, .inputs = 10, .kernel = 2};
  const auto weights = testing::RandomWeights(transposed.elements(), 5);
  builder.AddConvolution("depthwise", depthwise, testing::RandomWeights(depthwise.elements(), 1));
  builder.AddConvolution("grouped", grouped, testing::RandomWeights(grouped.elements(), 2));
  builder.AddConvolution("transposed", transposed, weights);
  builder.Write(folder / "in.mnn");
  auto options = testing::Options(folder / "in.mnn", folder / "out.mnn");
  options.quantize.request = {.bits = 8, .block = 32};
  const auto result = MustConvert(options);
  EXPECT_EQ(result.plan.weights[0].groups, 8u);
  EXPECT_FALSE(result.plan.weights[0].note.empty());
  EXPECT_EQ(result.plan.weights[1].storage, Storage::kFloat32);
  EXPECT_NE(result.plan.weights[1].note.find("grouped"), std::string::npos);
  // The stock converter's three slices have ten kernels each; two input channels have six, more than half of that: the slices are halved.
  EXPECT_EQ(result.plan.weights[2].geometry.rows, 6u);
  EXPECT_EQ(result.plan.weights[2].groups, 6u);
  const auto net = testing::ReadNet(folder / "out.mnn");
  const auto decoded = testing::DecodeTableCoded(*testing::FindConvolution(*net, "transposed").quanParameter);
  for (size_t g = 0; g < 6; ++g) {
    const auto expected = ExpectedGroup(weights.data() + g * 20, 20, 8, false);
    EXPECT_TRUE(std::equal(expected.begin(), expected.end(), decoded.begin() + static_cast<int64_t>(g * 20)));
  }
}

TEST(QuantizeModel, RowsOfTransposedConvolutions) {
  struct Rows {
    testing::ConvShape shape;
    uint64_t rows;
  };
  const mnn::OpType type = mnn::OpType::Deconvolution;
  const Rows cases[] = {
      {{.type = type, .outputs = 16, .inputs = 64, .kernel = 2}, 64},  // one input channel, a quarter of the stock converter's slice
      {{.type = type, .outputs = 16, .inputs = 32, .kernel = 1}, 32},  // half of it
      {{.type = type, .outputs = 16, .inputs = 24, .kernel = 1}, 16},  // two thirds, and no part of the slice has 16 weights: the slice
      {{.type = type, .outputs = 3, .inputs = 10, .kernel = 2}, 6},    // two input channels would be three fifths: half the slice
      {{.type = type, .outputs = 32, .inputs = 4, .kernel = 1}, 32},   // its slices are shorter than ours would be: its slices
      {{.type = type, .outputs = 2, .inputs = 16, .kernel = 3}, 16},   // one input channel has 18 weights
  };
  for (const Rows& one : cases) {
    TempFolder folder;
    NetBuilder builder;
    builder.AddConvolution("transposed", one.shape, testing::RandomWeights(one.shape.elements(), 5));
    builder.Write(folder / "in.mnn");
    auto options = testing::Options(folder / "in.mnn", folder / "out.mnn");
    options.quantize.request = {.bits = 8};
    EXPECT_EQ(MustConvert(options).plan.weights[0].groups, one.rows) << one.shape.outputs << " x " << one.shape.inputs;
  }
}

TEST(QuantizeModel, HalfScales) {
  TempFolder folder;
  NetBuilder builder;
  builder.AddConvolution("conv", {.inputs = 64}, testing::RandomWeights(8 * 64, 5));
  builder.Write(folder / "in.mnn");
  auto options = testing::Options(folder / "in.mnn", folder / "out.mnn");
  options.quantize.request = {.bits = 4, .asymmetric = true, .block = 32, .scale_bits = 16};
  const auto result = MustConvert(options);
  const auto net = testing::ReadNet(folder / "out.mnn");
  const auto& quan = *testing::FindConvolution(*net, "conv").quanParameter;
  EXPECT_EQ(quan.scaleStorage, mnn::ScaleStorageType::FP16);
  EXPECT_TRUE(quan.alpha.empty());
  EXPECT_EQ(quan.alphaFp16.size(), 32u);
  EXPECT_EQ(result.plan.weights[0].bytes_after, quan.buffer.size() + 64);
  const auto summary = Inspect(folder / "out.mnn");
  ASSERT_TRUE(summary.ok());
  ASSERT_EQ(summary->weights.size(), 1u);
  EXPECT_EQ(summary->weights[0].scale_bits, 16);
  EXPECT_EQ(summary->weights[0].block, 32u);
  EXPECT_EQ(summary->weights[0].bits, 4);
  EXPECT_TRUE(summary->weights[0].asymmetric);
}

TEST(QuantizeModel, NonFiniteWeights) {
  TempFolder folder;
  for (const bool quantized : {false, true}) {
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      NetBuilder builder;
      auto weights = testing::RandomWeights(8 * 4, 5);
      weights[13] = bad;
      builder.AddConvolution("conv", {}, weights);
      builder.Write(folder / "in.mnn");
      testing::WriteFile(folder / "out.mnn", "before");
      auto options = testing::Options(folder / "in.mnn", folder / "out.mnn");
      options.quantize.request.bits = quantized ? 8 : 0;
      const auto error = Convert(options);
      ASSERT_FALSE(error.ok());
      EXPECT_NE(Message(error.status()).find("'conv'"), std::string::npos);
      EXPECT_NE(Message(error.status()).find("weight 13"), std::string::npos);
      EXPECT_NE(Message(error.status()).find("--nonfinite"), std::string::npos);
      EXPECT_EQ(testing::ReadFile(folder / "out.mnn"), "before");
      EXPECT_EQ(folder.List(), std::vector<std::string>({"in.mnn", "out.mnn"}));

      options.quantize.nonfinite = dispatch::NonFinitePolicy::kClamp;
      MustConvert(options);
      const auto net = testing::ReadNet(folder / "out.mnn");
      const auto& conv = testing::FindConvolution(*net, "conv");
      const auto values = quantized ? testing::DecodeTableCoded(*conv.quanParameter) : conv.weight;
      EXPECT_NEAR(values[13], std::isnan(bad) ? 0.0f : -65504.0f, 1e-2f);
    }
  }
}

TEST(QuantizeModel, Denormals) {
  TempFolder folder;
  NetBuilder builder;
  auto weights = testing::RandomWeights(8 * 4, 5);
  weights[3] = 1e-40f;
  weights[4] = -0.0f;
  builder.AddConvolution("conv", {}, weights);
  builder.Write(folder / "in.mnn");
  auto options = testing::Options(folder / "in.mnn", folder / "out.mnn");
  MustConvert(options);
  auto out = testing::FindConvolution(*testing::ReadNet(folder / "out.mnn"), "conv").weight;
  EXPECT_EQ(out[3], 0.0f);
  EXPECT_FALSE(std::signbit(out[4]));
  EXPECT_EQ(out[5], weights[5]);
  options.import.align_denormals = false;
  MustConvert(options);
  out = testing::FindConvolution(*testing::ReadNet(folder / "out.mnn"), "conv").weight;
  EXPECT_EQ(out[3], 1e-40f);
  EXPECT_TRUE(std::signbit(out[4]));
}

}  // namespace
}  // namespace quantpress::graph
