// --detectSparseSpeedUp: what is marked and listed, against a slow reading of the format's description.
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "graph/import/mnn/coded_weight.h"
#include "graph/import/mnn/mnn_importer.h"
#include "graph/plan_io/plan_file.h"
#include "graph/report/report.h"
#include "tests/graph/mnn_fixture.h"
#include "tests/reference/oracle.h"

namespace quantpress::graph {
namespace {

// Weights of `rows` rows with about `percent` zeros, whole blocks of rows at a time.
std::vector<float> SparseWeights(size_t rows, size_t length, int percent, size_t block, uint32_t seed) {
  std::vector<float> weights = testing::RandomWeights(rows * length, seed);
  for (size_t row = 0; row < rows; ++row) {
    for (size_t i = 0; i < length; ++i) {
      const uint32_t hash = static_cast<uint32_t>((row / block * length + i + seed) * 2654435761u) >> 8;
      if (hash % 100 < static_cast<uint32_t>(percent)) weights[row * length + i] = 0;
    }
  }
  return weights;
}

struct Mark {
  int method = 0;
  std::map<std::string, int> args;
  bool operator==(const Mark&) const = default;
};

Mark MarkOf(const mnn::Convolution2DT& conv) {
  Mark mark;
  if (conv.sparseParameter == nullptr) return {-1, {}};
  mark.method = static_cast<int>(conv.sparseParameter->method);
  for (const auto& arg : conv.sparseParameter->args) mark.args[arg->key] = arg->i;
  return mark;
}

// From the description: blocks of `block` rows at one place of the row; left-over rows are blocks of one weight.
Mark ExpectedMark(const std::vector<float>& weights, size_t rows, size_t block, int method) {
  const size_t length = weights.size() / rows;
  int covered = 0, blocks = 0;
  for (size_t row = 0; row < rows;) {
    const size_t height = row + block <= rows ? block : 1;
    for (size_t i = 0; i < length; ++i) {
      bool any = false;
      for (size_t k = 0; k < height; ++k) any |= weights[(row + k) * length + i] != 0;
      if (any) covered += static_cast<int>(height), ++blocks;
    }
    row += height;
  }
  return {method,
          {{"NNZElement", covered},
           {"blockNumber", blocks},
           {"sparseBlockKernel", 1},
           {"sparseBlockOC", static_cast<int>(block)}}};
}

// A payload of type 2, written entry by entry: the shortest one over all widths of a step.
std::vector<uint8_t> ExpectedList(const std::vector<int>& codes, const std::vector<int>& zero_of_group, int bits) {
  const size_t group_size = codes.size() / zero_of_group.size();
  const auto zero_at = [&](size_t at) { return zero_of_group[at / group_size]; };
  std::vector<uint8_t> best;
  for (int width = 2; width <= 8; ++width) {
    const size_t largest = (size_t{1} << width) - 1;
    std::vector<int> steps, values;
    size_t at = 0;
    for (size_t i = 0; i < codes.size(); ++i) {
      if (codes[i] == zero_at(i)) continue;
      while (i - at > largest) {
        at += largest;
        steps.push_back(static_cast<int>(largest));
        values.push_back(zero_at(at) + (1 << (bits - 1)));
      }
      steps.push_back(static_cast<int>(i - at));
      values.push_back(codes[i] + (1 << (bits - 1)));
      at = i;
    }
    std::vector<uint8_t> bytes = {2};
    const auto put = [&](size_t value, int count) {
      for (int i = 0; i < count; ++i) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
    };
    put(zero_of_group.size(), 2);
    put(group_size, 2);
    put(steps.size(), 4);
    put(static_cast<size_t>(width), 1);
    for (const uint8_t byte : reference::PackBits(steps, width)) bytes.push_back(byte);
    put(size_t{1} << bits, 1);
    for (int code = -(1 << (bits - 1)); code < 1 << (bits - 1); ++code) put(static_cast<size_t>(code), 1);
    for (const uint8_t byte : reference::PackBits(values, bits)) bytes.push_back(byte);
    if (best.empty() || bytes.size() < best.size()) best = bytes;
  }
  return best;
}

class SparseModel : public ::testing::Test {
 protected:
  SparseModel() { options_.quantize.detect_sparse = true; }

  void Write(size_t rows, size_t inputs, int kernel, std::vector<float> weights) {
    testing::NetBuilder builder;
    testing::ConvShape shape;
    shape.outputs = static_cast<int>(rows);
    shape.inputs = static_cast<int>(inputs);
    shape.kernel = kernel;
    builder.AddConvolution("conv", shape, std::move(weights));
    builder.Write(folder_ / "in.mnn");
  }

