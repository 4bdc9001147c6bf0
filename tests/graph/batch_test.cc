// Batches: lists of models, parts of them, the ledger, and running them.
#include "graph/batch/run_batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "graph/ir/content_hash.h"
#include "graph/batch/csv.h"
#include "graph/batch/manifest.h"
#include "graph/batch/shard.h"
#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

using testing::NetBuilder;
using testing::TempFolder;
using Words = std::vector<std::string>;

TEST(ContentHash, KnownValues) {
  EXPECT_EQ(ContentHash(""), "99aa06d3014798d86001c324468d497f");
  EXPECT_EQ(ContentHash("a"), "a96faf705af16834e6c632b61e964e1f");
  EXPECT_EQ(ContentHash("abc"), "06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(ContentHash("Nobody inspects the spammish repetition"), "a32c6f55b80b5f449f1a957522431b91");
  EXPECT_EQ(ContentHash(std::string(1000, 'x')), "50a1af5a5f2dcf01c0a4877b962cba82");
}

TEST(Csv, FieldsAndQuotes) {
  const auto records = ParseCsv("\xEF\xBB\xBF" "a,b\r\n\"x,\"\"y\"\"\nz\",\n\n,\"\"\nlast,1", "t.csv");
  ASSERT_TRUE(records.ok()) << records.status();
  ASSERT_EQ(records->size(), 4u);
  EXPECT_EQ((*records)[0].fields, Words({"a", "b"}));
  EXPECT_EQ((*records)[1].fields, Words({"x,\"y\"\nz", ""}));
  EXPECT_EQ((*records)[2].fields, Words({"", ""}));
  EXPECT_EQ((*records)[2].line, 5);
  EXPECT_EQ((*records)[3].fields, Words({"last", "1"}));
}

TEST(Manifest, WordsAsInAShell) {
  EXPECT_EQ(*SplitWords("  --a 1\t'b c' \"d \\\" e\" f\\ g h''i "), Words({"--a", "1", "b c", "d \" e", "f g", "hi"}));
  EXPECT_EQ(*SplitWords("''"), Words({""}));
  EXPECT_TRUE(SplitWords("")->empty());
}

TEST(Manifest, JsonAndCsvSayTheSame) {
  const auto json = ParseManifest(R"([{"source": "a.onnx", "output": "a.mnn", "options": {"weightQuantBits": 4, "hqq": true, "rule": ["x=skip", "y=bits:8"]}},
    {"source": "b.onnx", "options": ["--fp16"]}, {"source": "c.mnn", "options": "--rule 'z z=skip'"}])", "m.json");
  ASSERT_TRUE(json.ok()) << json.status();
  const auto csv = ParseManifest("options,source,output\n--weightQuantBits=4 --hqq=1 --rule=x=skip --rule=y=bits:8,a.onnx,a.mnn\n--fp16,b.onnx,\n"
                                 "--rule 'z z=skip',c.mnn,\n", "m.csv");
  ASSERT_TRUE(csv.ok()) << csv.status();
  ASSERT_EQ(json->size(), 3u);
  ASSERT_EQ(csv->size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ((*json)[i].source, (*csv)[i].source);
    EXPECT_EQ((*json)[i].output, (*csv)[i].output);
    EXPECT_EQ((*json)[i].options, (*csv)[i].options);
  }
  EXPECT_EQ((*json)[1].where, "m.json:2: [1]");
  EXPECT_EQ((*csv)[1].where, "m.csv:3");
}

TEST(Shard, PartsCoverEveryJobOnceAndAreBalanced) {
  std::vector<uint64_t> sizes;
  for (uint64_t i = 0; i < 100; ++i) sizes.push_back(i * i % 997);
  for (const size_t shards : {1, 2, 3, 7, 100, 150}) {
    std::multiset<size_t> seen;
    uint64_t least = UINT64_MAX, most = 0;
    for (size_t i = 0; i < shards; ++i) {
      uint64_t load = 0;
      for (const size_t job : JobsOfShard(sizes, i, shards)) {
        seen.insert(job);
        load += sizes[job];
      }
      least = std::min(least, load);
      most = std::max(most, load);
    }
    EXPECT_EQ(seen.size(), sizes.size());
    EXPECT_EQ(std::set<size_t>(seen.begin(), seen.end()).size(), sizes.size());
    EXPECT_LE(most - least, 1000u);
  }
  EXPECT_EQ(JobsOfShard(std::vector<uint64_t>(4, 0), 0, 2), std::vector<size_t>({0, 2}));  // sizes not known: by number
}

