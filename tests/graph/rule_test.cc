// Rules: patterns, settings, and what goes before what.
#include "graph/rules/rule.h"

#include <gtest/gtest.h>

#include "graph/rules/pattern.h"
#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

using dispatch::QuantMethod;
using dispatch::Storage;
using testing::NetBuilder;
using testing::TempFolder;

bool Matches(std::string_view pattern, std::string_view name) {
  const auto compiled = Pattern::Compile(pattern);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  return compiled.ok() && compiled->Matches(name);
}

TEST(Pattern, MatchesTheWholeName) {
  EXPECT_TRUE(Matches("conv", "conv"));
  EXPECT_FALSE(Matches("conv", "conv1"));
  EXPECT_FALSE(Matches("conv", "my_conv"));
  EXPECT_TRUE(Matches("lm_head.*", "lm_head"));
  EXPECT_TRUE(Matches("lm_head.*", "lm_head__matmul_converted"));
  EXPECT_TRUE(Matches("^conv$", "conv"));
  EXPECT_TRUE(Matches("", ""));
  EXPECT_FALSE(Matches("", "a"));
  EXPECT_TRUE(Matches(".*", ""));
}

TEST(Pattern, Operators) {
  EXPECT_TRUE(Matches("a|bc|d", "bc"));
  EXPECT_FALSE(Matches("a|bc|d", "b"));
  EXPECT_TRUE(Matches("x(a|b)*y", "xabbay"));
  EXPECT_TRUE(Matches("(ab)+", "abab"));
  EXPECT_FALSE(Matches("(ab)+", ""));
  EXPECT_TRUE(Matches("ab?c", "ac"));
  EXPECT_TRUE(Matches("[a-c]+[^0-9]", "abcx"));
  EXPECT_FALSE(Matches("[a-c]+[^0-9]", "abc1"));
  EXPECT_TRUE(Matches("[]a-]+", "]a-"));
  EXPECT_TRUE(Matches("layer\\.\\d+\\.\\w+", "layer.12.q_proj"));
  EXPECT_FALSE(Matches("layer\\.1", "layerx1"));
  EXPECT_TRUE(Matches("(|a)b", "b"));
  EXPECT_TRUE(Matches("a**", "aaa"));
}

// Time grows with name times pattern, never faster: these would take for ever with backtracking.
TEST(Pattern, NoExplosion) {
  EXPECT_FALSE(Matches("(a*)*b", std::string(2000, 'a')));
  EXPECT_FALSE(Matches("(a|a)*(a|a)*(a|a)*b", std::string(2000, 'a')));
  EXPECT_FALSE(Pattern::Compile(std::string(10000, 'a')).ok());
  EXPECT_FALSE(Pattern::Compile(std::string(100, '(') + std::string(100, ')')).ok());
}

TEST(Rule, Settings) {
  const auto rule = ParseRule("a.*=bits:4,block:32,asymmetric:1,scale:16,fp16:0");
  ASSERT_TRUE(rule.ok()) << rule.status();
  EXPECT_EQ(rule->settings.bits, 4);
  EXPECT_EQ(rule->settings.block, 32);
  EXPECT_EQ(rule->settings.asymmetric, true);
  EXPECT_EQ(rule->settings.scale_bits, 16);
  EXPECT_EQ(rule->settings.fp16, false);
  EXPECT_FALSE(rule->settings.hqq.has_value());
  const auto equals = ParseRule("a=b=bits:0");  // the last '=' ends the pattern
  ASSERT_TRUE(equals.ok()) << equals.status();
  EXPECT_TRUE(equals->Matches("", "a=b", "Convolution"));
}

TEST(Rule, Choice) {
  const auto by_type = ParseRule("op:ConvolutionDepthwise=skip");
  ASSERT_TRUE(by_type.ok()) << by_type.status();
  EXPECT_TRUE(by_type->Matches("", "anything", "ConvolutionDepthwise"));
  EXPECT_FALSE(by_type->Matches("", "op:ConvolutionDepthwise", "Convolution"));
  const auto by_name = ParseRule("body/conv=bits:8");
  ASSERT_TRUE(by_name.ok());
  EXPECT_TRUE(by_name->Matches("body", "conv", "Convolution"));
  EXPECT_FALSE(by_name->Matches("", "conv", "Convolution"));
  EXPECT_TRUE(ParseRule("conv=bits:8")->Matches("body", "conv", "Convolution"));
}

