// A committed set of wrong recipes, plans, rules and manifests (tests/data/malformed): each must give its own clear error.
//
// A case of a file:
//   --- NAME              then the content, line by line
//   === MESSAGE           the whole error
// NAME ends in .bin: the content is hexadecimal. NAME starts with "edit": each line, FROM => TO, changes the first FROM of base.json; after
// a line "after TEXT", the first behind TEXT.
#include <gtest/gtest.h>

#include <map>
#include <sstream>

#include "graph/batch/manifest.h"
#include "graph/plan_io/plan_file.h"
#include "graph/recipe/recipe.h"
#include "graph/rules/rule.h"
#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

const std::string kFolder = std::string(QUANTPRESS_TEST_DATA) + "/malformed/";

struct Case {
  std::string name, content, message;
};

std::vector<Case> ReadCases(const std::string& file) {
  std::vector<Case> cases;
  std::istringstream in(testing::ReadFile(kFolder + file));
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("--- ")) {
      cases.push_back({line.substr(4), "", ""});
      inside = true;
    } else if (line.starts_with("=== ")) {
      cases.back().message = line.substr(4);
      inside = false;
    } else if (inside) {
      cases.back().content += (cases.back().content.empty() ? "" : "\n") + line;
    }
  }
  return cases;
}

std::string FromHex(const std::string& text) {
  std::string out, digits;
  for (char c : text) {
    if (c == ' ' || c == '\n') continue;
    digits += c;
    if (digits.size() == 2) {
      out += static_cast<char>(std::stoi(digits, nullptr, 16));
      digits.clear();
    }
  }
  return out;
}

std::string Edited(std::string text, const std::string& changes) {
  std::istringstream in(changes);
  size_t begin = 0;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("after ")) {
      begin = text.find(line.substr(6));
      EXPECT_NE(begin, std::string::npos) << line;
      continue;
    }
    const size_t arrow = line.find(" => ");
    const size_t at = arrow == std::string::npos ? arrow : text.find(line.substr(0, arrow), begin);
    EXPECT_NE(at, std::string::npos) << line;
    if (at != std::string::npos) text.replace(at, arrow, line.substr(arrow + 4));
  }
  return text;
}

template <typename Read>
void Check(const std::string& file, size_t at_least, Read read) {
  const std::vector<Case> cases = ReadCases(file);
  EXPECT_GE(cases.size(), at_least);
  std::map<std::string, std::string> seen;
  for (const Case& one : cases) {
    const Status status = read(one);
    EXPECT_FALSE(status.ok()) << file << ", " << one.name << ": accepted";
    EXPECT_EQ(Message(status), one.message) << file << ", " << one.name;
    const auto [known, is_new] = seen.emplace(one.message, one.name);
    EXPECT_TRUE(is_new) << file << ": " << one.name << " and " << known->second << " have the same message";
  }
}

TEST(Malformed, Recipes) {
  Check("recipes.txt", 60, [](const Case& one) {
    const bool hex = one.name.ends_with(".bin");
    return ParseRecipe(hex ? FromHex(one.content) : one.content, one.name).status();
  });
}

TEST(Malformed, Rules) {
  Check("rules.txt", 30, [](const Case& one) { return ParseRule(one.content).status(); });
}

TEST(Malformed, Plans) {
  const std::string base = testing::ReadFile(kFolder + "base.json");
  const auto good = ParsePlan(base, "base.json");
  EXPECT_TRUE(good.ok()) << good.status();
  Check("plans.txt", 100, [&](const Case& one) {
    return ParsePlan(one.name.starts_with("edit") ? Edited(base, one.content) : one.content, "plan.json").status();
  });
}

TEST(Malformed, Manifests) {
  Check("manifests.txt", 40, [](const Case& one) { return ParseManifest(one.content, one.name).status(); });
}

}  // namespace
}  // namespace quantpress::graph
