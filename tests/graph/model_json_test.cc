// MNN files to JSON and back. What comes back is compared field by field through the objects of generated code, which know nothing of the
// dump: packed again, equal objects give equal bytes, also where floats are NaN.
#include <gtest/gtest.h>

#include <bit>
#include <cstdlib>
#include <filesystem>

#include "graph/model_json/float_text.h"
#include "graph/model_json/model_json.h"
#include "graph/model_json/read.h"
#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

namespace fs = std::filesystem;
using testing::NetBuilder;
using testing::ReadFile;
using testing::TempFolder;
using testing::WriteFile;

std::string Repacked(const std::string& path) {
  flatbuffers::FlatBufferBuilder builder;
  builder.Finish(mnn::CreateNet(builder, testing::ReadNet(path).get()));
  return {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()};
}

// Dumps `mnn` and restores it as `back`; both are in the folder.
void ThereAndBack(const TempFolder& folder, const std::string& mnn, const std::string& back) {
  const std::string json = folder / (back + ".json");
  const auto dumped = WriteModelJson(mnn, json);
  ASSERT_TRUE(dumped.ok()) << dumped.status();
  const auto restored = RestoreModel(json, folder / back, {});
  ASSERT_TRUE(restored.ok()) << restored.status();
}

float FromBits(uint32_t bits) { return std::bit_cast<float>(bits); }

TEST(ModelJson, FloatsReadBackBitForBit) {
  std::vector<uint32_t> cases = {0x00000000, 0x80000000, 0x00000001, 0x807FFFFF, 0x00800000, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000,
                                 0xFF800000, 0x7FC00000, 0xFFC00000, 0x7F800001, 0x7FFFFFFF, 0xFFC12345, 0x3F800000, 0x3DCCCCCD};
  for (uint32_t step = 0; step < 200000; ++step) cases.push_back(step * 21473u + step % 7);  // all exponents, both signs
  for (const uint32_t bits : cases) {
    std::string text;
    AppendFloat(FromBits(bits), &text);
    const bool name = text.front() == '"';
    const auto back = name ? ParseFloatName<float>(std::string_view(text).substr(1, text.size() - 2)) : ParseFloatNumber<float>(text);
    ASSERT_TRUE(back.has_value()) << text;
    ASSERT_EQ(std::bit_cast<uint32_t>(*back), bits) << text;
    // The C library, for numbers that it reads too.
    if (!name) {
      ASSERT_EQ(std::bit_cast<uint32_t>(std::strtof(text.c_str(), nullptr)), bits) << text;
    }
  }
  std::string text;
  AppendFloat(FromBits(0x80000000), &text);
  EXPECT_EQ(text, "-0.0");
}

TEST(ModelJson, FloatsOfOtherWriters) {
  EXPECT_EQ(ParseFloatNumber<float>("0.1000000000000000055511151231257827"), 0.1f);
  EXPECT_EQ(ParseFloatNumber<float>("1e-60"), 0.0f);
  EXPECT_TRUE(std::signbit(*ParseFloatNumber<float>("-1e-60")));
  EXPECT_EQ(ParseFloatNumber<float>("1.4e-45"), FromBits(1));
  EXPECT_FALSE(ParseFloatNumber<float>("3.5e38").has_value());
  EXPECT_FALSE(ParseFloatName<float>("NaN:0x3f800000").has_value());  // that is 1
  EXPECT_FALSE(ParseFloatName<float>("nan").has_value());
  EXPECT_EQ(std::bit_cast<uint64_t>(*ParseFloatName<double>("NaN:0xfff8000000000001")), 0xFFF8000000000001u);
}

// Everything that text could lose.
NetBuilder AwkwardModel() {
  NetBuilder builder;
  std::vector<float> weights = testing::RandomWeights(8 * 4, 1);
  weights[0] = FromBits(0xFFC12345);
  weights[1] = FromBits(0x80000000);
  weights[2] = FromBits(1);
  weights[3] = FromBits(0x7F800000);
  builder.AddConvolution("conv \"quoted\"\n\t\\", {.outputs = 8, .inputs = 4}, weights);
  builder.AddConvolution("caf\xE9", {.outputs = 8, .inputs = 4}, testing::RandomWeights(32, 2));  // Latin-1
  builder.AddConvolution(std::string("nul\0in it", 9), {.outputs = 8, .inputs = 4}, testing::RandomWeights(32, 3));
  builder.AddConvolution("\xE5\xB1\x82\xF0\x9F\x98\x80", {.outputs = 8, .inputs = 4}, testing::RandomWeights(32, 4));
  builder.AddConstant("big", {300, 100}, testing::RandomWeights(30000, 5));
  builder.net().bizCode = "";
  builder.net().mnn_uuid = "id";
  builder.net().extraInfo = std::make_unique<mnn::ExtraInfoT>();
  builder.net().extraInfo->version = "2.0.0";
  builder.net().extraInfo->buffer = {1, -1, 127, -128};
  mnn::QuantizedFloatParamT codes;
  codes.weight = {-128, 0, 127};
  codes.scale = {1e-30f, 3.0f};
  codes.method = static_cast<mnn::QuantizeAlgo>(77);  // no name
  mnn::Convolution2DT conv;
  conv.common = std::make_unique<mnn::Convolution2DCommonT>();
  conv.symmetricQuan = std::make_unique<mnn::QuantizedFloatParamT>(codes);
  builder.AddOp("int8", mnn::OpType::ConvInt8).main.Set(std::move(conv));
  return builder;
}

