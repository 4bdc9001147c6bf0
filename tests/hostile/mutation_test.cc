// Thousands of damaged files per format: none may crash, hang or leave an output behind after an error. Run it under
// the sanitizers (scripts/test does).
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "graph/convert.h"
#include "graph/model_json/model_json.h"
#include "graph/plan_io/plan_file.h"
#include "tests/graph/mnn_fixture.h"
#include "tests/hostile/mutator.h"

namespace quantpress::graph {
namespace {

namespace fs = std::filesystem;

constexpr int kMutations = 2000;
constexpr auto kSlowest = std::chrono::seconds(20);  // a guard against hangs, generous under sanitizers

using testing::ReadFile;
using testing::WriteFile;

class Mutation : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("quantpress-mutation-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  ConvertOptions Options(SourceFormat format, const fs::path& source) const {
    ConvertOptions options;
    options.import.format = format;
    options.import.model_path = source.string();
    options.output.output_path = (folder_ / "out.mnn").string();
    options.budget.threads = 1;
    options.budget.memory_bytes = 64 << 20;
    options.quantize.request.bits = 4;
    options.quantize.request.asymmetric = true;
    options.quantize.request.hqq = true;
    options.quantize.request.block = 32;
    return options;
  }

  // Converts `count` damaged versions of `file`. `requantize`: every second time coded weights are decoded and quantized again.
  void Run(SourceFormat format, const std::string& file, const std::string& suffix, uint64_t first_seed, int count,
           bool requantize = false) {
    ASSERT_FALSE(file.empty());
    const fs::path source = folder_ / ("model" + suffix);
    int accepted = 0;
    for (int i = 0; i < count; ++i) {
      const uint64_t seed = first_seed + static_cast<uint64_t>(i);
      SCOPED_TRACE("seed " + std::to_string(seed));
      WriteFile(source, quantpress::testing::Mutator(seed).Mutate(file));
      const auto begin = std::chrono::steady_clock::now();
      ConvertOptions options = Options(format, source);
      options.quantize.requantize = requantize && i % 2 == 0;
      const auto result = Convert(options);
      EXPECT_LT(std::chrono::steady_clock::now() - begin, kSlowest);
      const bool left = fs::exists(folder_ / "out.mnn");
      EXPECT_EQ(left, result.ok()) << (result.ok() ? "" : Message(result.status()));
      EXPECT_TRUE(result.ok() || !Message(result.status()).empty());
      accepted += result.ok();
      fs::remove(folder_ / "out.mnn");
      for (const auto& entry : fs::directory_iterator(folder_)) {
        EXPECT_EQ(entry.path(), source) << "left behind";
      }
      if (HasFailure()) return;
    }
    RecordProperty("accepted", accepted);
  }

