// Options that decide the graph and its storage: shapes from a file, the runtime that the model is for, equal weights, blocks, attention.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "graph/build/graph_builder.h"
#include "graph/build/params.h"
#include "graph/import/input_shapes.h"
#include "graph/passes/passes.h"
#include "graph/target_version.h"
#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

using mnn::OpType;
using testing::NetBuilder;
using testing::TempFolder;
using U = mnn::UnaryOpOperation;

ConvertResult MustConvert(const ConvertOptions& options) {
  auto result = Convert(options);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : ConvertResult();
}

std::string ErrorOf(const ConvertOptions& options) {
  const auto result = Convert(options);
  EXPECT_FALSE(result.ok());
  return std::string(result.status().message());
}

// ---- --inputConfigFile

TEST(InputConfig, ReadsNamesAndSizes) {
  const auto shapes = ParseInputConfig("# two\n input_names = a , b # names\r\ninput_size=2\ninput_dims = 1x3x224x224,16", "f");
  ASSERT_TRUE(shapes.ok()) << shapes.status();
  ASSERT_EQ(shapes->size(), 2u);
  EXPECT_EQ((*shapes)[0].name, "a");
  EXPECT_EQ((*shapes)[0].dims, (std::vector<int64_t>{1, 3, 224, 224}));
  EXPECT_EQ((*shapes)[1].name, "b");
  EXPECT_EQ((*shapes)[1].dims, std::vector<int64_t>{16});
}

TEST(InputConfig, ErrorsNameLineAndField) {
  const auto error = [](const char* text) { return std::string(ParseInputConfig(text, "f").status().message()); };
  EXPECT_EQ(error("input_size = 1\n\nwhat"), "f:3: \"what\"; expected `key = value`");
  EXPECT_EQ(error("input_name = a"), "f:1: unknown key \"input_name\"; expected input_size, input_names or input_dims");
  EXPECT_EQ(error("input_names = a\ninput_dims = 1x0"),
            "f:2: input_dims: \"1x0\" for 'a'; expected sizes from 1 to 2147483647 like 1x3x224x224");
  EXPECT_EQ(error("input_names = a\ninput_dims = 1,2"), "f:2: input_dims has 2 entries; input_names has 1");
}

// ---- --targetVersion

TEST(Target, ReadsVersions) {
  for (const auto& [text, expected] : {std::pair{"3.6", TargetVersion{3, 6, 0}}, std::pair{"2.8.1", TargetVersion{2, 8, 1}},
                                       std::pair{"1.2f", TargetVersion{1, 2, 0}}, std::pair{"3", TargetVersion{3, 0, 0}}}) {
    const auto version = ParseTargetVersion(text);
    ASSERT_TRUE(version.ok()) << text;
    EXPECT_EQ(*version, expected) << text;
  }
  for (const char* text : {"", "x", "3.", "3.6.1.2", "-1", "3,6", "3.6 ", "1e3", "99999"}) EXPECT_FALSE(ParseTargetVersion(text).ok()) << text;
}

class TargetOfModel : public ::testing::Test {
 protected:
  TargetOfModel() : options_(testing::Options(folder_ / "in.mnn", folder_ / "out.mnn")) {
    builder_.AddConvolution("conv", {}, testing::RandomWeights(32, 1));
  }
  void Write() { builder_.Write(folder_ / "in.mnn"); }

  TempFolder folder_;
  NetBuilder builder_;
  ConvertOptions options_;
};

TEST_F(TargetOfModel, CodingsThatCameLaterAreErrors) {
  Write();
  options_.quantize.request.bits = 4;
  options_.quantize.request.scale_bits = 16;
  options_.import.target = {3, 5, 9};
  EXPECT_NE(ErrorOf(options_).find("half scales (1 time, first 'conv') came with 3.6.0; use --weightQuantScaleBit 32"), std::string::npos);
  options_.import.target = {3, 6, 0};
  MustConvert(options_);
  options_.quantize.request.scale_bits = 32;
  options_.import.target = {1, 1, 0};
  MustConvert(options_);
  options_.quantize.request.asymmetric = true;
  EXPECT_NE(ErrorOf(options_).find("asymmetric codes (1 time, first 'conv') came with 1.1.5"), std::string::npos);
  options_.import.target = {2, 7, 0};
  MustConvert(options_);
  options_.output.save_external_data = true;
  EXPECT_NE(ErrorOf(options_).find("quantized weights in an external file"), std::string::npos);
}