class Batches : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 6; ++i) {
      NetBuilder builder;
      builder.AddConvolution("a", {.outputs = 16, .inputs = 64, .kernel = 3}, testing::RandomWeights(16 * 64 * 9, static_cast<uint32_t>(i)));
      const std::string n = std::to_string(i);
      builder.Write(folder_ / ("in" + n + ".mnn"));
      BatchJob job;
      job.options = testing::Options(folder_ / ("in" + n + ".mnn"), folder_ / ("out/" + n + ".mnn"));
      job.options.quantize.request.bits = 2 + i;
      job.settings = "bits " + n;
      job.size = 100 + static_cast<uint64_t>(i);
      jobs_.push_back(job);
    }
    setup_.budget = {2, 64 << 20};
  }
  std::vector<JobResult> Run(bool resume, const std::string& shard = "") {
    auto ledger = Ledger::Open(folder_ / ("ledger" + shard), folder_ / "ledger", resume);
    EXPECT_TRUE(ledger.ok()) << ledger.status();
    setup_.ledger = ledger->get();
    setup_.resume = resume;
    return RunBatch(jobs_, setup_);
  }
  std::string States(const std::vector<JobResult>& results) {
    std::string text;
    for (const JobResult& result : results) text += "C=F-"[static_cast<size_t>(result.state)];
    return text;
  }

  TempFolder folder_;
  std::vector<BatchJob> jobs_;
  BatchSetup setup_;
};

TEST_F(Batches, GiveTheBytesOfSingleConversions) {
  for (const uint64_t large : {uint64_t{0}, uint64_t{103}, uint64_t{1} << 40}) {
    setup_.large_bytes = large;
    for (const int threads : {1, 3, 16}) {
      setup_.budget.threads = threads;
      EXPECT_EQ(States(RunBatch(jobs_, setup_)), "CCCCCC");
      for (size_t i = 0; i < jobs_.size(); ++i) {
        ConvertOptions single = jobs_[i].options;
        single.output.output_path = folder_ / "single.mnn";
        ASSERT_TRUE(Convert(single).ok());
        EXPECT_EQ(testing::ReadFile(folder_ / "single.mnn"), testing::ReadFile(jobs_[i].options.output.output_path));
      }
    }
  }
}

TEST_F(Batches, GoOnAfterFailures) {
  testing::WriteFile(jobs_[1].options.import.model_path, "no model");
  jobs_[4].options.import.model_path = folder_ / "missing.mnn";
  std::vector<size_t> order;
  BatchHooks hooks;
  uint64_t progress = 0;
  hooks.on_result = [&](size_t job, const JobResult& result) {
    order.push_back(job);
    EXPECT_EQ(result.status.ok(), job != 1 && job != 4);
  };
  hooks.on_progress = [&](uint64_t done, uint64_t) { progress = std::max(progress, done); };
  setup_.budget.threads = 1;
  const auto results = RunBatch(jobs_, setup_, hooks);
  EXPECT_EQ(States(results), "CFCCFC");
  EXPECT_EQ(order, std::vector<size_t>({5, 4, 3, 2, 1, 0}));  // big ones first
  EXPECT_EQ(progress, 615u);
  EXPECT_NE(Message(results[4].status).find("missing.mnn"), std::string::npos);
}

TEST_F(Batches, ResumeSkipsWhatIsCompleteAndUnchanged) {
  EXPECT_EQ(States(Run(false)), "CCCCCC");
  EXPECT_EQ(States(Run(true)), "======");
  NetBuilder builder;  // another source
  builder.AddConvolution("a", {.inputs = 64}, testing::RandomWeights(8 * 64, 9));
  builder.Write(jobs_[0].options.import.model_path);
  jobs_[1].settings = "other options";
  testing::WriteFile(jobs_[2].options.output.output_path, "damaged");
  ::remove(jobs_[3].options.output.output_path.c_str());
  EXPECT_EQ(States(Run(true)), "CCCC==");
  EXPECT_EQ(States(Run(true)), "======");
  EXPECT_EQ(States(Run(false)), "CCCCCC");
}

TEST_F(Batches, ResumeKnowsWeightFilesAndMadeRecipes) {
  jobs_.resize(1);
  jobs_[0].options.output.save_external_data = true;
  jobs_[0].options.quantize.recipe_path = folder_ / "r.json";
  EXPECT_EQ(States(Run(false)), "C");
  EXPECT_EQ(States(Run(true)), "=");
  ::remove((jobs_[0].options.output.output_path + ".weight").c_str());
  EXPECT_EQ(States(Run(true)), "C");
  EXPECT_EQ(States(Run(true)), "=");
  std::string recipe = testing::ReadFile(folder_ / "r.json");
  recipe.replace(recipe.find("\"bits\": 2"), 9, "\"bits\": 4");
  testing::WriteFile(folder_ / "r.json", recipe);
  EXPECT_EQ(States(Run(true)), "C");
  EXPECT_EQ(States(Run(true)), "=");
}

TEST_F(Batches, ReportsAreWrittenAndMissedByResume) {
  for (BatchJob& job : jobs_) job.reports = {job.options.output.output_path + ".json", folder_ / ("pages/" + job.settings.substr(5) + ".html")};
  for (const JobResult& result : Run(false)) EXPECT_EQ(result.state, JobState::kConverted) << result.status;
  EXPECT_NE(testing::ReadFile(folder_ / "out/3.mnn.json").find("\"sqnr_db\""), std::string::npos);
  for (const JobResult& result : Run(true)) EXPECT_EQ(result.state, JobState::kComplete);
  std::filesystem::remove(folder_ / "pages/2.html");
  const std::vector<JobResult> results = Run(true);
  for (size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i].state, i == 2 ? JobState::kConverted : JobState::kComplete);
  jobs_[1].reports = {jobs_[1].options.import.model_path + ".txt"};
  EXPECT_EQ(Run(false)[1].state, JobState::kFailed);
}

