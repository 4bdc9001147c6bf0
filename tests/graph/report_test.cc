// Statistics of a conversion, and the reports that are made from them.
#include "graph/report/report.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "dispatch/target.h"
#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

using nlohmann::json;
using testing::NetBuilder;
using testing::TempFolder;

struct Converted {
  ConvertResult result;
  std::vector<MeasuredLayer> layers;
};

Converted MustConvert(const ConvertOptions& options) {
  Converted converted;
  auto result = ConvertAndMeasure(options, {}, &converted.layers);
  EXPECT_TRUE(result.ok()) << result.status();
  if (result.ok()) converted.result = *std::move(result);
  return converted;
}

Report MustReport(const ConvertOptions& options, const ReportContext& context = {}) {
  const Converted converted = MustConvert(options);
  return MakeReport(options, converted.result, converted.layers, context);
}

// Several tasks, an odd tail, and a layer that takes no block.
void WriteModel(const std::string& path, const std::string& first = "wide") {
  NetBuilder builder;
  const testing::ConvShape wide{.outputs = 61, .inputs = 1024, .kernel = 3}, small{.outputs = 7, .inputs = 5};
  builder.AddConvolution(first, wide, testing::RandomWeights(wide.elements(), 1));
  builder.AddConvolution("small", small, testing::RandomWeights(small.elements(), 2));
  const testing::ConvShape grouped{.outputs = 8, .inputs = 8, .kernel = 1, .group = 2};
  builder.AddConvolution("grouped", grouped, testing::RandomWeights(grouped.elements(), 3));
  builder.Write(path);
}

ConvertOptions QuantizedOptions(const TempFolder& folder) {
  ConvertOptions options = testing::Options(folder / "in.mnn", folder / "out.mnn");
  options.quantize.request = {.bits = 4, .asymmetric = true, .block = 64};
  return options;
}

// Everything but the time.
auto Fixed(const MeasuredLayer& r) {
  return std::tuple(r.plan_index, r.count, r.rmse, r.sqnr_db, r.max_error, r.cosine, r.sum_squared_error, r.sum_squared_weight,
                    r.weight_min, r.weight_max, r.samples, r.weight_counts, r.decoded_counts, r.code_counts);
}

TEST(Statistics, AreTheSameForEveryThreadCountAndIsa) {
  TempFolder folder;
  WriteModel(folder / "in.mnn");
  for (const bool half : {false, true}) {
    ConvertOptions options = QuantizedOptions(folder);
    if (half) options.quantize.request = {.fp16 = true};
    const Converted expected = MustConvert(options);
    ASSERT_EQ(expected.layers.size(), 3u);
    for (const dispatch::Isa isa : dispatch::AvailableIsas()) {
      options.budget.isa = isa;
      for (const int threads : {1, 2, 7}) {
        options.budget.threads = threads;
        const Converted result = MustConvert(options);
        ASSERT_EQ(result.layers.size(), 3u);
        for (size_t i = 0; i < 3; ++i) {
          EXPECT_EQ(Fixed(result.layers[i]), Fixed(expected.layers[i])) << dispatch::IsaName(isa) << ", " << threads;
        }
      }
    }
  }
}