TEST_F(TargetOfModel, KeptOperatorsAndCodingsAreChecked) {
  mnn::UnaryOpT unary;
  unary.opType = U::SILU;
  builder_.AddOp("silu", OpType::UnaryOp).main.Set(std::move(unary));
  Write();
  options_.import.target = {3, 0, 0};
  EXPECT_NE(ErrorOf(options_).find("operator UnaryOp SILU (1 time, first 'silu') came with 3.1.0"), std::string::npos);
  options_.import.target = {3, 1, 0};
  options_.quantize.request = {.bits = 4, .scale_bits = 16};
  EXPECT_NE(ErrorOf(options_).find("half scales"), std::string::npos);
  options_.import.target = {3, 6, 1};
  MustConvert(options_);
  ConvertOptions kept = testing::Options(folder_ / "out.mnn", folder_ / "again.mnn");
  kept.import.target = {3, 5, 0};
  EXPECT_NE(ErrorOf(kept).find("--requantize"), std::string::npos);
}

// ---- --optimizePrefer

TEST(OptimizePrefer, SmallestStoresEqualWeightsOnce) {
  TempFolder folder;
  NetBuilder builder;
  const std::vector<float> weights = testing::RandomWeights(64 * 64, 1);
  std::vector<float> other = weights;
  other.back() += 1;
  builder.AddConvolution("a", {.outputs = 64, .inputs = 64}, weights);
  builder.AddConvolution("b", {.outputs = 64, .inputs = 64}, weights);
  builder.AddConvolution("c", {.outputs = 64, .inputs = 64}, other);
  builder.Write(folder / "in.mnn");
  for (const bool external : {false, true}) {
    for (const int bits : {0, 4}) {
      ConvertOptions options = testing::Options(folder / "in.mnn", folder / "normal.mnn");
      options.quantize.request.bits = bits;
      options.output.save_external_data = external;
      const uint64_t normal = MustConvert(options).output_bytes;
      const std::string weight_file = external ? testing::ReadFile(folder / "normal.mnn.weight") : "";
      options.import.optimize_prefer = 1;
      options.output.output_path = folder / "small.mnn";
      const ConvertResult small = MustConvert(options);
      const uint64_t saved = bits == 0 ? 64 * 64 * 4 : 64 * 64 / 2;
      EXPECT_LE(small.output_bytes + saved, normal) << bits << external;
      EXPECT_GE(small.output_bytes + 2 * saved, normal) << bits << external;
      EXPECT_EQ(small.layers.size(), bits == 0 ? 0u : 3u);  // each has its errors
      // Unpacked, both are the same model.
      options = testing::Options(folder / "small.mnn", folder / "unpacked.mnn");
      options.output.save_external_data = external;
      MustConvert(options);
      EXPECT_EQ(testing::ReadFile(folder / "unpacked.mnn"), testing::ReadFile(folder / "normal.mnn"));
      if (external) {
        EXPECT_EQ(testing::ReadFile(folder / "unpacked.mnn.weight"), weight_file);
      }
    }
  }
}

// ---- --splitBlockQuant

class SplitBlockQuant : public ::testing::TestWithParam<std::tuple<int, bool, int>> {};

TEST_P(SplitBlockQuant, PartsHoldTheCodesOfTheirBlock) {
  const auto [bits, asymmetric, scale_bits] = GetParam();
  constexpr size_t kOutputs = 6, kInputs = 48, kBlock = 16;
  TempFolder folder;
  NetBuilder builder;
  mnn::Convolution2DT& conv = builder.AddConvolution("conv", {.outputs = kOutputs, .inputs = kInputs}, testing::RandomWeights(kOutputs * kInputs, 7));
  conv.common->relu6 = true;
  const std::vector<float> bias = conv.bias;
  builder.AddConvolution("plain", {.outputs = 4, .inputs = kOutputs}, testing::RandomWeights(4 * kOutputs, 8));
  builder.Write(folder / "in.mnn");
  ConvertOptions options = testing::Options(folder / "in.mnn", folder / "coded.mnn");
  options.quantize.request = {.bits = bits, .asymmetric = asymmetric, .block = kBlock, .scale_bits = scale_bits};
  options.quantize.rules = {*ParseRule("plain=skip")};
  MustConvert(options);
  const std::vector<float> whole = testing::DecodeTableCoded(*testing::FindConvolution(*testing::ReadNet(folder / "coded.mnn"), "conv").quanParameter);

  options = testing::Options(folder / "coded.mnn", folder / "split.mnn");
  options.import.split_block_quant = true;
  MustConvert(options);
  const auto net = testing::ReadNet(folder / "split.mnn");
  std::vector<OpType> types;
  for (const auto& op : net->oplists) types.push_back(op->type);
  EXPECT_EQ(types, (std::vector{OpType::Input, OpType::Slice, OpType::Convolution, OpType::Convolution, OpType::BinaryOp, OpType::Convolution,
                                OpType::BinaryOp, OpType::ReLU6, OpType::Convolution}));
  for (size_t k = 0; k < kInputs / kBlock; ++k) {
    const mnn::Convolution2DT& part = testing::FindConvolution(*net, "conv_" + std::to_string(k));
    EXPECT_EQ(part.common->inputCount, static_cast<int>(kBlock));
    EXPECT_FALSE(part.common->relu6);
    EXPECT_EQ(part.bias, k == 0 ? bias : std::vector<float>(kOutputs));
    const std::vector<float> values = testing::DecodeTableCoded(*part.quanParameter);
    ASSERT_EQ(values.size(), kOutputs * kBlock);
    for (size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i], whole[i / kBlock * kInputs + k * kBlock + i % kBlock]) << k << " " << i;
  }
  EXPECT_EQ(net->tensorName[static_cast<size_t>(testing::FindOp(*net, "plain").inputIndexes[0])], "conv");
}

