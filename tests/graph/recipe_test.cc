// The compression parameter file: both forms, read and written, and what it does to a conversion.
#include "graph/recipe/recipe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

using dispatch::Storage;
using testing::NetBuilder;
using testing::TempFolder;

constexpr char kEveryField[] = R"({
 "version": "3.6.1",
 "algo": [
  {
   "type": "QUANTIZE",
   "quantParams": {
    "roundMode": "ROUND_HALF_TO_EVEN",
    "layer": [
     {
      "input": [{"name": "x", "bits": 8, "scales": [0.5], "zeroPoint": -3, "clampMin": -127, "clampMax": 127}],
      "weight": [{"name": "w", "bits": 4, "scales": [0.25, 1e-30], "clampMin": -8, "clampMax": 7, "asymmetric": true, "blockSize": 32}],
      "output": [{"name": "y", "scales": [2.0]}],
      "method": "WinogradAware",
      "winoParams": {"version": 1, "unitsAttr": [0, 0, 3, 3, 4, 4]},
      "opName": "conv",
      "subgraphName": "body",
      "conv": {"inputChannel": 64, "outputChannel": 8, "kernelSize": [3, 1]}
     }
    ]
   }
  },
  {
   "type": "PRUNE",
   "pruneParams": {
    "type": "SIMD_OC",
    "levelPrunerParams": {"weightTensorNames": ["a"], "pruneRatios": [0.5], "layerNames": ["l"]},
    "simdOcPrunerParams": {"weightTensorNames": ["a", "b"], "layerNames": ["l", "m"], "pruneRatios": [0.5, 0.25], "ocBlocks": [4, 8]}
   }
  }
 ],
 "mnnUuid": "1234",
 "forGuide": true
})";

Recipe MustParse(std::string_view content, const std::string& path = "r.json") {
  auto recipe = ParseRecipe(content, path);
  EXPECT_TRUE(recipe.ok()) << recipe.status();
  return recipe.ok() ? *std::move(recipe) : Recipe();
}

std::string Content(const Recipe& recipe, const std::string& path) {
  auto content = RecipeContent(recipe.pipeline, path);
  EXPECT_TRUE(content.ok()) << content.status();
  return content.ok() ? *std::move(content) : std::string();
}

TEST(Recipe, EveryFieldSurvivesBothForms) {
  const Recipe first = MustParse(kEveryField);
  EXPECT_TRUE(first.notes.empty());
  const std::string json = Content(first, "r.json"), binary = Content(first, "r.bin");
  EXPECT_EQ(Content(MustParse(json), "r.json"), json);
  const Recipe again = MustParse(binary, "r.bin");
  EXPECT_EQ(Content(again, "r.json"), json);
  EXPECT_EQ(Content(again, "r.bin"), binary);

  const auto& layer = again.pipeline.algo[0].quant_params->layer[0];
  EXPECT_EQ(layer.input[0].zero_point, -3);
  EXPECT_EQ(layer.weight[0].scales, std::vector<float>({0.25f, 1e-30f}));
  EXPECT_EQ(layer.weight[0].block_size, 32);
  EXPECT_FALSE(layer.output[0].bits.has_value());
  EXPECT_EQ(layer.method, 2);
  EXPECT_EQ(layer.wino_params->units_attr.size(), 6u);
  EXPECT_EQ(layer.conv->kernel_size, std::vector<int32_t>({3, 1}));
  EXPECT_EQ(again.pipeline.algo[1].prune_params->simd_oc_pruner_params->oc_blocks, std::vector<int32_t>({4, 8}));
  EXPECT_EQ(again.pipeline.mnn_uuid, "1234");
}

TEST(Recipe, BinaryIsTheWireFormat) {
  // version "1", one algo with type PRUNE, forGuide.
  const Recipe recipe = MustParse(R"({"version": "1", "algo": [{"type": "PRUNE"}], "forGuide": true})");
  EXPECT_EQ(Content(recipe, "r.bin"), std::string("\x0A\x01" "1" "\x12\x02\x08\x01" "\x20\x01", 9));
}