TEST(Statistics, AreThoseOfTheFileThatWasWritten) {
  TempFolder folder;
  WriteModel(folder / "in.mnn");
  const Converted result = MustConvert(QuantizedOptions(folder));
  const testing::ConvShape wide{.outputs = 61, .inputs = 1024, .kernel = 3};
  const std::vector<float> weights = testing::RandomWeights(wide.elements(), 1);
  const auto net = testing::ReadNet(folder / "out.mnn");
  const std::vector<float> decoded = testing::DecodeTableCoded(*testing::FindConvolution(*net, "wide").quanParameter);
  double error = 0, weight = 0, dot = 0, square = 0, worst = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double w = weights[i], q = decoded[i];
    error += (q - w) * (q - w);
    weight += w * w;
    square += q * q;
    dot += w * q;
    worst = std::max(worst, std::fabs(static_cast<double>(decoded[i] - weights[i])));
  }
  const MeasuredLayer& layer = result.layers[0];
  const auto count = static_cast<double>(weights.size());
  EXPECT_EQ(layer.count, weights.size());
  EXPECT_NEAR(layer.rmse, std::sqrt(error / count), 1e-5 * layer.rmse);
  EXPECT_NEAR(layer.sqnr_db, 10 * std::log10(weight / error), 1e-4);
  EXPECT_NEAR(layer.cosine, dot / std::sqrt(weight * square), 1e-6);
  EXPECT_EQ(layer.max_error, worst);
  const auto [low, high] = std::minmax_element(weights.begin(), weights.end());
  EXPECT_EQ(layer.weight_min, *low);
  EXPECT_EQ(layer.weight_max, *high);
  for (const auto& counts : {layer.weight_counts, layer.decoded_counts, layer.code_counts}) {
    EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), uint64_t{0}), layer.samples);
  }
  EXPECT_GE(layer.samples, 16000u);
  EXPECT_LE(layer.samples, 16384u);
  EXPECT_EQ(layer.code_counts.size(), 16u);
  // All weights of a small layer are counted. The grouped one stays float: it has no errors and no codes.
  EXPECT_EQ(result.layers[1].samples, 35u);
  EXPECT_EQ(result.layers[2].rmse, 0);
  EXPECT_TRUE(std::isinf(result.layers[2].sqnr_db));
  EXPECT_TRUE(result.layers[2].code_counts.empty());
}

TEST(Statistics, HistogramFollowsTheWeights) {
  TempFolder folder;
  NetBuilder builder;
  const testing::ConvShape shape{.outputs = 16, .inputs = 256};
  std::vector<float> weights(shape.elements());
  for (size_t i = 0; i < weights.size(); ++i) weights[i] = i % 4 == 0 ? 1.0f : i % 4 == 1 ? -1.0f : 0.001f;
  builder.AddConvolution("conv", shape, weights);
  builder.Write(folder / "in.mnn");
  ConvertOptions options = QuantizedOptions(folder);
  options.quantize.request.bits = 8;
  const Converted result = MustConvert(options);
  const auto& counts = result.layers[0].weight_counts;
  ASSERT_EQ(counts.size(), 64u);
  EXPECT_EQ(counts.front() + counts[1] + counts[2], 1024u);
  EXPECT_EQ(counts.back() + counts[62] + counts[61], 1024u);
  EXPECT_EQ(counts[31] + counts[32], 2048u);
}

TEST(Statistics, NothingIsMeasuredUnlessAskedFor) {
  TempFolder folder;
  WriteModel(folder / "in.mnn");
  ConvertOptions options = QuantizedOptions(folder);
  options.statistics = false;
  EXPECT_TRUE(Convert(options)->layers.empty());
  options.statistics = true;
  const auto measured = Convert(options);
  ASSERT_EQ(measured->layers.size(), 2u);  // the grouped layer stays float
  EXPECT_GT(measured->layers[1].rmse, 0);
}

TEST(Report, ListsEveryLayerWithItsReason) {
  TempFolder folder;
  WriteModel(folder / "in.mnn");
  ConvertOptions options = QuantizedOptions(folder);
  options.budget.isa = dispatch::AvailableIsas().front();
  const Report report = MustReport(options, {1.5, 2});
  const json file = json::parse(RenderReport(report, ReportFormat::kJson));
  ASSERT_EQ(file["layers"].size(), 3u);
  EXPECT_EQ(file["layers"][0]["method"], "4 bit asymmetric, block 64");
  EXPECT_EQ(file["layers"][0]["coding"]["groups"], 61 * 16);
  EXPECT_EQ(file["layers"][2]["storage"], "float32");
  EXPECT_FALSE(file["layers"][2].contains("errors"));
  EXPECT_NE(file["layers"][2]["reason"], "");
  EXPECT_EQ(file["totals"]["layers"]["quantized"], 2);
  EXPECT_EQ(file["seconds"], 1.5);
  EXPECT_EQ(file["isa"], dispatch::IsaName(options.budget.isa));
  uint64_t after = 0;
  for (const json& layer : file["layers"]) after += layer["bytes_after"].get<uint64_t>();
  EXPECT_EQ(file["totals"]["bytes_after"], after);

  // Converted once more, all but the float layer keeps its codes.
  ConvertOptions again = testing::Options(folder / "out.mnn", folder / "again.mnn");
  const Report kept = MustReport(again);
  const json second = json::parse(RenderReport(kept, ReportFormat::kJson));
  ASSERT_EQ(second["layers"].size(), 3u);
  EXPECT_EQ(second["layers"][0]["storage"], "kept");
  EXPECT_EQ(second["layers"][0]["reason"], "already quantized");
  EXPECT_EQ(second["totals"]["rmse"], nullptr);
}