INSTANTIATE_TEST_SUITE_P(Codings, SplitBlockQuant,
                         ::testing::Combine(::testing::Values(2, 3, 4, 8), ::testing::Bool(), ::testing::Values(16, 32)));

// ---- Passes

class OptionPass : public ::testing::Test {
 protected:
  OptionPass() : b_(&graph_, &symbols_, {}) { options_.fuse_attention = true; }

  Value Input(const char* name, Shape shape) { return b_.Input(name, ElementType::kFloat32, std::move(shape)); }
  // [1, length, 4, 8] for each of queries, keys and values.
  Value Heads(const char* name, Dim length, Dim batch = 1) { return Input(name, Shape{batch, length, 4, 8}); }
  Value Attention(Value q, Value k, Value v, Value mask, float scale) {
    Value scores = b_.MatMul(b_.Transpose(q, {0, 2, 1, 3}), b_.Transpose(k, {0, 2, 3, 1}));
    if (scale != 1) scores = b_.Mul(scores, b_.ScalarFloat(scale));
    if (mask.valid()) scores = b_.Add(scores, mask);
    const Value heads = b_.MatMul(b_.Softmax(scores, -1), b_.Transpose(v, {0, 2, 1, 3}));
    return b_.ReshapeTo(b_.Transpose(heads, {0, 2, 1, 3}), {0, 0, 32});
  }
  void Run(Value y, Status (*pass)(Graph&, const ImportOptions&)) {
    ASSERT_TRUE(b_.ok()) << b_.status();
    b_.Rename(y, "y");
    graph_.outputs.push_back(b_.Tensor(b_.NameOutput(y, "y")));
    b_.RecordShapes();
    ASSERT_TRUE(pass(graph_, options_).ok());
    ASSERT_TRUE(RemoveDeadOps(graph_, options_).ok());
  }
  std::vector<OpType> Types() const {
    std::vector<OpType> types;
    for (const Op& op : graph_.ops) {
      if (op.type != OpType::Input) types.push_back(op.type);
    }
    return types;
  }

  const float scale_ = 1 / std::sqrt(8.0f);
  Graph graph_;
  SymbolTable symbols_;
  ImportOptions options_;
  GraphBuilder b_;
};

TEST_F(OptionPass, AttentionWithAMaskIsOneOp) {
  const Dim length = symbols_.Named("length");
  const Value q = Heads("q", length), k = Heads("k", length), v = Heads("v", length), mask = Input("mask", Shape{1, 1, length, length});
  Run(Attention(q, k, v, mask, scale_), FuseAttention);
  EXPECT_EQ(Types(), std::vector{OpType::Attention});
  std::vector<std::string> inputs;
  for (const int t : graph_.ops.back().inputs) inputs.push_back(graph_.tensors[static_cast<size_t>(t)]);
  EXPECT_EQ(inputs, (std::vector<std::string>{"q", "k", "v", "mask"}));
  EXPECT_EQ(graph_.ops.back().outputs, graph_.outputs);
  EXPECT_FALSE(graph_.ops.back().main.AsAttentionParam()->kv_cache);
}

TEST_F(OptionPass, AttentionWithoutAMaskGetsZeros) {
  Run(Attention(Heads("q", 6), Heads("k", 6), Heads("v", 6), {}, scale_), FuseAttention);
  EXPECT_EQ(Types(), (std::vector{OpType::Const, OpType::Attention}));
}