  fs::path folder_;
};

std::string DigitsOnnx() { return ReadFile(fs::path(QUANTPRESS_TEST_DATA) / "digits.onnx"); }

TEST_F(Mutation, Onnx) { Run(SourceFormat::kOnnx, DigitsOnnx(), ".onnx", 1, kMutations); }

TEST_F(Mutation, Mnn) {
  const fs::path source = folder_ / "digits.onnx";
  WriteFile(source, DigitsOnnx());
  ConvertOptions options = Options(SourceFormat::kOnnx, source);
  for (int bits : {0, 4}) {
    options.quantize.request.bits = bits;
    const auto made = Convert(options);
    ASSERT_TRUE(made.ok()) << Message(made.status());
    const std::string model = ReadFile(folder_ / "out.mnn");
    fs::remove(folder_ / "out.mnn");
    fs::remove(source);
    Run(SourceFormat::kMnn, model, ".mnn", 100000 + static_cast<uint64_t>(bits) * 10000, kMutations / 2);
    fs::remove(folder_ / "model.mnn");
    WriteFile(source, DigitsOnnx());
  }
}

// Convolutions of three types with many zeros, as they are in a file that is made with `options`.
std::string SparseModel(ConvertOptions options, const fs::path& source) {
  testing::NetBuilder builder;
  for (const auto type : {mnn::OpType::Convolution, mnn::OpType::ConvolutionDepthwise, mnn::OpType::Deconvolution}) {
    const testing::ConvShape shape{.type = type, .outputs = 32, .inputs = 32, .kernel = 3};
    std::vector<float> weights = testing::RandomWeights(shape.elements(), 5);
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = i * 2654435761u % 100 < 90 ? 0.0f : weights[i];
    builder.AddConvolution(mnn::EnumNameOpType(type), shape, std::move(weights));
  }
  builder.Write(source);
  options.quantize.detect_sparse = true;
  const auto made = Convert(options);
  EXPECT_TRUE(made.ok()) << Message(made.status());
  std::string model = ReadFile(options.output.output_path);
  fs::remove(options.output.output_path);
  fs::remove(source);
  return model;
}

// Lists of floats (type 0 with positions) and of codes (type 2).
TEST_F(Mutation, SparseMnn) {
  const fs::path source = folder_ / "whole.mnn";
  for (const int bits : {0, 3, 8}) {
    ConvertOptions options = Options(SourceFormat::kMnn, source);
    options.quantize.request = {.bits = bits, .asymmetric = bits == 3, .block = bits == 8 ? 16 : -1};
    const std::string model = SparseModel(options, source);
    const auto net = mnn::UnPackNet(model.data());
    int lists = 0;
    for (const auto& op : net->oplists) {
      const mnn::Convolution2DT* conv = op->main.AsConvolution2D();
      lists += conv != nullptr && conv->quanParameter != nullptr && conv->quanParameter->type == (bits == 0 ? 0 : 2);
    }
    EXPECT_GE(lists, 2);
    Run(SourceFormat::kMnn, model, ".mnn", 400000 + static_cast<uint64_t>(bits) * 10000, kMutations / 2, true);
  }
}

// Damaged plans of a model that is there.
TEST_F(Mutation, Plans) {
  const fs::path source = folder_ / "whole.mnn", out = folder_ / "out.mnn";
  for (const int bits : {0, 4}) {
    ConvertOptions options = Options(SourceFormat::kMnn, source);
    options.quantize.request = {.bits = bits};
    WriteFile(source, SparseModel(options, source));
    options.quantize.requantize = options.quantize.detect_sparse = true;
    const auto planned = PlanConversion(options);
    ASSERT_TRUE(planned.ok()) << Message(planned.status());
    const auto text = PlanText(planned->options, planned->plan);
    ASSERT_TRUE(text.ok()) << Message(text.status());
    int accepted = 0;
    for (uint64_t seed = 500000; seed < 500000 + kMutations && !HasFailure(); ++seed) {
      SCOPED_TRACE("seed " + std::to_string(seed));
      auto damaged = ParsePlan(quantpress::testing::Mutator(seed).Mutate(*text), "plan.json");
      if (!damaged.ok()) continue;
      damaged->import.model_path = source.string();
      damaged->import.format = SourceFormat::kMnn;
      damaged->output.output_path = out.string();
      damaged->budget = options.budget;
      const auto result = Convert(*damaged);
      EXPECT_EQ(fs::exists(out), result.ok());
      EXPECT_TRUE(result.ok() || !Message(result.status()).empty());
      accepted += result.ok();
      fs::remove(out);
    }
    EXPECT_GT(accepted, 0);
  }
}

// The whole of a small model as JSON: read as a source, and restored as it is.
TEST_F(Mutation, Json) {
  const fs::path source = folder_ / "digits.onnx";
  WriteFile(source, DigitsOnnx());
  // Few bits: the text is short, and more of the damage hits its structure.
  ConvertOptions options = Options(SourceFormat::kOnnx, source);
  options.quantize.request.bits = 2;
  options.quantize.request.hqq = false;
  options.quantize.request.block = -1;
  const auto made = Convert(options);
  ASSERT_TRUE(made.ok()) << Message(made.status());
  ASSERT_TRUE(WriteModelJson((folder_ / "out.mnn").string(), (folder_ / "model.json").string()).ok());
  const std::string text = ReadFile(folder_ / "model.json");
  fs::remove(folder_ / "out.mnn");
  fs::remove(source);
  Run(SourceFormat::kJson, text, ".json", 200000, kMutations);

  const fs::path json = folder_ / "model.json", out = folder_ / "out.mnn", again = folder_ / "again.json";
  for (uint64_t seed = 300000; seed < 300000 + kMutations && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    WriteFile(json, quantpress::testing::Mutator(seed).Mutate(text));
    const auto restored = RestoreModel(json.string(), out.string(), {.threads = 1, .memory_bytes = 64 << 20});
    EXPECT_EQ(fs::exists(out), restored.ok());
    EXPECT_TRUE(restored.ok() || !Message(restored.status()).empty());
    if (restored.ok()) {
      // What was accepted is a model that can be dumped and restored without change.
      ASSERT_TRUE(WriteModelJson(out.string(), again.string()).ok());
      const std::string bytes = ReadFile(out);
      const auto back = RestoreModel(again.string(), out.string(), {.threads = 1, .memory_bytes = 64 << 20});
      ASSERT_TRUE(back.ok()) << Message(back.status());
      EXPECT_EQ(ReadFile(out), bytes);
      fs::remove(again);
    }
    fs::remove(out);
  }
}

// Arbitrary bytes under every format, detection included.
TEST_F(Mutation, Noise) {
  quantpress::testing::Mutator random(7);
  const fs::path source = folder_ / "noise";
  for (int i = 0; i < 300; ++i) {
    std::string bytes(random.Next() % 2048, '\0');
    for (char& c : bytes) c = static_cast<char>(random.Next());
    WriteFile(source, bytes);
    for (SourceFormat format : {SourceFormat::kAuto, SourceFormat::kOnnx, SourceFormat::kMnn, SourceFormat::kJson}) {
      EXPECT_FALSE(Convert(Options(format, source)).ok()) << i;
      EXPECT_FALSE(fs::exists(folder_ / "out.mnn"));
    }
  }
}

}  // namespace
}  // namespace quantpress::graph
