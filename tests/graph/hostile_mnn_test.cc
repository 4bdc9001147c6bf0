// Files that lie: each gives one clear error, and no output.
#include <gtest/gtest.h>

#include <filesystem>

#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

using testing::NetBuilder;
using testing::TempFolder;

// Expects the conversion to fail with all of `parts` in its message.
void ExpectError(const NetBuilder& builder, const std::vector<std::string>& parts, int bits = 8) {
  TempFolder folder;
  builder.Write(folder / "in.mnn");
  auto options = testing::Options(folder / "in.mnn", folder / "out.mnn");
  options.import.format = SourceFormat::kMnn;
  options.quantize.request.bits = bits;
  options.quantize.requantize = true;
  const auto result = Convert(options);
  ASSERT_FALSE(result.ok());
  for (const std::string& part : parts) {
    EXPECT_NE(Message(result.status()).find(part), std::string::npos) << Message(result.status());
  }
  EXPECT_EQ(folder.List(), std::vector<std::string>({"in.mnn"}));
}

NetBuilder OneConvolution() {
  NetBuilder builder;
  builder.AddConvolution("conv", {}, testing::RandomWeights(32, 1));
  return builder;
}

TEST(HostileMnn, UnknownOpType) {
  NetBuilder builder = OneConvolution();
  builder.AddOp("future", static_cast<mnn::OpType>(700));
  ExpectError(builder, {"'future'", "700"});
}

TEST(HostileMnn, GapInOpTypes) {
  NetBuilder builder = OneConvolution();
  builder.AddOp("future", static_cast<mnn::OpType>(200));
  ExpectError(builder, {"'future'", "200"});
}

TEST(HostileMnn, UnknownParameterTable) {
  NetBuilder builder;
  builder.AddOp("odd", mnn::OpType::Rank).main.Set(mnn::RankT());
  std::string bytes = builder.Bytes();
  const auto* net = mnn::GetNet(bytes.data());
  auto* op = const_cast<mnn::Op*>(net->oplists()->Get(1));
  auto* type = reinterpret_cast<flatbuffers::Table*>(op)->GetAddressOf(mnn::Op::VT_MAIN_TYPE);
  ASSERT_NE(type, nullptr);
  *type = 250;
  TempFolder folder;
  testing::WriteFile(folder / "in.mnn", bytes);
  const auto result = Convert(testing::Options(folder / "in.mnn", folder / "out.mnn"));
  ASSERT_FALSE(result.ok());
  EXPECT_NE(Message(result.status()).find("'odd'"), std::string::npos);
  EXPECT_NE(Message(result.status()).find("250"), std::string::npos);
}

TEST(HostileMnn, TensorIndexes) {
  for (const int index : {2, -2, INT32_MAX, INT32_MIN}) {
    NetBuilder builder = OneConvolution();
    builder.net().oplists[1]->inputIndexes = {index};
    ExpectError(builder, {"'conv'", std::to_string(index)});
    builder.net().oplists[1]->inputIndexes = {0};
    builder.net().oplists[1]->outputIndexes = {index};
    ExpectError(builder, {"'conv'", std::to_string(index)});
  }
}

TEST(HostileMnn, CyclicGraph) {
  NetBuilder builder;
  builder.AddOp("a", mnn::OpType::ReLU);
  builder.AddOp("b", mnn::OpType::ReLU);
  builder.net().oplists[1]->inputIndexes = {2};
  ExpectError(builder, {"'a'", "'b'", "cyclic"});
}

TEST(HostileMnn, WeightsThatDoNotFitTheChannels) {
  NetBuilder builder = OneConvolution();
  builder.net().oplists[1]->main.AsConvolution2D()->weight.resize(31);
  ExpectError(builder, {"'conv'", "31", "8 output channels"});
  builder = OneConvolution();
  builder.net().oplists[1]->main.AsConvolution2D()->common->outputCount = -8;
  ExpectError(builder, {"'conv'", "-8"});
  builder = OneConvolution();
  builder.net().oplists[1]->main.AsConvolution2D()->common->kernelX = 0;
  ExpectError(builder, {"'conv'"});
}

TEST(HostileMnn, ConstantShorterThanItsDimensions) {
  NetBuilder builder = OneConvolution();
  builder.AddConstant("short", {3, 3}, testing::RandomWeights(8, 1));
  ExpectError(builder, {"'short'", "36", "32"});
  builder = OneConvolution();
  builder.AddConstant("huge", {INT32_MAX, INT32_MAX, INT32_MAX}, {1});
  ExpectError(builder, {"'huge'"});
}