  void WriteBlock(int block) {
    options_.quantize.recipe_path = folder_ / "r.json";
    testing::WriteFile(options_.quantize.recipe_path,
                       fmt::format(R"({{"version":"1","algo":[{{"type":"PRUNE","pruneParams":{{"type":"SIMD_OC",)"
                                   R"("simdOcPrunerParams":{{"ocBlocks":[{}]}}}}}}]}})",
                                   block));
  }

  ConvertResult MustConvert() {
    StatusOr<ConvertResult> result = Convert(options_);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.ok() ? *std::move(result) : ConvertResult{};
  }

  mnn::Convolution2DT Converted() {
    MustConvert();
    auto net = testing::ReadNet(folder_ / "out.mnn");
    for (auto& op : net->oplists) {
      if (op->name == "conv") return std::move(*op->main.AsConvolution2D());
    }
    ADD_FAILURE() << "no layer";
    return {};
  }

  // What our own reader makes of the output.
  std::vector<float> ReadBack() {
    const StatusOr<Model> model = ImportMnn(folder_ / "out.mnn");
    EXPECT_TRUE(model.ok()) << model.status();
    for (const Op& op : model->main.ops) {
      if (op.name != "conv") continue;
      const StatusOr<TensorSourcePtr> source = DecodeWeight(op);
      EXPECT_TRUE(source.ok()) << source.status();
      std::vector<float> weights((*source)->count());
      (*source)->ReadFloats(0, weights);
      return weights;
    }
    return {};
  }