TEST(ModelJson, NothingIsLost) {
  TempFolder folder;
  AwkwardModel().Write(folder / "a.mnn");
  ThereAndBack(folder, folder / "a.mnn", "b.mnn");
  EXPECT_EQ(Repacked(folder / "a.mnn"), Repacked(folder / "b.mnn"));
  ThereAndBack(folder, folder / "b.mnn", "c.mnn");
  EXPECT_EQ(ReadFile(folder / "b.mnn"), ReadFile(folder / "c.mnn"));
  EXPECT_EQ(ReadFile(folder / "b.mnn.json"), ReadFile(folder / "c.mnn.json"));
}

// Fields that are there with their default, empty vectors, and fields that are not there stay what they are.
TEST(ModelJson, PresenceIsKept) {
  TempFolder folder;
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(true);
  const auto name = builder.CreateString("x");
  const auto op = mnn::CreateOp(builder, 0, mnn::OpParameter::NONE, 0, name, builder.CreateVector(std::vector<int32_t>{0}),
                                mnn::OpType::Identity);
  const auto ops = builder.CreateVector(std::vector<flatbuffers::Offset<mnn::Op>>{op});
  const auto outputs = builder.CreateVector(std::vector<flatbuffers::Offset<flatbuffers::String>>{});
  const auto tensors = builder.CreateVector(std::vector<flatbuffers::Offset<flatbuffers::String>>{name});
  mnn::NetBuilder net(builder);
  net.add_oplists(ops);
  net.add_outputName(outputs);
  net.add_tensorName(tensors);
  net.add_usage(mnn::Usage::INFERENCE);
  builder.Finish(net.Finish());
  WriteFile(folder / "a.mnn", {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()});
  ThereAndBack(folder, folder / "a.mnn", "b.mnn");
  const std::string text = ReadFile(folder / "b.mnn.json");
  EXPECT_NE(text.find("\"outputName\": []"), std::string::npos) << text;
  EXPECT_NE(text.find("\"main_type\": \"NONE\""), std::string::npos) << text;
  EXPECT_NE(text.find("\"usage\": \"INFERENCE\""), std::string::npos) << text;
  EXPECT_EQ(text.find("tensorNumber"), std::string::npos) << text;
  const std::string bytes = ReadFile(folder / "b.mnn");
  const mnn::Net* back = mnn::GetNet(bytes.data());
  ASSERT_NE(back->outputName(), nullptr);
  EXPECT_EQ(back->outputName()->size(), 0u);
  EXPECT_EQ(back->bizCode(), nullptr);
  EXPECT_TRUE(flatbuffers::IsFieldPresent(back, mnn::Net::VT_USAGE));
  EXPECT_FALSE(flatbuffers::IsFieldPresent(back, mnn::Net::VT_TENSORNUMBER));
  EXPECT_TRUE(flatbuffers::IsFieldPresent(back->oplists()->Get(0), mnn::Op::VT_MAIN_TYPE));
}

// Data behind a union that says that it has none is not verified and must not be followed.
TEST(ModelJson, UnionsWithoutAKind) {
  TempFolder folder;
  flatbuffers::FlatBufferBuilder builder;
  mnn::BlobT blob;
  const auto main = mnn::CreateBlob(builder, &blob).Union();
  const auto op = mnn::CreateOp(builder, 0, mnn::OpParameter::NONE, main, builder.CreateString("x"), 0, mnn::OpType::Identity);
  const auto ops = builder.CreateVector(std::vector<flatbuffers::Offset<mnn::Op>>{op});
  const auto tensors = builder.CreateVectorOfStrings({"x"});
  mnn::NetBuilder net(builder);
  net.add_oplists(ops);
  net.add_tensorName(tensors);
  builder.Finish(net.Finish());
  WriteFile(folder / "a.mnn", {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()});
  ASSERT_TRUE(WriteModelJson(folder / "a.mnn", folder / "a.json").ok());
  EXPECT_EQ(ReadFile(folder / "a.json").find("\"main\""), std::string::npos);
}

