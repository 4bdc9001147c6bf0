// What an MNN file says stays as it is.
#include <gtest/gtest.h>

#include "graph/inspect.h"
#include "graph/version.h"
#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

using testing::NetBuilder;
using testing::TempFolder;

// Converts without changes and returns what came out.
std::unique_ptr<mnn::NetT> RoundTrip(const TempFolder& folder, const NetBuilder& builder) {
  builder.Write(folder / "in.mnn");
  const auto result = Convert(testing::Options(folder / "in.mnn", folder / "out.mnn"));
  EXPECT_TRUE(result.ok()) << result.status();
  if (!result.ok()) return std::make_unique<mnn::NetT>();
  return testing::ReadNet(folder / "out.mnn");
}

TEST(MnnRoundTrip, FloatConvolution) {
  TempFolder folder;
  NetBuilder builder;
  const auto weights = testing::RandomWeights(8 * 4 * 9, 1);
  auto& conv = builder.AddConvolution("conv", {.kernel = 3}, weights);
  conv.common->pads = {1, 1, 1, 1};
  conv.common->relu6 = true;
  const auto bias = conv.bias;
  const auto net = RoundTrip(folder, builder);
  const auto& out = testing::FindConvolution(*net, "conv");
  EXPECT_EQ(out.weight, weights);
  EXPECT_EQ(out.bias, bias);
  EXPECT_EQ(out.common->pads, std::vector<int>({1, 1, 1, 1}));
  EXPECT_TRUE(out.common->relu6);
  EXPECT_EQ(out.common->kernelX, 3);
  EXPECT_EQ(out.quanParameter, nullptr);
}

TEST(MnnRoundTrip, NetFields) {
  TempFolder folder;
  NetBuilder builder;
  builder.AddConvolution("conv", {}, testing::RandomWeights(32, 1));
  auto& net = builder.net();
  net.bizCode = "tag";
  net.mnn_uuid = "01234567-89ab-4cde-8f01-23456789abcd";
  net.tensorNumber = 2;
  net.sourceType = mnn::NetSource::CAFFE;
  net.usage = mnn::Usage::TRAIN;
  net.outputName = {"conv", "input"};
  net.extraInfo = std::make_unique<mnn::ExtraInfoT>();
  net.extraInfo->name = "licence";
  net.extraInfo->version = "0.9";
  mnn::ExtraT extra;
  extra.attr.push_back(std::make_unique<mnn::AttributeT>());
  extra.attr[0]->key = "author";
  extra.attr[0]->s = "somebody";
  flatbuffers::FlatBufferBuilder nested;
  nested.Finish(mnn::CreateExtra(nested, &extra));
  net.extraInfo->buffer.assign(nested.GetBufferPointer(), nested.GetBufferPointer() + nested.GetSize());
  auto describe = std::make_unique<mnn::TensorDescribeT>();
  describe->index = 1;
  describe->quantInfo = std::make_unique<mnn::TensorQuantInfoT>();
  describe->quantInfo->scale = 0.5f;
  net.extraTensorDescribe.push_back(std::move(describe));

  const auto out = RoundTrip(folder, builder);
  EXPECT_EQ(out->bizCode, "tag");
  EXPECT_EQ(out->mnn_uuid, net.mnn_uuid);
  EXPECT_EQ(out->tensorNumber, 2);
  EXPECT_EQ(out->sourceType, mnn::NetSource::CAFFE);
  EXPECT_EQ(out->usage, mnn::Usage::TRAIN);
  EXPECT_EQ(out->outputName, net.outputName);
  EXPECT_EQ(out->tensorName, net.tensorName);
  EXPECT_EQ(out->extraInfo->name, "licence");
  EXPECT_EQ(out->extraInfo->version, kMnnVersion);
  ASSERT_EQ(out->extraTensorDescribe.size(), 1u);
  EXPECT_EQ(out->extraTensorDescribe[0]->quantInfo->scale, 0.5f);
  const auto summary = Inspect(folder / "out.mnn");
  ASSERT_TRUE(summary.ok());
  ASSERT_EQ(summary->metadata.size(), 1u);
  EXPECT_EQ(summary->metadata[0].first, "author");
  EXPECT_EQ(summary->metadata[0].second, "somebody");
}

TEST(MnnRoundTrip, OldFileWithoutExtraInfo) {
  TempFolder folder;
  NetBuilder builder;
  builder.AddConvolution("conv", {}, testing::RandomWeights(32, 1));
  builder.net().outputName.clear();
  builder.net().tensorNumber = 0;
  const auto out = RoundTrip(folder, builder);
  EXPECT_TRUE(out->outputName.empty());
  EXPECT_EQ(out->oplists.size(), 2u);
}