TEST(Recipe, FormsThatProtobufAlsoReads) {
  const Recipe recipe = MustParse(R"({"version": "1", "algo": [{"type": 0, "quant_params": {"round_mode": 1, "layer": [
    {"op_name": "a", "weight": [{"name": "w", "bits": "4", "block_size": 32.0, "asymmetric": null, "scales": ["0.5", 1]}],
     "not_a_field": {"x": [1]}}]}}]})");
  const auto& weight = recipe.pipeline.algo[0].quant_params->layer[0].weight[0];
  EXPECT_EQ(weight.bits, 4);
  EXPECT_EQ(weight.block_size, 32);
  EXPECT_FALSE(weight.asymmetric.has_value());
  EXPECT_EQ(weight.scales, std::vector<float>({0.5f, 1}));
  ASSERT_EQ(recipe.notes.size(), 1u);
  EXPECT_EQ(recipe.notes[0], "r.json:3: algo[0].quantParams.layer[0]: unknown field \"not_a_field\" has no effect");

  // Packed numbers, a message in two pieces, an unknown field.
  const std::string bytes("\x0A\x01" "1" "\x12\x04\x12\x02\x08\x01" "\x7A\x01" "?", 12);
  const Recipe binary = MustParse(bytes, "r.pb");
  EXPECT_EQ(binary.pipeline.algo[0].quant_params->round_mode, 1);
  ASSERT_EQ(binary.notes.size(), 1u);
  EXPECT_EQ(binary.notes[0], "r.pb: unknown field 15 has no effect");
}

TEST(Recipe, JsonInAFileOfAnotherNameIsExplained) {
  const auto recipe = ParseRecipe("\n {\"version\": \"1\"}", "r.txt");
  ASSERT_FALSE(recipe.ok());
  EXPECT_NE(Message(recipe.status()).find("rename it"), std::string::npos);
}

class RecipeOnModel : public ::testing::Test {
 protected:
  void SetUp() override {
    NetBuilder builder;
    builder.AddConvolution("a", {.inputs = 64}, testing::RandomWeights(8 * 64, 1));
    builder.AddConvolution("b", {.inputs = 96, .kernel = 3}, testing::RandomWeights(8 * 96 * 9, 2));
    builder.AddConvolution("c", {.inputs = 20}, testing::RandomWeights(8 * 20, 3));
    builder.AddConstant("k", {300}, testing::RandomWeights(300, 4));
    builder.Write(folder_ / "in.mnn");
    options_ = testing::Options(folder_ / "in.mnn", folder_ / "out.mnn");
    options_.quantize.recipe_path = folder_ / "r.json";
  }

  void Write(const std::string& layers, bool guide = true) {
    testing::WriteFile(options_.quantize.recipe_path, R"({"version":"1","forGuide":)" + std::string(guide ? "true" : "false") +
                                                          R"(,"algo":[{"type":"QUANTIZE","quantParams":{"layer":[)" + layers + "]}}]}");
  }
  ConvertResult MustConvert() {
    auto result = Convert(options_);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *std::move(result) : ConvertResult();
  }
  std::string Error() {
    const auto result = Convert(options_);
    EXPECT_FALSE(result.ok());
    return Message(result.status());
  }

  TempFolder folder_;
  ConvertOptions options_;
};

TEST_F(RecipeOnModel, LayersGetWhatTheyAskFor) {
  Write(R"({"opName":"a","weight":[{"name":"a","bits":4,"asymmetric":true,"blockSize":32}]},
           {"opName":"b","weight":[{"name":"b","bits":0}]})");
  options_.quantize.request.bits = 8;
  const ConvertResult result = MustConvert();
  const auto& weights = result.plan.weights;
  EXPECT_EQ(weights[0].coding.bits, 4);
  EXPECT_EQ(weights[0].coding.method, dispatch::QuantMethod::kAsymmetric);
  EXPECT_EQ(weights[0].block, 32u);
  EXPECT_EQ(weights[0].reason, "recipe");
  EXPECT_EQ(weights[1].storage, Storage::kFloat32);
  EXPECT_EQ(weights[1].reason, "recipe");
  EXPECT_EQ(weights[2].coding.bits, 8);
  EXPECT_EQ(weights[2].coding.method, dispatch::QuantMethod::kSymmetric);
  EXPECT_EQ(weights[2].reason, "command line");
  EXPECT_TRUE(result.notes.empty());
}