TEST(ModelJson, UnknownKindsAndFieldsAreRefused) {
  TempFolder folder;
  flatbuffers::FlatBufferBuilder builder;
  const auto nested = builder.CreateString("x");
  const flatbuffers::uoffset_t start = builder.StartTable();
  builder.AddOffset(flatbuffers::FieldIndexToOffset(40), nested);
  const flatbuffers::Offset<mnn::Op> op(builder.EndTable(start));
  const auto ops = builder.CreateVector(std::vector<flatbuffers::Offset<mnn::Op>>{op});
  const auto tensors = builder.CreateVectorOfStrings({"x"});
  mnn::NetBuilder net(builder);
  net.add_oplists(ops);
  net.add_tensorName(tensors);
  builder.Finish(net.Finish());
  WriteFile(folder / "a.mnn", {reinterpret_cast<const char*>(builder.GetBufferPointer()), builder.GetSize()});
  const auto result = WriteModelJson(folder / "a.mnn", folder / "a.json");
  EXPECT_EQ(Message(result.status()),
            fmt::format("'{}': oplists[0] has field number 40, which MNN 3.6 does not have; it would be lost", folder / "a.mnn"));
  EXPECT_EQ(folder.List(), std::vector<std::string>{"a.mnn"});
}

// Everything that a conversion writes comes back as the same bytes.
TEST(ModelJson, OwnFilesComeBackAsTheyWere) {
  for (const bool external : {false, true}) {
    for (const int bits : {0, 4, 8, 16}) {
      SCOPED_TRACE(fmt::format("{} bits, external {}", bits, external));
      TempFolder folder;
      NetBuilder builder;
      builder.AddConvolution("conv", {.outputs = 64, .inputs = 64, .kernel = 3}, testing::RandomWeights(64 * 64 * 9, 5));
      builder.AddConstant("constant", {1025}, testing::RandomWeights(1025, 6));
      builder.Write(folder / "in.mnn");
      auto options = testing::Options(folder / "in.mnn", folder / "a.mnn");
      options.quantize.request.bits = bits == 16 ? 0 : bits;
      options.quantize.request.fp16 = bits == 16;
      options.quantize.request.block = 32;
      options.output.save_external_data = external;
      ASSERT_TRUE(Convert(options).ok());
      ThereAndBack(folder, folder / "a.mnn", "b.mnn");
      EXPECT_EQ(ReadFile(folder / "a.mnn"), ReadFile(folder / "b.mnn"));
      EXPECT_EQ(fs::exists(folder / "b.mnn.weight"), external);
      if (external) {
        EXPECT_EQ(ReadFile(folder / "a.mnn.weight"), ReadFile(folder / "b.mnn.weight"));
      }
    }
  }
}

TEST(ModelJson, WeightsThatAreNotThere) {
  TempFolder folder;
  NetBuilder builder;
  builder.AddConvolution("conv", {.outputs = 64, .inputs = 64}, testing::RandomWeights(64 * 64, 5));
  builder.Write(folder / "in.mnn");
  auto options = testing::Options(folder / "in.mnn", folder / "a.mnn");
  options.output.save_external_data = true;
  ASSERT_TRUE(Convert(options).ok());
  fs::remove(folder / "a.mnn.weight");
  const auto dumped = WriteModelJson(folder / "a.mnn", folder / "a.json");
  ASSERT_TRUE(dumped.ok()) << dumped.status();
  ASSERT_EQ(dumped->notes.size(), 1u);
  EXPECT_NE(dumped->notes[0].find("is not there"), std::string::npos);
  const auto restored = RestoreModel(folder / "a.json", folder / "b.mnn", {});
  EXPECT_NE(Message(restored.status()).find("op 'conv' has its data in an external weight file"), std::string::npos)
      << restored.status();
  EXPECT_FALSE(fs::exists(folder / "b.mnn"));
}