TEST(MnnRoundTrip, ConstantsOfEveryType) {
  TempFolder folder;
  NetBuilder builder;
  const auto add = [&](const std::string& name, mnn::DataType type) -> mnn::BlobT& {
    auto& blob = builder.AddConstant(name, {3}, {});
    blob.dataType = type;
    blob.dataFormat = mnn::MNN_DATA_FORMAT::NHWC;
    return blob;
  };
  add("f", mnn::DataType::DT_FLOAT).float32s = {1, 2, 3};
  add("i", mnn::DataType::DT_INT32).int32s = {-1, 2, 3};
  add("b", mnn::DataType::DT_INT8).int8s = {-1, 2, 3};
  add("u", mnn::DataType::DT_UINT8).uint8s = {255, 2, 3};
  add("h", mnn::DataType::DT_HALF).uint8s = {1, 2, 3, 4, 5, 6};
  add("l", mnn::DataType::DT_INT64).int64s = {INT64_MIN, 2, 3};
  add("s", mnn::DataType::DT_STRING).strings = {"a", "", "c"};
  builder.AddConstant("scalar", {}, {7});
  builder.AddConstant("empty", {0, 3}, {});
  const auto out = RoundTrip(folder, builder);
  const auto blob = [&](const std::string& name) { return *testing::FindOp(*out, name).main.AsBlob(); };
  EXPECT_EQ(blob("f").float32s, std::vector<float>({1, 2, 3}));
  EXPECT_EQ(blob("f").dataFormat, mnn::MNN_DATA_FORMAT::NHWC);
  EXPECT_EQ(blob("i").int32s, std::vector<int>({-1, 2, 3}));
  EXPECT_EQ(blob("b").int8s, std::vector<int8_t>({-1, 2, 3}));
  EXPECT_EQ(blob("u").uint8s, std::vector<uint8_t>({255, 2, 3}));
  EXPECT_EQ(blob("h").uint8s, std::vector<uint8_t>({1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(blob("l").int64s, std::vector<int64_t>({INT64_MIN, 2, 3}));
  EXPECT_EQ(blob("s").strings, std::vector<std::string>({"a", "", "c"}));
  EXPECT_EQ(blob("scalar").float32s, std::vector<float>({7}));
  EXPECT_TRUE(blob("empty").float32s.empty());
}

TEST(MnnRoundTrip, OtherTablesWithWeights) {
  TempFolder folder;
  NetBuilder builder;
  mnn::InnerProductT dense;
  dense.outputCount = 2;
  dense.weightSize = 6;
  dense.axis = 1;
  dense.transpose = true;
  dense.biasTerm = 1;
  dense.weight = {1, 2, 3, 4, 5, 6};
  dense.bias = {7, 8};
  builder.AddOp("dense", mnn::OpType::InnerProduct).main.Set(std::move(dense));
  mnn::Convolution3DT conv3d;
  conv3d.common = std::make_unique<mnn::Convolution3DCommonT>();
  conv3d.common->kernels = {1, 2, 3};
  conv3d.weight = {1, 2, 3, 4, 5, 6};
  conv3d.bias = {9};
  builder.AddOp("conv3d", mnn::OpType::Convolution3D).main.Set(std::move(conv3d));
  mnn::FusedLinearParamT fused;
  for (int i = 0; i < 2; ++i) {
    fused.convs.push_back(std::make_unique<mnn::Convolution2DT>());
    fused.convs[static_cast<size_t>(i)]->weight = {static_cast<float>(i), 2};
    fused.convs[static_cast<size_t>(i)]->bias = {3, static_cast<float>(i)};
  }
  fused.act_silu_mul = true;
  fused.ln = std::make_unique<mnn::LayerNormT>();
  fused.ln->gamma = {0.5f};
  builder.AddOp("fused", mnn::OpType::FusedLinear).main.Set(std::move(fused));
  mnn::LayerNormT norm;
  norm.gamma = {1, 2};
  norm.beta = {3, 4};
  norm.useRMSNorm = true;
  builder.AddOp("norm", mnn::OpType::LayerNorm).main.Set(std::move(norm));
  builder.AddOp("softmax", mnn::OpType::Softmax).main.Set(mnn::AxisT());
  builder.AddOp("plain", mnn::OpType::Rank);

  const auto out = RoundTrip(folder, builder);
  const auto* dense_out = testing::FindOp(*out, "dense").main.AsInnerProduct();
  ASSERT_NE(dense_out, nullptr);
  EXPECT_EQ(dense_out->weight, std::vector<float>({1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(dense_out->bias, std::vector<float>({7, 8}));
  EXPECT_TRUE(dense_out->transpose);
  EXPECT_EQ(dense_out->axis, 1);
  EXPECT_EQ(dense_out->weightSize, 6);
  const auto* conv3d_out = testing::FindOp(*out, "conv3d").main.AsConvolution3D();
  ASSERT_NE(conv3d_out, nullptr);
  EXPECT_EQ(conv3d_out->weight.size(), 6u);
  EXPECT_EQ(conv3d_out->bias, std::vector<float>({9}));
  EXPECT_EQ(conv3d_out->common->kernels, std::vector<int>({1, 2, 3}));
  const auto* fused_out = testing::FindOp(*out, "fused").main.AsFusedLinearParam();
  ASSERT_NE(fused_out, nullptr);
  ASSERT_EQ(fused_out->convs.size(), 2u);
  EXPECT_EQ(fused_out->convs[0]->weight, std::vector<float>({0, 2}));
  EXPECT_EQ(fused_out->convs[1]->weight, std::vector<float>({1, 2}));
  EXPECT_EQ(fused_out->convs[1]->bias, std::vector<float>({3, 1}));
  EXPECT_TRUE(fused_out->act_silu_mul);
  EXPECT_EQ(fused_out->ln->gamma, std::vector<float>({0.5f}));
  const auto* norm_out = testing::FindOp(*out, "norm").main.AsLayerNorm();
  ASSERT_NE(norm_out, nullptr);
  EXPECT_EQ(norm_out->beta, std::vector<float>({3, 4}));
  EXPECT_TRUE(norm_out->useRMSNorm);
  EXPECT_EQ(testing::FindOp(*out, "plain").main.type, mnn::OpParameter::NONE);
}

TEST(MnnRoundTrip, Int8ModelByteForByte) {
  TempFolder folder;
  NetBuilder builder;
  auto& conv = builder.AddConvolution("int8", {.type = mnn::OpType::ConvInt8}, {});
  conv.bias.clear();
  conv.symmetricQuan = std::make_unique<mnn::QuantizedFloatParamT>();
  conv.symmetricQuan->weight = {1, -2, 3};
  conv.symmetricQuan->bias = {4, 5};
  conv.symmetricQuan->scale = {0.5f};
  conv.symmetricQuan->zeroPoint = 3;
  conv.symmetricQuan->clampMax = 99;
  conv.symmetricQuan->winogradAttr = {8, 9};
  builder.Write(folder / "in.mnn");
  auto options = testing::Options(folder / "in.mnn", folder / "out.mnn");
  options.quantize.request.bits = 4;
  options.quantize.requantize = true;
  const auto result = Convert(options);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->plan.weights.size(), 1u);
  EXPECT_EQ(result->plan.weights[0].storage, dispatch::Storage::kAsIs);
  EXPECT_FALSE(result->plan.weights[0].note.empty());
  const auto net = testing::ReadNet(folder / "out.mnn");
  const auto& out = testing::FindConvolution(*net, "int8");
  EXPECT_EQ(out.symmetricQuan->weight, std::vector<int8_t>({1, -2, 3}));
  EXPECT_EQ(out.symmetricQuan->bias, std::vector<int>({4, 5}));
  EXPECT_EQ(out.symmetricQuan->scale, std::vector<float>({0.5f}));
  EXPECT_EQ(out.symmetricQuan->zeroPoint, 3);
  EXPECT_EQ(out.symmetricQuan->clampMax, 99);
  EXPECT_EQ(out.symmetricQuan->winogradAttr, std::vector<int>({8, 9}));
}

TEST(MnnRoundTrip, Subgraphs) {
  TempFolder folder;
  NetBuilder builder, body;
  builder.AddConvolution("conv", {}, testing::RandomWeights(32, 1));
  body.AddConvolution("inner", {}, testing::RandomWeights(32, 2));
  auto graph = std::make_unique<mnn::SubGraphProtoT>();
  graph->name = "body";
  graph->inputs = {0};
  graph->outputs = {1};
  graph->tensors = body.net().tensorName;
  graph->nodes = std::move(body.net().oplists);
  builder.net().subgraphs.push_back(std::move(graph));
  builder.Write(folder / "in.mnn");
  auto options = testing::Options(folder / "in.mnn", folder / "out.mnn");
  options.quantize.request.bits = 8;
  const auto result = Convert(options);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_EQ(result->plan.weights.size(), 2u);
  EXPECT_EQ(result->plan.weights[1].subgraph, "body");
  const auto net = testing::ReadNet(folder / "out.mnn");
  ASSERT_EQ(net->subgraphs.size(), 1u);
  const auto& out = *net->subgraphs[0];
  EXPECT_EQ(out.name, "body");
  EXPECT_EQ(out.outputs, std::vector<int>({1}));
  ASSERT_EQ(out.nodes.size(), 2u);
  EXPECT_EQ(out.nodes[1]->main.AsConvolution2D()->quanParameter->type, 1);
}

TEST(MnnRoundTrip, SecondConversionIsIdentical) {
  TempFolder folder;
  NetBuilder builder;
  builder.AddConvolution("a", {.kernel = 3}, testing::RandomWeights(8 * 4 * 9, 1));
  builder.AddConstant("c", {300}, testing::RandomWeights(300, 2));
  builder.Write(folder / "in.mnn");
  ASSERT_TRUE(Convert(testing::Options(folder / "in.mnn", folder / "one.mnn")).ok());
  ASSERT_TRUE(Convert(testing::Options(folder / "one.mnn", folder / "two.mnn")).ok());
  EXPECT_EQ(testing::ReadFile(folder / "one.mnn"), testing::ReadFile(folder / "two.mnn"));
}

}  // namespace
}  // namespace quantpress::graph