TEST_F(RecipeOnModel, WhatAnEntryDoesNotSayStaysWithTheCommandLine) {
  Write(R"({"opName":"a","weight":[{"name":"a","bits":4}]}, {"opName":"b","weight":[{"name":"b","blockSize":0}]})");
  options_.quantize.request = {.bits = 6, .asymmetric = true, .block = 32};
  const auto weights = MustConvert().plan.weights;
  EXPECT_EQ(weights[0].coding.bits, 4);
  EXPECT_EQ(weights[0].coding.method, dispatch::QuantMethod::kAsymmetric);
  EXPECT_EQ(weights[0].block, 32u);
  EXPECT_EQ(weights[1].coding.bits, 6);
  EXPECT_EQ(weights[1].block, 0u);
}

TEST_F(RecipeOnModel, HqqHoldsForEveryLayer) {
  Write(R"({"opName":"a","weight":[{"name":"a","bits":8,"asymmetric":false}]}, {"opName":"b","weight":[{"name":"b","bits":4}]})");
  options_.quantize.request = {.asymmetric = true, .hqq = true};
  const auto weights = MustConvert().plan.weights;
  EXPECT_EQ(weights[0].coding.method, dispatch::QuantMethod::kHqq);
  EXPECT_EQ(weights[0].note, "the recipe asks for symmetric weights, but --hqq makes them asymmetric");
  EXPECT_EQ(weights[1].coding.method, dispatch::QuantMethod::kHqq);
  EXPECT_TRUE(weights[1].note.empty());
  EXPECT_EQ(weights[2].storage, Storage::kFloat32);
}

TEST_F(RecipeOnModel, IsMadeWhereMissingAndGivesTheSameFile) {
  for (const char* name : {"made.json", "made.bin"}) {
    options_.quantize.recipe_path = folder_ / name;
    options_.quantize.request = {.bits = 4, .asymmetric = true, .block = 32};
    options_.quantize.block_policy = dispatch::BlockPolicy::kAdjust;
    const ConvertResult first = MustConvert();
    ASSERT_EQ(first.notes.size(), 1u);
    EXPECT_NE(first.notes[0].find("created"), std::string::npos);
    const std::string bytes = testing::ReadFile(folder_ / "out.mnn"), content = testing::ReadFile(folder_ / name);
    const Recipe recipe = MustParse(content, name);
    const auto& layers = recipe.pipeline.algo[0].quant_params->layer;
    ASSERT_EQ(layers.size(), 3u);
    EXPECT_EQ(layers[0].weight[0].block_size, 32);
    EXPECT_EQ(layers[1].conv->kernel_size, std::vector<int32_t>({3, 3}));
    EXPECT_EQ(layers[2].weight[0].block_size, -1);  // 20 channels: what was chosen, not what was asked for
    EXPECT_EQ(recipe.pipeline.for_guide, true);

    options_.quantize.request = {};
    const ConvertResult second = MustConvert();
    EXPECT_TRUE(second.notes.empty());
    EXPECT_EQ(testing::ReadFile(folder_ / "out.mnn"), bytes);
    EXPECT_EQ(testing::ReadFile(folder_ / name), content);
  }
}

TEST_F(RecipeOnModel, WithoutBitsIsMadeOfZeros) {
  MustConvert();
  const Recipe recipe = MustParse(testing::ReadFile(folder_ / "r.json"));
  for (const auto& layer : recipe.pipeline.algo[0].quant_params->layer) EXPECT_EQ(layer.weight[0].bits, 0);
}