class RulesOnModel : public ::testing::Test {
 protected:
  void SetUp() override {
    NetBuilder builder;
    builder.AddConvolution("body_1", {.inputs = 64}, testing::RandomWeights(8 * 64, 1));
    builder.AddConvolution("body_2", {.inputs = 64}, testing::RandomWeights(8 * 64, 2));
    builder.AddConvolution("deep", {.type = mnn::OpType::ConvolutionDepthwise, .outputs = 8, .inputs = 8, .kernel = 3, .group = 8},
                           testing::RandomWeights(8 * 9, 3));
    builder.AddConvolution("head", {.inputs = 64}, testing::RandomWeights(8 * 64, 4));
    builder.Write(folder_ / "in.mnn");
    options_ = testing::Options(folder_ / "in.mnn", folder_ / "out.mnn");
  }
  void Rules(std::initializer_list<std::string_view> rules) {
    options_.quantize.rules.clear();
    for (std::string_view text : rules) {
      auto rule = ParseRule(text);
      ASSERT_TRUE(rule.ok()) << rule.status();
      options_.quantize.rules.push_back(*std::move(rule));
    }
  }
  std::vector<dispatch::WeightPlan> Weights() {
    auto planned = PlanConversion(options_);
    EXPECT_TRUE(planned.ok()) << planned.status();
    notes_ = planned.ok() ? planned->notes : std::vector<std::string>();
    return planned.ok() ? planned->plan.weights : std::vector<dispatch::WeightPlan>(4);
  }

  TempFolder folder_;
  ConvertOptions options_;
  std::vector<std::string> notes_;
};

TEST_F(RulesOnModel, LaterRulesGoAboveEarlierOnesSettingBySetting) {
  options_.quantize.request.bits = 4;
  Rules({".*=block:32", "body_.*=bits:6", "body_2=bits:8,asymmetric:1", "op:ConvolutionDepthwise=skip"});
  const auto weights = Weights();
  EXPECT_EQ(weights[0].coding.bits, 6);
  EXPECT_EQ(weights[0].block, 32u);
  EXPECT_EQ(weights[0].reason, "rule 'body_.*=bits:6'");
  EXPECT_EQ(weights[1].coding.bits, 8);
  EXPECT_EQ(weights[1].coding.method, QuantMethod::kAsymmetric);
  EXPECT_EQ(weights[1].block, 32u);
  EXPECT_EQ(weights[2].storage, Storage::kFloat32);
  EXPECT_EQ(weights[2].reason, "rule 'op:ConvolutionDepthwise=skip'");
  EXPECT_EQ(weights[3].coding.bits, 4);
  EXPECT_TRUE(notes_.empty());
}

TEST_F(RulesOnModel, GoAboveTheRecipe) {
  options_.quantize.recipe_path = folder_ / "r.json";
  testing::WriteFile(options_.quantize.recipe_path,
                     R"({"version":"1","forGuide":true,"algo":[{"quantParams":{"layer":[
                     {"opName":"head","weight":[{"name":"h","bits":3,"blockSize":16}]}]}}]})");
  options_.quantize.request.bits = 4;
  Rules({"head=bits:8"});
  const auto weights = Weights();
  EXPECT_EQ(weights[3].coding.bits, 8);
  EXPECT_EQ(weights[3].block, 16u);
  EXPECT_EQ(weights[3].reason, "rule 'head=bits:8'");
}

TEST_F(RulesOnModel, TurnHqqOnAndOffForSingleLayers) {
  options_.quantize.request = {.bits = 4, .asymmetric = true, .hqq = true};
  Rules({"body_1=asymmetric:0", "body_2=hqq:0"});
  auto weights = Weights();
  EXPECT_EQ(weights[0].coding.method, QuantMethod::kSymmetric);
  EXPECT_EQ(weights[1].coding.method, QuantMethod::kAsymmetric);
  EXPECT_EQ(weights[3].coding.method, QuantMethod::kHqq);
  options_.quantize.request = {.bits = 4};
  Rules({"head=hqq:1"});
  weights = Weights();
  EXPECT_EQ(weights[0].coding.method, QuantMethod::kSymmetric);
  EXPECT_EQ(weights[3].coding.method, QuantMethod::kHqq);
}

TEST_F(RulesOnModel, WithoutEffectAreReported) {
  Rules({"head=bits:8", "nothing.*=bits:8", "op:Deconvolution=skip"});
  Weights();
  EXPECT_EQ(notes_, std::vector<std::string>({"rule 'nothing.*=bits:8' matches no layer", "rule 'op:Deconvolution=skip' matches no layer"}));
  options_.quantize.strict_recipe = true;
  const auto planned = PlanConversion(options_);
  ASSERT_FALSE(planned.ok());
  EXPECT_EQ(Message(planned.status()), "rule 'nothing.*=bits:8' matches no layer; 1 more of this kind (--strictRecipe)");
}

}  // namespace
}  // namespace quantpress::graph
