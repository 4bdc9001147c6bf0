// Saved plans: the same bytes as the conversion that they were made for, and an error for every other model.
#include "graph/plan_io/plan_file.h"

#include <gtest/gtest.h>

#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

using testing::NetBuilder;
using testing::TempFolder;

// `text` with the first `from` replaced.
std::string Replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

class PlanFile : public ::testing::Test {
 protected:
  void SetUp() override {
    NetBuilder builder;
    builder.AddConvolution("a", {.inputs = 64}, testing::RandomWeights(8 * 64, 1));
    builder.AddConvolution("b", {.inputs = 96, .kernel = 3}, testing::RandomWeights(8 * 96 * 9, 2));
    builder.AddConvolution("c", {.inputs = 20}, testing::RandomWeights(8 * 20, 3));
    builder.AddConvolution("g", {.outputs = 8, .inputs = 8, .kernel = 3, .group = 2}, testing::RandomWeights(8 * 4 * 9, 5));
    builder.AddConstant("k", {300}, testing::RandomWeights(300, 4));
    builder.Write(folder_ / "in.mnn");
    options_ = testing::Options(folder_ / "in.mnn", folder_ / "out.mnn");
  }
  std::string Plan(const ConvertOptions& options) {
    auto planned = PlanConversion(options);
    EXPECT_TRUE(planned.ok()) << planned.status();
    if (!planned.ok()) return {};
    auto text = PlanText(planned->options, planned->plan);
    EXPECT_TRUE(text.ok()) << text.status();
    return text.ok() ? *std::move(text) : std::string();
  }
  StatusOr<ConvertResult> Run(const std::string& text, const std::string& output) {
    QP_ASSIGN_OR_RETURN(ConvertOptions options, ParsePlan(text, "plan.json"));
    options.output.output_path = folder_ / output;
    return Convert(options);
  }
  std::string Error(const std::string& text) {
    const auto result = Run(text, "never.mnn");
    EXPECT_FALSE(result.ok());
    return Message(result.status());
  }
  void ExpectSameBytes(const ConvertOptions& options) {
    const std::string text = Plan(options);
    const auto direct = Convert(options);
    ASSERT_TRUE(direct.ok()) << direct.status();
    const auto planned = Run(text, "planned.mnn");
    ASSERT_TRUE(planned.ok()) << planned.status();
    EXPECT_EQ(testing::ReadFile(folder_ / "planned.mnn"), testing::ReadFile(options.output.output_path));
    for (size_t i = 0; i < direct->plan.weights.size(); ++i) {
      EXPECT_EQ(planned->plan.weights[i].reason, direct->plan.weights[i].reason);
      EXPECT_EQ(planned->plan.weights[i].bytes_after, direct->plan.weights[i].bytes_after);
    }
    // A plan that was read says the same when it is written again.
    auto again = ParsePlan(text, "plan.json");
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(Plan(*again), text);
  }

  TempFolder folder_;
  ConvertOptions options_;
};

TEST_F(PlanFile, GivesTheSameBytes) {
  ExpectSameBytes(options_);
  options_.quantize.request = {.bits = 4, .asymmetric = true, .hqq = true, .block = 32, .scale_bits = 16, .fp16 = true};
  options_.output.biz_code = "shop";
  options_.import.align_denormals = false;
  ExpectSameBytes(options_);
  options_.quantize.request = {.bits = 3, .block = 64};
  options_.quantize.block_policy = dispatch::BlockPolicy::kAdjust;
  options_.output.save_external_data = true;
  ExpectSameBytes(options_);
}

TEST_F(PlanFile, GivesTheSameBytesFromQuantizedAndHalfSources) {
  ConvertOptions first = options_;
  first.output.output_path = folder_ / "eight.mnn";
  first.quantize.request = {.bits = 8, .fp16 = true};
  ASSERT_TRUE(Convert(first).ok());
  options_.import.model_path = folder_ / "eight.mnn";
  ExpectSameBytes(options_);
  options_.quantize.request = {.bits = 4, .asymmetric = true};
  ExpectSameBytes(options_);
  options_.quantize.requantize = true;
  ExpectSameBytes(options_);
}

TEST_F(PlanFile, HoldsRecipeAndRules) {
  options_.quantize.recipe_path = folder_ / "r.json";
  testing::WriteFile(options_.quantize.recipe_path,
                     R"({"version":"1","forGuide":true,"mnnUuid":"u-1","algo":[{"quantParams":{"layer":[
                     {"opName":"a","weight":[{"name":"a","bits":3,"blockSize":16}]}]}}]})");
  options_.quantize.request.bits = 8;
  options_.quantize.rules.push_back(*ParseRule("c=skip"));
  ExpectSameBytes(options_);
  EXPECT_EQ(testing::ReadNet(folder_ / "planned.mnn")->mnn_uuid, "u-1");
}

TEST_F(PlanFile, ChangedByHand) {
  options_.quantize.request.bits = 8;
  const std::string text = Plan(options_);
  const auto result = Run(Replaced(text, "\"bits\": 8", "\"bits\": 5"), "five.mnn");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(testing::FindConvolution(*testing::ReadNet(folder_ / "five.mnn"), "a").quanParameter->aMaxOrBits, 5);
  EXPECT_LT(result->plan.weights[0].bytes_after, result->plan.weights[0].bytes_before / 4);

  EXPECT_EQ(Error(Replaced(text, "\"block\": 0", "\"block\": 48")),
            "layer 'a': block 48 does not divide 64 input channels; sizes that fit: 16, 32, 64. Choose another block size, or "
            "--blockPolicy channel or adjust");
  EXPECT_NE(Error(Replaced(text, "\"layer\": \"a\"", "\"layer\": \"z\"")).find("plan: 'z' found where the model has layer 'a'"),
            std::string::npos);
  EXPECT_NE(Error(Replaced(text, "\"rows\": 8", "\"rows\": 9")).find("8 x 64 x 1 weights in the model, 9 x 64 x 1 in the plan"),
            std::string::npos);
  EXPECT_NE(Error(Replaced(text, "\"op_type\": \"Convolution\"", "\"op_type\": \"Deconvolution\"")).find("it is a Convolution in"),
            std::string::npos);
  EXPECT_NE(Error(Replaced(text, "\"source_codes\": false", "\"source_codes\": true")).find("no codes that could be kept"),
            std::string::npos);
  EXPECT_NE(Error(Replaced(text, "\"storage\": \"float32\"", "\"storage\": \"as is\"")).find("cannot be stored as \"as is\""),
            std::string::npos);
}

TEST_F(PlanFile, OfAnotherModel) {
  const std::string text = Plan(options_);
  NetBuilder builder;
  builder.AddConvolution("a", {.inputs = 64}, testing::RandomWeights(8 * 64, 1));
  builder.Write(folder_ / "in.mnn");
  EXPECT_NE(Error(text).find("layer 'b': the model has no such layer; the plan belongs to another model"), std::string::npos);
  builder.AddConvolution("x", {.inputs = 64}, testing::RandomWeights(8 * 64, 1));
  builder.Write(folder_ / "in.mnn");
  EXPECT_NE(Error(text).find("plan: 'b' found where the model has layer 'x'"), std::string::npos);
  EXPECT_EQ(folder_.List(), std::vector<std::string>({"in.mnn"}));
}

}  // namespace
}  // namespace quantpress::graph