TEST_F(RecipeOnModel, EntriesWithoutEffectAreReported) {
  Write(R"({"opName":"a","weight":[{"name":"a","bits":4}]},
{"opName":"zebra","weight":[{"name":"z","bits":4}]},
{"opName":"a","weight":[{"name":"a","bits":8}]},
{"weight":[{"name":"n"}]},
{"opName":"b"},
{"opName":"k","weight":[{"name":"k","bits":4}]},
{"opName":"a","subgraphName":"body","weight":[{"name":"n"},{"name":"o"}]})");
  const std::vector<std::string> notes = MustConvert().notes;
  const std::string r = options_.quantize.recipe_path, at = ": algo[0].quantParams.layer[";
  const std::vector<std::string> expected = {
      r + ":3" + at + "2]: layer 'a' has an entry already (" + r + ":1" + at + "0]); the first one counts",
      r + ":4" + at + "3]: an entry without opName matches no layer",
      r + ":5" + at + "4]: the entry has no weight, so it says nothing of layer 'b'",
      r + ":7" + at + "6]: only weight[0] counts; 1 more have no effect",
      r + ":6" + at + "5]: no layer is called 'k'",
      r + ":2" + at + "1]: no layer is called 'zebra'",
      r + ":7" + at + "6]: no layer is called 'body/a'",
  };
  EXPECT_EQ(notes, expected);
  options_.quantize.strict_recipe = true;
  EXPECT_EQ(Error(), expected[0] + "; 6 more of this kind (--strictRecipe)");
}

// A convolution that reads its weights is listed by the stock converter.
TEST_F(RecipeOnModel, EntryOfALayerWithoutWeights) {
  testing::NetBuilder builder;
  builder.AddConvolution("a", {.inputs = 64}, testing::RandomWeights(8 * 64, 1));
  builder.AddConvolution("reader", {}, {});
  builder.Write(folder_ / "in.mnn");
  Write(R"({"opName":"a","weight":[{"name":"a","bits":4}]},
{"opName":"reader","weight":[{"name":"r","bits":4}]})");
  const std::string note = options_.quantize.recipe_path +
                           ":2: algo[0].quantParams.layer[1]: layer 'reader' has no weights of its own, so that the entry has no effect";
  EXPECT_EQ(MustConvert().notes, std::vector<std::string>({note}));
  Write(R"({"opName":"reader","weight":[{"name":"r","bits":0}]})");
  EXPECT_EQ(MustConvert().notes, std::vector<std::string>());
}

// The output tensor of op `name` in the model of the fixture.
std::string OutputOf(const std::string& model, const std::string& name) {
  const auto net = testing::ReadNet(model);
  return net->tensorName[static_cast<size_t>(testing::FindOp(*net, name).outputIndexes[0])];
}

// An entry for a layer that computes with int8, with `scales` for the weights.
std::string Int8Entry(const std::string& output, const std::string& scales, const std::string& more = "") {
  return R"({"input":[{"name":"x","scales":[0.5],"zeroPoint":3,"clampMin":-120}],"output":[{"name":")" + output +
         R"(","scales":[0.25],"zeroPoint":-4,"clampMax":100}],"weight":[{"name":"w","scales":)" + scales + "}]" + more + "}";
}

TEST_F(RecipeOnModel, Int8LayersAsTheFormatWantsThem) {
  Write(Int8Entry(OutputOf(folder_ / "in.mnn", "a"), "[0.001,0.002,0.003,0.004,0.005,0.006,0.007,0]"), false);
  options_.quantize.strict_recipe = true;
  options_.quantize.request.bits = 4;
  const ConvertResult result = MustConvert();
  EXPECT_EQ(result.plan.weights[0].storage, Storage::kInt8);
  EXPECT_EQ(result.plan.weights[0].reason, "recipe");
  EXPECT_EQ(result.plan.weights[1].coding.bits, 4);
  const auto in = testing::ReadNet(folder_ / "in.mnn"), out = testing::ReadNet(folder_ / "out.mnn");
  const auto& op = testing::FindOp(*out, "a");
  const auto& conv = *op.main.AsConvolution2D();
  EXPECT_EQ(op.type, mnn::OpType::Convolution);
  EXPECT_EQ(conv.quanParameter->type, 1);
  EXPECT_EQ(conv.quanParameter->scaleIn, 0.5f);
  EXPECT_EQ(conv.quanParameter->scaleOut, 0.25f);
  EXPECT_EQ(conv.quanParameter->aMaxOrBits, 8);
  EXPECT_EQ(conv.quanParameter->alpha, std::vector<float>({0.001f, 0.002f, 0.003f, 0.004f, 0.005f, 0.006f, 0.007f, 0.0f}));
  EXPECT_EQ(conv.symmetricQuan->zeroPoint, 3);
  EXPECT_EQ(conv.symmetricQuan->outputZeroPoint, -4);
  EXPECT_EQ(conv.symmetricQuan->clampMin, -128);
  EXPECT_EQ(conv.symmetricQuan->clampMax, 100);
  ASSERT_EQ(out->extraTensorDescribe.size(), 2u);
  EXPECT_EQ(out->extraTensorDescribe[0]->index, op.inputIndexes[0]);
  EXPECT_EQ(out->extraTensorDescribe[0]->quantInfo->zero, 3);
  EXPECT_EQ(out->extraTensorDescribe[0]->quantInfo->min, -120);
  EXPECT_EQ(out->extraTensorDescribe[1]->index, op.outputIndexes[0]);
  EXPECT_EQ(out->extraTensorDescribe[1]->quantInfo->scale, 0.25f);
  EXPECT_EQ(out->extraTensorDescribe[1]->quantInfo->type, mnn::DataType::DT_INT8);

  // Payload: 2 dimensions of 16 bits, 256 table entries, one byte per weight.
  const auto& weights = testing::FindOp(*in, "a").main.AsConvolution2D()->weight;
  const auto& buffer = conv.quanParameter->buffer;
  ASSERT_EQ(buffer.size(), 6 + 256 + weights.size());
  for (size_t i = 0; i < weights.size(); ++i) {
    const float product = weights[i] * (1.0f / conv.quanParameter->alpha[i / 64]);
    const float code = i / 64 == 7 ? (weights[i] < 0 ? -128.0f : 127.0f) : std::clamp(std::round(product), -128.0f, 127.0f);
    ASSERT_EQ(static_cast<uint8_t>(buffer[262 + i]), static_cast<uint8_t>(code + 128)) << i;
  }
}