TEST_F(Batches, LedgersSurviveDamage) {
  EXPECT_EQ(States(Run(false)), "CCCCCC");
  const std::string whole = testing::ReadFile(folder_ / "ledger");
  EXPECT_EQ(std::count(whole.begin(), whole.end(), '\n'), 7);
  for (size_t cut = 0; cut < whole.size(); cut += 97) {  // as a killed process may leave it
    testing::WriteFile(folder_ / "ledger", whole.substr(0, cut));
    const std::string states = States(Run(true));
    // Lines that are whole count, also the last one without its line feed.
    const auto lines = std::count(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(cut), '\n');
    const auto known = std::count(states.begin(), states.end(), '=');
    EXPECT_TRUE(known == std::max<std::ptrdiff_t>(lines, 1) - 1 || known == lines) << cut;
    EXPECT_EQ(States(Run(true)), "======") << cut;
  }
  testing::WriteFile(folder_ / "ledger", "my diary, not to be lost\n");
  EXPECT_FALSE(Ledger::Open(folder_ / "ledger", folder_ / "ledger", false).ok());
  EXPECT_EQ(testing::ReadFile(folder_ / "ledger"), "my diary, not to be lost\n");
}

TEST_F(Batches, LedgersOfShardsAreReadTogether) {
  const std::vector<BatchJob> all = jobs_;
  jobs_ = {all[0], all[2], all[4]};
  EXPECT_EQ(States(Run(false, ".1-of-2")), "CCC");
  jobs_ = {all[1], all[3]};
  EXPECT_EQ(States(Run(false, ".2-of-2")), "CC");
  jobs_ = all;
  EXPECT_EQ(States(Run(true)), "=====C");
  auto first = Ledger::Open(folder_ / "ledger", folder_ / "ledger", true);
  ASSERT_TRUE(first.ok());
  const auto second = Ledger::Open(folder_ / "ledger", folder_ / "ledger", true);
  ASSERT_FALSE(second.ok());
  EXPECT_NE(Message(second.status()).find("another batch"), std::string::npos);
}

TEST_F(Batches, AModelThatNeedsMoreThanItsPartRunsAlone) {
  for (BatchJob& job : jobs_) job.options.quantize.request.bits = 4;
  // Find a budget that is enough for one model and not for half of it.
  uint64_t enough = 1 << 10;
  for (;; enough += 1 << 10) {
    ConvertOptions single = jobs_[0].options;
    single.output.output_path = folder_ / "single.mnn";
    single.budget = {1, enough};
    if (Convert(single).ok()) break;
  }
  setup_.budget = {2, enough};
  EXPECT_EQ(States(RunBatch(jobs_, setup_)), "CCCCCC");
  setup_.budget = {2, enough / 2};
  EXPECT_EQ(States(RunBatch(jobs_, setup_))[0], 'F');
}

TEST_F(Batches, LeftoversOfTheseOutputsOnlyAreRemoved) {
  EXPECT_EQ(States(RunBatch(jobs_, setup_)), "CCCCCC");
  for (const char* name : {"out/.0.mnn.quantpress-1f-0", "out/.0.mnn.weight.quantpress-1f-1", "out/.x.mnn.quantpress-1f-0", "out/0.mnn.quantpress-1"}) {
    testing::WriteFile(folder_ / name, "x");
  }
  RemoveLeftovers(jobs_);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out/.0.mnn.quantpress-1f-0"));
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out/.0.mnn.weight.quantpress-1f-1"));
  EXPECT_EQ(testing::ReadFile(folder_ / "out/.x.mnn.quantpress-1f-0"), "x");
  EXPECT_EQ(testing::ReadFile(folder_ / "out/0.mnn.quantpress-1"), "x");
}

TEST_F(Batches, Cancelled) {
  dispatch::CancellationToken token;
  BatchHooks hooks;
  hooks.cancellation = &token;
  hooks.on_result = [&](size_t, const JobResult&) { token.Cancel(); };
  setup_.budget.threads = 1;
  EXPECT_EQ(States(RunBatch(jobs_, setup_, hooks)), "-----C");
}

TEST_F(Batches, Folder) {
  EXPECT_EQ(States(RunBatch(jobs_, setup_)), "CCCCCC");
  testing::WriteFile(folder_ / ".hidden.mnn", "x");
  testing::WriteFile(folder_ / "notes.txt", "x");
  testing::WriteFile(folder_ / "a.onnx", "x");
  const auto rows = ListFolder(folder_ / "");
  ASSERT_TRUE(rows.ok()) << rows.status();
  ASSERT_EQ(rows->size(), 13u);
  EXPECT_EQ((*rows)[0].output, "a.mnn");
  EXPECT_EQ((*rows)[12].output, "out/5.mnn");
  EXPECT_FALSE(ListFolder(folder_ / "none").ok());
}

}  // namespace
}  // namespace quantpress::graph
