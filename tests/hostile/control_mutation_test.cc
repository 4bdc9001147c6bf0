// Damaged recipes, plans, rules and manifests: the readers must neither crash nor hang, and what they refuse they explain. What they accept must
// survive being written and read again. Run it under the sanitizers (scripts/test does).
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "graph/batch/manifest.h"
#include "graph/plan_io/plan_file.h"
#include "graph/recipe/recipe.h"
#include "graph/rules/rule.h"
#include "tests/hostile/mutator.h"

namespace quantpress::graph {
namespace {

constexpr int kMutations = 20000;

constexpr char kRecipe[] = R"({"version": "3.6.1", "forGuide": true, "mnnUuid": "u", "algo": [
 {"type": "QUANTIZE", "quantParams": {"roundMode": 1, "layer": [
  {"opName": "a", "weight": [{"name": "a", "bits": 4, "asymmetric": true, "blockSize": 64, "scales": [0.5, 1e-9]}],
   "conv": {"inputChannel": 64, "outputChannel": 8, "kernelSize": [3, 3]}},
  {"opName": "b", "subgraphName": "body", "input": [{"name": "x", "bits": 8, "scales": [1.5], "zeroPoint": 3}],
   "output": [{"name": "y", "scales": [2], "clampMin": -127, "clampMax": 127}], "weight": [{"name": "b", "bits": 0, "scales": [1]}],
   "method": "QAT", "winoParams": {"version": 1, "unitsAttr": [0, 0, 3, 3, 4, 4]}}]}},
 {"type": "PRUNE", "pruneParams": {"type": "SIMD_OC", "simdOcPrunerParams": {"weightTensorNames": ["w"], "pruneRatios": [0.5],
  "layerNames": ["l"], "ocBlocks": [4]}}}]})";

std::string ReadFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

// Reads damaged versions of `file`; `check` gets what was accepted.
template <typename Read, typename Check>
void RunDamaged(const std::string& file, uint64_t first_seed, Read read, Check check) {
  ASSERT_FALSE(file.empty());
  int accepted = 0;
  for (uint64_t seed = first_seed; seed < first_seed + kMutations; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::string damaged = testing::Mutator(seed).Mutate(file);
    const auto result = read(damaged);
    if (result.ok()) {
      ++accepted;
      check(*result);
    } else {
      EXPECT_FALSE(Message(result.status()).empty());
    }
    if (::testing::Test::HasFailure()) return;
  }
  ::testing::Test::RecordProperty("accepted", accepted);
}

void RunRecipe(const std::string& content, const std::string& path, uint64_t first_seed) {
  RunDamaged(content, first_seed, [&](const std::string& damaged) { return ParseRecipe(damaged, path); },
      [&](const Recipe& recipe) {
        for (const std::string other : {"r.json", "r.bin"}) {
          const auto written = RecipeContent(recipe.pipeline, other);
          if (!written.ok()) continue;  // a name that is no UTF-8
          const auto again = ParseRecipe(*written, other);
          ASSERT_TRUE(again.ok()) << again.status();
          EXPECT_EQ(RecipeContent(again->pipeline, other).value_or(""), *written);
        }
      });
}

TEST(ControlMutation, JsonRecipes) { RunRecipe(kRecipe, "r.json", 1); }

// The same file as one that asks for layers that compute with int8.
TEST(ControlMutation, Int8Recipes) {
  std::string recipe = kRecipe;
  recipe.replace(recipe.find("\"forGuide\": true"), 16, "\"forGuide\": false");
  ASSERT_TRUE(ParseRecipe(recipe, "r.json").ok());
  RunRecipe(recipe, "r.json", 200000);
}

TEST(ControlMutation, BinaryRecipes) {
  const auto recipe = ParseRecipe(kRecipe, "r.json");
  ASSERT_TRUE(recipe.ok()) << recipe.status();
  const auto binary = RecipeContent(recipe->pipeline, "r.bin");
  ASSERT_TRUE(binary.ok()) << binary.status();
  RunRecipe(*binary, "r.bin", 100000);
}

TEST(ControlMutation, Plans) {
  const std::string plan = ReadFile(std::string(QUANTPRESS_TEST_DATA) + "/malformed/base.json");
  RunDamaged(plan, 200000, [](const std::string& damaged) { return ParsePlan(damaged, "plan.json"); },
      [](const ConvertOptions& options) {
        const auto text = PlanText(options, *options.quantize.plan);
        ASSERT_TRUE(text.ok()) << text.status();
        EXPECT_TRUE(ParsePlan(*text, "again.json").ok());
      });
}

TEST(ControlMutation, Rules) {
  for (const char* rule : {"lm_head.*=bits:8,block:32,asymmetric:1,hqq:0,scale:16", "op:ConvolutionDepthwise=skip",
                           "(a|b[0-9^]+)?\\.[^x]*c+=fp16:1"}) {
    RunDamaged(rule, 300000, [](const std::string& damaged) { return ParseRule(damaged); },
        [](const Rule& accepted) {
          dispatch::WeightRequest request;
          accepted.settings.ApplyTo(&request);
          (void)accepted.Matches("body", std::string(300, 'a') + "b7.", "Convolution");
        });
  }
}

TEST(ControlMutation, Manifests) {
  const std::string json = R"([{"source": "a.onnx", "output": "a.mnn", "options": {"weightQuantBits": 4, "hqq": true, "rule": ["x=skip", "y=bits:8"]}},
    {"source": "b.onnx", "options": ["--fp16"]}, {"source": "c.mnn", "options": "--rule 'z z=skip'"}])";
  const std::string csv = "options,source,output\r\n\"--weightQuantBits 4 --rule \"\"x,y=skip\"\"\",a.onnx,a.mnn\n--rule 'z z=skip',c.mnn,\n";
  const auto check = [](const std::vector<ManifestRow>& rows) {
    EXPECT_FALSE(rows.empty());
    for (const ManifestRow& row : rows) EXPECT_FALSE(row.source.empty());
  };
  RunDamaged(json, 400000, [](const std::string& damaged) { return ParseManifest(damaged, "m.json"); }, check);
  RunDamaged(csv, 500000, [](const std::string& damaged) { return ParseManifest(damaged, "m.csv"); }, check);
}

TEST(ControlMutation, Noise) {
  testing::Mutator random(11);
  for (int i = 0; i < 3000; ++i) {
    std::string bytes(random.Next() % 300, '\0');
    for (char& c : bytes) c = static_cast<char>(random.Next());
    EXPECT_FALSE(ParseRecipe(bytes, "r.json").ok());
    (void)ParseRecipe(bytes, "r.bin");
    EXPECT_FALSE(ParsePlan(bytes, "plan.json").ok());
    (void)ParseRule(bytes);
    EXPECT_FALSE(ParseManifest(bytes, "m.json").ok());
    (void)ParseManifest(bytes, "m.csv");
  }
}

}  // namespace
}  // namespace quantpress::graph