  testing::TempFolder folder_;
  ConvertOptions options_ = testing::Options(folder_ / "in.mnn", folder_ / "out.mnn");
};

TEST_F(SparseModel, FloatsAreListed) {
  for (const size_t rows : {1u, 7u, 16u}) {
    const std::vector<float> weights = SparseWeights(rows, 9 * 25, 75, 1, 3);
    Write(rows, 25, 3, weights);
    const mnn::Convolution2DT conv = Converted();
    EXPECT_EQ(MarkOf(conv), ExpectedMark(weights, rows, 1, 0));
    std::vector<float> values;
    std::vector<uint32_t> positions;
    for (size_t i = 0; i < weights.size(); ++i) {
      if (weights[i] != 0) values.push_back(weights[i]), positions.push_back(static_cast<uint32_t>(i));
    }
    ASSERT_NE(conv.quanParameter, nullptr);
    EXPECT_EQ(conv.quanParameter->type, 0);
    EXPECT_EQ(conv.quanParameter->weightSize, weights.size());
    EXPECT_EQ(conv.quanParameter->alpha, values);
    EXPECT_EQ(conv.quanParameter->index, positions);
    EXPECT_TRUE(conv.weight.empty() && conv.quanParameter->buffer.empty());
    EXPECT_EQ(ReadBack(), weights);
  }
}

TEST_F(SparseModel, AllZerosAreOneEntry) {
  const std::vector<float> weights(24, 0.0f);
  Write(4, 6, 1, weights);
  const mnn::Convolution2DT conv = Converted();
  ASSERT_NE(conv.quanParameter, nullptr);
  EXPECT_EQ(conv.quanParameter->alpha, std::vector<float>({0}));
  EXPECT_EQ(conv.quanParameter->index, std::vector<uint32_t>({0}));
  EXPECT_EQ(MarkOf(conv).args.at("NNZElement"), 0);
  EXPECT_EQ(ReadBack(), weights);
}

TEST_F(SparseModel, ListsOfCodesAreNotEmpty) {
  Write(4, 64, 1, std::vector<float>(256, 0.0f));
  options_.quantize.request.bits = 8;
  const mnn::Convolution2DT conv = Converted();
  ASSERT_NE(conv.quanParameter, nullptr);
  EXPECT_EQ(conv.quanParameter->type, 1);
  EXPECT_EQ(MarkOf(conv).args.at("blockNumber"), 0);
  EXPECT_EQ(ReadBack(), std::vector<float>(256, 0.0f));
}

// Many pieces of a layer, in any order.
TEST_F(SparseModel, ThreadsDoNotChangeBytes) {
  const std::vector<float> weights = SparseWeights(96, 96 * 9 * 9, 72, 1, 8);
  Write(96, 96, 9, weights);
  for (const int bits : {0, 4}) {
    options_.quantize.request.bits = bits;
    std::string first;
    for (const int threads : {1, 2, 7}) {
      options_.budget.threads = threads;
      MustConvert();
      const std::string bytes = testing::ReadFile(folder_ / "out.mnn");
      if (first.empty()) first = bytes;
      EXPECT_EQ(bytes, first) << threads;
    }
    if (bits == 0) {
      EXPECT_EQ(ReadBack(), weights);
    }
  }
}

TEST_F(SparseModel, Thresholds) {
  // More than so many zeros in 1000 weights.
  const std::map<int, size_t> kLimits = {{1, 600}, {2, 500}, {3, 400}, {4, 300}, {8, 300}, {16, 300}};
  for (const auto& [block, limit] : kLimits) {
    for (const size_t more : {0u, 1u}) {
      const auto height = static_cast<size_t>(block);
      std::vector<float> weights(height * 1000, 1.0f);
      for (size_t row = 0; row < height; ++row)
        std::fill_n(weights.begin() + static_cast<int64_t>(row * 1000), limit + more, 0.0f);
      Write(height, 1000, 1, weights);
      WriteBlock(block);
      const Mark expected = more == 1 ? ExpectedMark(weights, height, height, 1) : Mark{-1, {}};
      EXPECT_EQ(MarkOf(Converted()), expected) << block << " " << more;
    }
  }
}

TEST_F(SparseModel, BlocksOfTheRecipe) {
  for (const int block : {2, 3, 4, 8, 16, 20, 2147483647}) {
    for (const size_t rows : {5u, 17u}) {
      const std::vector<float> weights = SparseWeights(rows, 40, 80, static_cast<size_t>(std::min(block, 1000)), 5);
      Write(rows, 40, 1, weights);
      WriteBlock(block);
      const mnn::Convolution2DT conv = Converted();
      EXPECT_EQ(MarkOf(conv), ExpectedMark(weights, rows, static_cast<size_t>(block), 1)) << block;
      EXPECT_EQ(ReadBack(), weights);
    }
  }
}

TEST_F(SparseModel, CodesAreListed) {
  for (const int bits : {2, 3, 4, 5, 8}) {
    for (const bool asymmetric : {false, true}) {
      for (const int percent : {50, 90, 99}) {
        const size_t rows = 12, length = 64 * 4;
        const std::vector<float> weights = SparseWeights(rows, length, percent, 1, 11);
        Write(rows, 64, 2, weights);
        options_.quantize.request.bits = bits;
        options_.quantize.request.asymmetric = asymmetric;
        options_.quantize.request.block = percent == 90 ? 32 : -1;
        const mnn::Convolution2DT conv = Converted();
        const size_t groups = percent == 90 ? rows * 2 : rows;
        const auto method = asymmetric ? reference::Method::kAsymmetric : reference::Method::kSymmetric;
        const reference::Coded coded =
            reference::Quantize(method, bits, false, weights, groups, weights.size() / groups);
        std::vector<int> zeros(groups, 0);
        for (size_t g = 0; asymmetric && g < groups; ++g) {
          const float min = coded.alpha[2 * g], scale = coded.alpha[2 * g + 1];
          zeros[g] = (scale <= 1e-6f ? 0 : static_cast<int>(std::round(-min / scale))) - (1 << (bits - 1));
        }
        const std::vector<uint8_t> list = ExpectedList(coded.codes, zeros, bits);
        const size_t dense = 5 + 1 + (size_t{1} << bits) + coded.packed.size();
        ASSERT_NE(conv.quanParameter, nullptr);
        const mnn::IDSTQuanT& quan = *conv.quanParameter;
        EXPECT_EQ(quan.alpha, coded.alpha);
        EXPECT_EQ(quan.type, list.size() < dense ? 2 : 1) << bits << " " << percent;
        if (quan.type == 2) {
          EXPECT_EQ(std::vector<uint8_t>(quan.buffer.begin(), quan.buffer.end()), list) << bits << " " << percent;
          EXPECT_EQ(ReadBack(), reference::Dequantize(method, bits, false, coded, groups, weights.size() / groups));
        }
        EXPECT_EQ(MarkOf(conv), percent > 60 ? ExpectedMark(weights, rows, 1, 0) : (Mark{-1, {}}));
        EXPECT_EQ(quan.quantScale, 1.0f);
      }
    }
  }
}

TEST_F(SparseModel, WithoutTheOptionNothingIsCounted) {
  Write(8, 40, 1, SparseWeights(8, 40, 90, 1, 2));
  options_.quantize.detect_sparse = false;
  WriteBlock(4);
  const mnn::Convolution2DT conv = Converted();
  EXPECT_EQ(MarkOf(conv).method, -1);
  EXPECT_EQ(conv.quanParameter, nullptr);
}

TEST_F(SparseModel, PlanAndReportSayIt) {
  Write(8, 40, 1, std::vector<float>(320, 0.0f));
  const ConvertResult result = MustConvert();
  const dispatch::WeightPlan& plan = result.plan.weights.at(0);
  EXPECT_EQ(plan.reason, "no quantization asked; 100.0 % zeros");
  EXPECT_EQ(plan.bytes_after, 8u);
  EXPECT_EQ(MethodName(plan), "float, sparse");
}

TEST_F(SparseModel, SavedPlanGivesTheSameBytes) {
  Write(16, 64, 1, SparseWeights(16, 64, 80, 4, 4));
  WriteBlock(4);
  for (const int bits : {0, 8}) {
    options_.quantize.request.bits = bits;
    MustConvert();
    const std::string bytes = testing::ReadFile(folder_ / "out.mnn");
    const StatusOr<PlannedConversion> planned = PlanConversion(options_);
    ASSERT_TRUE(planned.ok()) << planned.status();
    const StatusOr<std::string> text = PlanText(planned->options, planned->plan);
    ASSERT_TRUE(text.ok()) << text.status();
    StatusOr<ConvertOptions> again = ParsePlan(*text, "plan.json");
    ASSERT_TRUE(again.ok()) << again.status();
    again->output.output_path = folder_ / "again.mnn";
    ASSERT_TRUE(Convert(*again).ok());
    EXPECT_EQ(testing::ReadFile(folder_ / "again.mnn"), bytes);
  }
}

TEST_F(SparseModel, SavedPlanSaysWhatIsListed) {
  const std::vector<float> weights = SparseWeights(16, 64, 80, 4, 4);
  Write(16, 64, 1, weights);
  const StatusOr<PlannedConversion> planned = PlanConversion(options_);
  ASSERT_TRUE(planned.ok()) << planned.status();
  auto plan = std::make_shared<dispatch::Plan>(planned->plan);
  EXPECT_TRUE(plan->weights.at(0).sparse.listed);
  options_.quantize.plan = plan;
  options_.quantize.detect_sparse = false;
  plan->weights[0].sparse.listed = false;  // all weights, and the mark
  const mnn::Convolution2DT conv = Converted();
  EXPECT_EQ(conv.weight, weights);
  EXPECT_EQ(MarkOf(conv), ExpectedMark(weights, 16, 1, 0));
  plan->weights[0].sparse.listed = true;
  plan->weights[0].sparse.block = 0;  // what no file can say: float32 weights are listed in marked layers only
  EXPECT_EQ(Message(Convert(options_).status()), "plan, layer 'conv': its weights cannot be stored as sparse ones");
}

TEST_F(SparseModel, QuantizedAgain) {
  const std::vector<float> weights = SparseWeights(8, 64, 70, 1, 6);
  Write(8, 64, 1, weights);
  MustConvert();  // listed floats
  ConvertOptions again = testing::Options(folder_ / "out.mnn", folder_ / "again.mnn");
  again.quantize.request.bits = 8;
  again.quantize.requantize = true;
  ASSERT_TRUE(Convert(again).ok());
  const auto net = testing::ReadNet(folder_ / "again.mnn");
  const reference::Coded coded = reference::Quantize(reference::Method::kSymmetric, 8, false, weights, 8, 64);
  EXPECT_EQ(testing::DecodeTableCoded(*testing::FindConvolution(*net, "conv").quanParameter),
            reference::Dequantize(reference::Method::kSymmetric, 8, false, coded, 8, 64));
  EXPECT_EQ(testing::FindConvolution(*net, "conv").sparseParameter, nullptr);
}

TEST_F(SparseModel, NotFinite) {
  std::vector<float> weights = SparseWeights(8, 64, 70, 1, 6);
  weights[77] = std::nanf("");
  Write(8, 64, 1, weights);
  const StatusOr<ConvertResult> result = Convert(options_);
  ASSERT_FALSE(result.ok());
  EXPECT_NE(std::string(result.status().message()).find("layer 'conv': weight 77 is NaN"), std::string::npos);
  options_.quantize.nonfinite = dispatch::NonFinitePolicy::kZero;
  weights[77] = 0;
  MustConvert();
  EXPECT_EQ(ReadBack(), weights);
}

TEST_F(SparseModel, FilterEntriesRemoveNothing) {
  std::vector<float> weights = testing::RandomWeights(8 * 10, 1);
  std::fill_n(weights.begin() + 20, 10, 0.0f);
  std::fill_n(weights.begin() + 50, 10, 0.0f);
  Write(8, 10, 1, weights);
  options_.quantize.detect_sparse = false;
  options_.quantize.recipe_path = folder_ / "r.json";
  testing::WriteFile(options_.quantize.recipe_path,
                     R"({"version":"1","algo":[{"type":"PRUNE","pruneParams":{"type":"FILTER"}}]})");
  const ConvertResult result = MustConvert();
  EXPECT_EQ(result.plan.weights.at(0).note,
            "2 of 8 output channels have only zeros for weights; they stay, though the recipe says FILTER");
  EXPECT_EQ(testing::FindConvolution(*testing::ReadNet(folder_ / "out.mnn"), "conv").weight, weights);
  ASSERT_EQ(result.notes.size(), 1u);
  EXPECT_NE(result.notes[0].find("no channels are removed for a FILTER entry"), std::string::npos);
}

}  // namespace
}  // namespace quantpress::graph