TEST_F(OptionPass, AMaskOfOneRowIsSpread) {
  Run(Attention(Heads("q", 6), Heads("k", 6), Heads("v", 6), Input("mask", Shape{1, 1, 1, 6}), scale_), FuseAttention);
  EXPECT_EQ(Types(), (std::vector{OpType::Const, OpType::BinaryOp, OpType::Attention}));
}

TEST_F(OptionPass, AnotherScaleGoesToTheQueries) {
  Run(Attention(Heads("q", 6), Heads("k", 6), Heads("v", 6), Input("mask", Shape{6, 6}), 1), FuseAttention);
  EXPECT_EQ(Types(), (std::vector{OpType::Const, OpType::BinaryOp, OpType::Attention}));
}

TEST_F(OptionPass, WhatTheOpCannotDoStaysWrittenOut) {
  const Dim open = symbols_.Named("n");
  options_.fuse_attention = true;
  const auto stays = [&](Dim batch, Dim queries, Dim keys, std::optional<Shape> mask) {
    Graph graph;
    SymbolTable symbols;
    GraphBuilder b(&graph, &symbols, {});
    const auto input = [&](const char* name, Shape shape) { return b.Input(name, ElementType::kFloat32, std::move(shape)); };
    Value scores = b.MatMul(b.Transpose(input("q", {batch, queries, 4, 8}), {0, 2, 1, 3}), b.Transpose(input("k", {batch, keys, 4, 8}), {0, 2, 3, 1}));
    scores = b.Mul(scores, b.ScalarFloat(scale_));
    if (mask) scores = b.Add(scores, input("mask", *mask));
    const Value heads = b.MatMul(b.Softmax(scores, -1), b.Transpose(input("v", {batch, keys, 4, 8}), {0, 2, 1, 3}));
    const Value y = b.ReshapeTo(b.Transpose(heads, {0, 2, 1, 3}), {0, 0, 32});
    graph.outputs.push_back(b.Tensor(b.NameOutput(y, "y")));
    b.RecordShapes();
    EXPECT_TRUE(b.ok()) << b.status();
    EXPECT_TRUE(FuseAttention(graph, options_).ok());
    return std::none_of(graph.ops.begin(), graph.ops.end(), [](const Op& op) { return op.type == OpType::Attention; });
  };
  EXPECT_FALSE(stays(1, 6, 6, Shape{1, 1, 6, 6}));
  EXPECT_TRUE(stays(2, 6, 6, Shape{1, 1, 6, 6}));     // batch
  EXPECT_TRUE(stays(open, 6, 6, Shape{1, 1, 6, 6}));
  EXPECT_TRUE(stays(1, 5, 6, Shape{1, 1, 5, 6}));     // other keys than queries
  EXPECT_TRUE(stays(1, 6, 6, Shape{1, 4, 6, 6}));     // a mask for each head
  EXPECT_TRUE(stays(1, open, open, std::nullopt));    // zeros of an unknown size
  EXPECT_TRUE(stays(1, 2048, 2048, std::nullopt));    // too many zeros
  options_.target = {3, 3, 0};
  EXPECT_TRUE(stays(1, 6, 6, Shape{1, 1, 6, 6}));
  options_.target = {};
  options_.fuse_attention = false;
  EXPECT_TRUE(stays(1, 6, 6, Shape{1, 1, 6, 6}));
}

TEST_F(OptionPass, NewFunctionsAreWrittenOutForOldRuntimes) {
  options_.target = {3, 0, 0};
  const Value x = Input("x", Shape{2, 8});
  Run(b_.Unary(U::SILU, b_.Unary(U::HARDSWISH, x)), LowerForTarget);
  EXPECT_EQ(Types(), (std::vector{OpType::UnaryOp, OpType::UnaryOp, OpType::BinaryOp}));
  EXPECT_EQ(graph_.ops[2].main.AsUnaryOp()->opType, U::SIGMOID);
  options_.target = {1, 1, 0};
  ASSERT_TRUE(LowerForTarget(graph_, options_).ok());
  EXPECT_EQ(Types(), (std::vector{OpType::Const, OpType::Const, OpType::BinaryOp, OpType::ReLU6, OpType::BinaryOp, OpType::BinaryOp,
                                  OpType::UnaryOp, OpType::BinaryOp}));
  std::vector<std::string> names = graph_.tensors;
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::adjacent_find(names.begin(), names.end()), names.end());
}

}  // namespace
}  // namespace quantpress::graph