TEST_F(RecipeOnModel, OneScaleIsRepeatedAndOtherCountsAreErrors) {
  const std::string output = OutputOf(folder_ / "in.mnn", "b");
  Write(Int8Entry(output, "[0.01]"), false);
  MustConvert();
  const auto net = testing::ReadNet(folder_ / "out.mnn");
  EXPECT_EQ(testing::FindOp(*net, "b").main.AsConvolution2D()->quanParameter->alpha, std::vector<float>(8, 0.01f));
  Write(Int8Entry(output, "[0.01,0.02]"), false);
  EXPECT_NE(Error().find("layer[0].weight[0].scales: 2 found; layer 'b' has 8 output channels, so that it needs 8 or 1"), std::string::npos);
}

TEST_F(RecipeOnModel, Int8AndOtherSettings) {
  const std::string a = OutputOf(folder_ / "in.mnn", "a"), b = OutputOf(folder_ / "in.mnn", "b");
  // A guide takes the settings for weights only; a rule stands above the recipe.
  Write(Int8Entry(a, "[0.01]", R"(,"opName":"a")"), true);
  EXPECT_EQ(MustConvert().plan.weights[0].storage, Storage::kFloat32);
  Write(Int8Entry(a, "[0.01]") + "," + Int8Entry(b, "[0.01]"), false);
  options_.quantize.rules.push_back(*ParseRule("b=bits:4"));
  const ConvertResult result = MustConvert();
  EXPECT_EQ(result.plan.weights[0].storage, Storage::kInt8);
  EXPECT_EQ(result.plan.weights[1].coding.bits, 4);
  EXPECT_EQ(result.plan.weights[1].storage, Storage::kQuantized);
}

TEST_F(RecipeOnModel, WhatIsWithoutEffectInInt8EntriesIsSaid) {
  const std::string a = OutputOf(folder_ / "in.mnn", "a");
  const std::string r = options_.quantize.recipe_path, at = r + ":1: algo[0].quantParams.layer[";
  Write(R"({"input":[{"name":"x","scales":[1,2]},{"name":"z"}],"output":[{"name":")" + a +
            R"(","scales":[1]}],"weight":[{"name":"w","scales":[1],"bits":4,"asymmetric":true,"blockSize":16}],)" +
            R"("winoParams":{"version":0,"unitsAttr":[0,0,3,3,2,2]}},)" + Int8Entry(a, "[1]") + "," + Int8Entry("nothing", "[1]"),
        false);
  const std::vector<std::string> expected = {
      at + "0]: only input[0] counts; 1 more have no effect",
      at + "0]: input[0] has 2 scales; a layer that computes with int8 has one, the first",
      at + "0]: weights of a layer that computes with int8 have 8 bits; bits 4 has no effect",
      at + "0]: weights of a layer that computes with int8 are symmetric; asymmetric has no effect",
      at + "0]: a layer that computes with int8 has one scale per output channel; blockSize has no effect",
      at + "0]: winoParams has no effect without method WinogradAware",
      at + "1]: output '" + a + "' has an entry already (" + at + "0]); the first one counts",
      at + "2]: no convolution with weights makes a tensor called 'nothing'",
  };
  EXPECT_EQ(MustConvert().notes, expected);
  options_.quantize.strict_recipe = true;
  EXPECT_EQ(Error(), expected[0] + "; 7 more of this kind (--strictRecipe)");
}

