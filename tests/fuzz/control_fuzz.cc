// Arbitrary bytes as a recipe or a manifest in both forms, a plan and a rule: the first byte chooses.
#include "graph/batch/manifest.h"
#include "graph/plan_io/plan_file.h"
#include "graph/recipe/recipe.h"
#include "graph/rules/rule.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace quantpress::graph;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
    case 1: {
      const auto recipe = ParseRecipe(text, data[0] % 6 == 0 ? "r.json" : "r.bin");
      if (recipe.ok()) (void)RecipeContent(recipe->pipeline, "r.bin");
      break;
    }
    case 2: {
      const auto options = ParsePlan(text, "plan.json");
      if (options.ok()) (void)PlanText(*options, *options->quantize.plan);
      break;
    }
    case 3:
    case 4: (void)ParseManifest(text, data[0] % 6 == 3 ? "m.json" : "m.csv"); break;
    default: {
      const auto rule = ParseRule(text);
      if (rule.ok()) (void)rule->Matches("body", "layers.12.mlp.up_proj__matmul_converted", "Convolution");
    }
  }
  return 0;
}