// The order of fields is the writer's business.
TEST(ModelJson, FieldsInAnyOrder) {
  TempFolder folder;
  const std::string ordered = R"({"oplists": [
    {"main_type": "Input", "main": {"dims": [1, 2], "dformat": "NCHW"}, "name": "x", "outputIndexes": [0], "type": "Input"},
    {"inputIndexes": [0], "main_type": "Scale", "main": {"channels": 2, "scaleData": [1, 2.5]}, "name": "y", "outputIndexes": [1], "type": "Scale"}],
    "outputName": ["y"], "tensorName": ["x", "y"]})";
  const std::string other = R"({"tensorName": ["x", "y"], "outputName": ["y"], "oplists": [
    {"type": "Input", "outputIndexes": [0], "name": "x", "main": {"dformat": "NCHW", "dims": [1, 2]}, "main_type": "Input"},
    {"type": "Scale", "name": "y", "main": {"scaleData": [1, 2.5e0], "channels": 2}, "inputIndexes": [0], "main_type": "Scale", "outputIndexes": [1]}]})";
  for (const auto& [name, text] : {std::pair("a", ordered), std::pair("b", other)}) {
    WriteFile(folder / (std::string(name) + ".json"), text);
    const auto restored = RestoreModel(folder / (std::string(name) + ".json"), folder / (std::string(name) + ".mnn"), {});
    ASSERT_TRUE(restored.ok()) << restored.status();
  }
  EXPECT_EQ(ReadFile(folder / "a.mnn"), ReadFile(folder / "b.mnn"));
  const auto net = testing::ReadNet(folder / "b.mnn");
  EXPECT_EQ(testing::FindOp(*net, "y").main.AsScale()->scaleData, (std::vector<float>{1, 2.5f}));
}

// A JSON source is quantized as the MNN file is.
TEST(ModelJson, AsASource) {
  TempFolder folder;
  NetBuilder builder;
  builder.AddConvolution("conv", {.outputs = 64, .inputs = 64}, testing::RandomWeights(64 * 64, 5));
  builder.Write(folder / "a.mnn");
  ASSERT_TRUE(WriteModelJson(folder / "a.mnn", folder / "a.json").ok());
  ASSERT_EQ(DetectFormat(folder / "a.json").value_or(SourceFormat::kAuto), SourceFormat::kJson);
  for (const char* source : {"a.mnn", "a.json"}) {
    auto options = testing::Options(folder / source, folder / (std::string(source) + ".out"));
    options.quantize.request.bits = 4;
    const auto result = Convert(options);
    ASSERT_TRUE(result.ok()) << result.status();
  }
  EXPECT_EQ(ReadFile(folder / "a.mnn.out"), ReadFile(folder / "a.json.out"));
}

TEST(ModelJson, Cancelled) {
  TempFolder folder;
  AwkwardModel().Write(folder / "a.mnn");
  ASSERT_TRUE(WriteModelJson(folder / "a.mnn", folder / "a.json").ok());
  dispatch::CancellationToken token;
  token.Cancel();
  ConvertHooks hooks;
  hooks.cancellation = &token;
  EXPECT_TRUE(absl::IsCancelled(WriteModelJson(folder / "a.mnn", folder / "b.json", hooks).status()));
  EXPECT_TRUE(absl::IsCancelled(RestoreModel(folder / "a.json", folder / "b.mnn", {}, hooks).status()));
  EXPECT_EQ(folder.List(), (std::vector<std::string>{"a.json", "a.mnn"}));
}

TEST(ModelJson, OutputsAreNotTheSource) {
  TempFolder folder;
  NetBuilder builder;
  builder.AddConstant("c", {1}, {1});
  builder.Write(folder / "a.mnn");
  EXPECT_FALSE(WriteModelJson(folder / "a.mnn", folder / "a.mnn").ok());
  ASSERT_TRUE(WriteModelJson(folder / "a.mnn", folder / "a.json").ok());
  EXPECT_FALSE(RestoreModel(folder / "a.json", folder / "a.json", {}).ok());
  EXPECT_FALSE(RestoreModel(folder / "a.json", folder / "missing/b.mnn", {}).ok());
  EXPECT_EQ(folder.List(), (std::vector<std::string>{"a.json", "a.mnn"}));
}

// Files of other tools, 2019 to now.
TEST(ModelJson, FilesOfOtherTools) {
  const char* const variable = std::getenv("QUANTPRESS_MODELS");
  const fs::path models = (variable != nullptr ? fs::path(variable) : fs::path(QUANTPRESS_TEST_DATA) / "../../../shared/models") / "mnn";
  if (!fs::exists(models)) GTEST_SKIP() << "no models in " << models;
  for (const auto& entry : fs::directory_iterator(models)) {
    if (entry.path().extension() != ".mnn") continue;
    SCOPED_TRACE(entry.path().string());
    TempFolder folder;
    ThereAndBack(folder, entry.path().string(), "b.mnn");
    EXPECT_EQ(Repacked(entry.path().string()), Repacked(folder / "b.mnn"));
    ThereAndBack(folder, folder / "b.mnn", "c.mnn");
    EXPECT_EQ(ReadFile(folder / "b.mnn"), ReadFile(folder / "c.mnn"));
  }
}

}  // namespace
}  // namespace quantpress::graph
