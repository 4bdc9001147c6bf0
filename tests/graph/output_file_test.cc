#include "graph/export/output_file.h"

#include <cstdio>

#include "gtest/gtest.h"
#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

std::unique_ptr<OutputFile> Create(const std::string& path, std::string_view content) {
  auto file = OutputFile::Create(path, content.size());
  EXPECT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE((*file)->Write(0, {reinterpret_cast<const uint8_t*>(content.data()), content.size()}).ok());
  return std::move(*file);
}

TEST(OutputFile, KnowsWhetherAFileIsReplaced) {
  testing::TempFolder folder;
  const auto model = Create(folder / "a.mnn", "model"), weights = Create(folder / "a.mnn.weight", "weights");
  EXPECT_FALSE(ReplacesFile(*model, nullptr));
  EXPECT_FALSE(ReplacesFile(*model, weights.get()));
  testing::WriteFile(folder / "a.mnn.weight", "old");
  EXPECT_FALSE(ReplacesFile(*model, nullptr));
  EXPECT_TRUE(ReplacesFile(*model, weights.get()));
  std::remove((folder / "a.mnn.weight").c_str());
  testing::WriteFile(folder / "a.mnn", "old");
  EXPECT_TRUE(ReplacesFile(*model, nullptr));
  EXPECT_TRUE(ReplacesFile(*model, weights.get()));
}

// New and replaced, alone and as a pair; pieces that are given to the disk early too.
TEST(OutputFile, Commits) {
  testing::TempFolder folder;
  for (const std::string& content : {std::string("first"), std::string(3 << 20, 'x'), std::string("third")}) {
    for (const bool pair : {false, true}) {
      const auto model = Create(folder / "m.mnn", content);
      const auto weights = pair ? Create(folder / "m.mnn.weight", content + content) : nullptr;
      ASSERT_TRUE(SyncForCommit(*model, weights.get()).ok());
      ASSERT_TRUE(Commit(model.get(), weights.get()).ok());
      EXPECT_EQ(testing::ReadFile(folder / "m.mnn"), content);
      if (pair) {
        EXPECT_EQ(testing::ReadFile(folder / "m.mnn.weight"), content + content);
      }
    }
  }
  EXPECT_EQ(folder.List(), (std::vector<std::string>{"m.mnn", "m.mnn.weight"}));
}

}  // namespace
}  // namespace quantpress::graph