// Notes of a file with these PRUNE entries, without the place in the file.
TEST_F(RecipeOnModel, PruningEntries) {
  const auto notes = [&](const std::string& entries, bool guide = false) {
    testing::WriteFile(options_.quantize.recipe_path,
                       fmt::format(R"({{"version":"1","forGuide":{},"algo":[{}]}})", guide, entries));
    std::vector<std::string> found = MustConvert().notes;
    for (std::string& note : found) note = note.substr(note.find("algo["));
    return found;
  };
  using List = std::vector<std::string>;
  const std::string filter = R"({"type":"PRUNE","pruneParams":{"type":"FILTER"}})", random = R"({"type":"PRUNE","pruneParams":{}})";
  const auto blocks = [](const std::string& list) {
    return R"({"type":"PRUNE","pruneParams":{"type":"SIMD_OC","simdOcPrunerParams":{"ocBlocks":)" + list + "}}}";
  };
  EXPECT_EQ(notes(filter), List({"algo[0]: no channels are removed for a FILTER entry: channels of zeros stay in the model"}));
  EXPECT_EQ(notes(filter, true), List({"algo[0]: a FILTER entry has no effect where forGuide is true"}));
  EXPECT_EQ(notes(random), List({"algo[0]: pruning entries have no effect without --detectSparseSpeedUp"}));
  EXPECT_EQ(notes(R"({"type":"PRUNE"})"), List({"algo[0]: a PRUNE entry without pruneParams has no effect"}));
  options_.quantize.detect_sparse = true;
  EXPECT_EQ(notes(random + "," + blocks("[4,4]")), List());
  EXPECT_EQ(notes(blocks("[4,8]")), List({"algo[0]: only the first of ocBlocks counts, for all layers: blocks of 4"}));
  EXPECT_EQ(notes(blocks("[]") + "," + blocks("[4]") + "," + blocks("[8]")),
            List({"algo[0]: a SIMD_OC entry without simdOcPrunerParams.ocBlocks has no effect",
                  "algo[2]: only the first SIMD_OC entry counts; this one has no effect"}));
}

TEST_F(RecipeOnModel, UuidGoesToModelsWithoutOne) {
  testing::WriteFile(options_.quantize.recipe_path, R"({"version":"1","mnnUuid":"from-recipe"})");
  MustConvert();
  EXPECT_EQ(testing::ReadNet(folder_ / "out.mnn")->mnn_uuid, "from-recipe");
}

TEST_F(RecipeOnModel, PathsThatCannotBe) {
  options_.quantize.recipe_path = folder_ / "out.mnn";
  EXPECT_NE(Error().find("give two paths"), std::string::npos);
  options_.quantize.recipe_path = folder_ / "missing/r.json";
  EXPECT_NE(Error().find("missing"), std::string::npos);
  options_.quantize.recipe_path = folder_ / "";
  EXPECT_FALSE(Error().empty());
  EXPECT_EQ(folder_.List(), std::vector<std::string>({"in.mnn"}));
}

TEST_F(RecipeOnModel, AnErrorLeavesNothingBehind) {
  testing::WriteFile(options_.quantize.recipe_path, "{");
  EXPECT_NE(Error().find("r.json:1: not valid JSON"), std::string::npos);
  EXPECT_EQ(folder_.List(), std::vector<std::string>({"in.mnn", "r.json"}));
}

}  // namespace
}  // namespace quantpress::graph