constexpr char kHostile[] = "</script><script>alert(1)</script>|`*x*`\n<img src=x onerror=alert(2)> & \xFF \xE2\x80\xAE";

TEST(Report, TextOfTheModelIsEscaped) {
  TempFolder folder;
  WriteModel(folder / "in.mnn", kHostile);
  const ConvertOptions options = QuantizedOptions(folder);
  const Report report = MustReport(options);
  const std::string html = RenderReport(report, ReportFormat::kHtml);
  EXPECT_EQ(html.find("alert(1)</script"), std::string::npos);
  EXPECT_EQ(html.find("<img"), std::string::npos);
  size_t ends = 0;
  for (size_t at = 0; (at = html.find("</script>", at)) != std::string::npos; ++at) ++ends;
  EXPECT_EQ(ends, 2u);
  // The data in the page is the report.
  constexpr std::string_view kStart = "id=\"data\">";
  const size_t begin = html.find(kStart) + kStart.size();
  const json data = json::parse(html.substr(begin, html.find("</script>", begin) - begin));
  const json file = json::parse(RenderReport(report, ReportFormat::kJson));
  EXPECT_EQ(data, file);
  const std::string name = data["layers"][0]["layer"];
  EXPECT_TRUE(name.starts_with("</script><script>alert(1)</script>|`*x*`\n<img"));
  EXPECT_NE(name.find("\uFFFD"), std::string::npos);

  const std::string markdown = RenderReport(report, ReportFormat::kMarkdown);
  EXPECT_EQ(markdown.find('<'), std::string::npos);
  size_t rows = 0;
  for (size_t at = 0; (at = markdown.find("| Convolution |", at)) != std::string::npos; ++at) ++rows;
  EXPECT_EQ(rows, 3u);
  for (const char* const word : {"\\`\\*x\\*\\`", "&#124;", "&#60;script&#62;"}) {
    EXPECT_NE(markdown.find(word), std::string::npos) << word;
  }
}

TEST(Report, NeedsNoNetwork) {
  const std::string html = RenderReport(Report(), ReportFormat::kHtml);
  EXPECT_NE(html.find("default-src 'none'"), std::string::npos);
  for (const char* word : {"https:", "src=", "href=", "@import", "url(", "innerHTML"}) {
    EXPECT_EQ(html.find(word), std::string::npos) << word;
  }
}

TEST(Report, PathsAreChecked) {
  TempFolder folder;
  testing::WriteFile(folder / "a.json", "{}");
  EXPECT_TRUE(CheckReportPath(folder / "b.HTML", {}).ok());
  EXPECT_FALSE(CheckReportPath(folder / "b.txt", {}).ok());
  EXPECT_FALSE(CheckReportPath(folder / "json", {}).ok());
  EXPECT_FALSE(CheckReportPath(folder / "none/b.md", {}).ok());
  EXPECT_FALSE(CheckReportPath(folder / "a.json", {folder / "a.json"}).ok());
  EXPECT_TRUE(WriteReport(Report(), folder / "a.json").ok());
  EXPECT_EQ(json::parse(testing::ReadFile(folder / "a.json"))["report"], 1);
  EXPECT_EQ(folder.List(), std::vector<std::string>{"a.json"});
}

}  // namespace
}  // namespace quantpress::graph