TEST(HostileMnn, CodedPayloads) {
  const auto conv_with = [](std::vector<int8_t> buffer, std::vector<float> alpha, int type) {
    NetBuilder builder = OneConvolution();
    auto& conv = *builder.net().oplists[1]->main.AsConvolution2D();
    conv.weight.clear();
    conv.quanParameter = std::make_unique<mnn::IDSTQuanT>();
    conv.quanParameter->type = type;
    conv.quanParameter->quantScale = 1;
    conv.quanParameter->buffer = std::move(buffer);
    conv.quanParameter->alpha = std::move(alpha);
    return builder;
  };
  const std::vector<float> scales(8, 1.0f);
  ExpectError(conv_with({0}, scales, 1), {"'conv'", "0 dimensions"});
  ExpectError(conv_with({2, 8}, scales, 1), {"'conv'", "truncated"});
  ExpectError(conv_with({2, 8, 0, 4, 0, 2, 0, 1, 7}, scales, 1), {"'conv'", "truncated"});
  ExpectError(conv_with({4, -1, -1, -1, -1, -1, -1, -1, -1, 2, 0, 1}, scales, 1), {"'conv'"});
  ExpectError(conv_with({2, 8, 0, 4, 0, 2, 0, 1, 7, 7, 7, 7}, {1, 1, 1}, 1), {"'conv'", "scales"});
  ExpectError(conv_with({2, 8, 0, 4, 0, 1, 0, 0, 0, 8, -1, 2, 0, 1, 1}, scales, 2), {"'conv'", "element"});
  ExpectError(conv_with(std::vector<int8_t>(31), scales, 4), {"'conv'"});
  ExpectError(conv_with({1, 2}, scales, 5), {"'conv'", "type 5"});
}

// Ten thousand ops that all refer to one table with a vector of a megabyte.
TEST(HostileMnn, SharedTables) {
  flatbuffers::FlatBufferBuilder builder;
  mnn::PReluT table;
  table.slope.resize(250000);
  const auto shared = mnn::CreatePRelu(builder, &table).Union();
  std::vector<flatbuffers::Offset<mnn::Op>> ops;
  for (int i = 0; i < 10000; ++i) {
    const auto outputs = builder.CreateVector(std::vector<int>{0});
    mnn::OpBuilder op(builder);
    op.add_main(shared);
    op.add_main_type(mnn::OpParameter::PRelu);
    op.add_type(mnn::OpType::PReLU);
    op.add_outputIndexes(outputs);
    ops.push_back(op.Finish());
  }
  const auto list = builder.CreateVector(ops);
  const auto names = builder.CreateVectorOfStrings({"x"});
  mnn::NetBuilder net(builder);
  net.add_oplists(list);
  net.add_tensorName(names);
  builder.Finish(net.Finish());
  TempFolder folder;
  testing::WriteFile(folder / "in.mnn", {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()});
  const auto result = Convert(testing::Options(folder / "in.mnn", folder / "out.mnn"));
  ASSERT_FALSE(result.ok());
  EXPECT_NE(Message(result.status()).find("repeat"), std::string::npos) << result.status();
}

TEST(HostileMnn, EveryTruncation) {
  NetBuilder builder = OneConvolution();
  builder.AddConstant("c", {300}, testing::RandomWeights(300, 1));
  const std::string bytes = builder.Bytes();
  TempFolder folder;
  for (size_t size = 0; size < bytes.size(); size += 7) {
    testing::WriteFile(folder / "in.mnn", bytes.substr(0, size));
    EXPECT_FALSE(Convert(testing::Options(folder / "in.mnn", folder / "out.mnn")).ok()) << size;
  }
  EXPECT_EQ(folder.List(), std::vector<std::string>({"in.mnn"}));
}

TEST(HostileMnn, OutputPaths) {
  TempFolder folder;
  OneConvolution().Write(folder / "in.mnn");
  const std::string before = testing::ReadFile(folder / "in.mnn");
  std::filesystem::create_symlink(folder / "in.mnn", folder / "link.mnn");
  std::filesystem::create_hard_link(folder / "in.mnn", folder / "hard.mnn");
  for (const std::string& path : {folder / "in.mnn", folder / "link.mnn", folder / "hard.mnn", folder / "missing/out.mnn",
                                  folder / "", std::string("/dev/full"), std::string()}) {
    EXPECT_FALSE(Convert(testing::Options(folder / "in.mnn", path)).ok()) << path;
  }
  EXPECT_EQ(testing::ReadFile(folder / "in.mnn"), before);
  EXPECT_EQ(folder.List(), std::vector<std::string>({"hard.mnn", "in.mnn", "link.mnn"}));
}

TEST(HostileMnn, LinkAtTheOutputIsFollowed) {
  TempFolder folder;
  OneConvolution().Write(folder / "in.mnn");
  testing::WriteFile(folder / "target.mnn", "old");
  std::filesystem::create_symlink("target.mnn", folder / "link.mnn");
  ASSERT_TRUE(Convert(testing::Options(folder / "in.mnn", folder / "link.mnn")).ok());
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link.mnn"));
  EXPECT_NE(testing::ReadFile(folder / "target.mnn"), "old");
}

TEST(HostileMnn, Cancelled) {
  TempFolder folder;
  OneConvolution().Write(folder / "in.mnn");
  dispatch::CancellationToken token;
  token.Cancel();
  const auto result = Convert(testing::Options(folder / "in.mnn", folder / "out.mnn"), {&token, nullptr});
  EXPECT_EQ(result.status().code(), absl::StatusCode::kCancelled);
  EXPECT_EQ(folder.List(), std::vector<std::string>({"in.mnn"}));
}

}  // namespace
}  // namespace quantpress::graph
