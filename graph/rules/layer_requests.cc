#include "graph/rules/layer_requests.h"

#include <algorithm>

#include "graph/json/json_tree.h"

namespace quantpress::graph {
namespace {

// The types whose weights a recipe speaks of.
bool IsRecipeType(mnn::OpType type) {
  switch (type) {
    case mnn::OpType::Convolution:
    case mnn::OpType::ConvolutionDepthwise:
    case mnn::OpType::Deconvolution:
    case mnn::OpType::DeconvolutionDepthwise:
    case mnn::OpType::ConvInt8:
    case mnn::OpType::DepthwiseConvInt8: return true;
    default: return false;
  }
}

std::string At(const Recipe& recipe, int line, std::string_view field, std::string_view text) {
  return Message(json::ErrorAt(recipe.path, line, field, text));
}

std::string WhereOf(const Recipe& recipe, const recipe::LayerQuantizeParams& layer, const std::string& field) {
  return fmt::format("{}: {}", layer.line > 0 ? fmt::format("{}:{}", recipe.path, layer.line) : recipe.path, field);
}

}  // namespace

LayerRequests::LayerRequests(const QuantizeOptions& options) : options_(options), rule_matches_(options.rules.size(), 0) {
  if (options.recipe != nullptr) AddRecipe(*options.recipe);
}

// Only the block of the first SIMD_OC entry has an effect, and only where zeros are counted.
void LayerRequests::AddPruning(const Recipe& recipe, const recipe::CompressionAlgo& algo, const std::string& field) {
  const auto complain = [&](std::string_view text) { complaints_.push_back(At(recipe, algo.line, field, text)); };
  if (!algo.prune_params) return complain("a PRUNE entry without pruneParams has no effect");
  const recipe::PruneParams& prune = *algo.prune_params;
  const int32_t type = prune.type.value_or(recipe::kPruneRandom);
  if (type == recipe::kPruneFilter) {
    if (recipe.pipeline.for_guide.value_or(false)) return complain("a FILTER entry has no effect where forGuide is true");
    return complain("no channels are removed for a FILTER entry: channels of zeros stay in the model");
  }
  if (!options_.detect_sparse) return complain("pruning entries have no effect without --detectSparseSpeedUp");
  if (type != recipe::kPruneSimdOc) return;
  if (!prune.simd_oc_pruner_params || prune.simd_oc_pruner_params->oc_blocks.empty()) {
    return complain("a SIMD_OC entry without simdOcPrunerParams.ocBlocks has no effect");
  }
  const auto& blocks = prune.simd_oc_pruner_params->oc_blocks;
  if (found_block_) return complain("only the first SIMD_OC entry counts; this one has no effect");
  found_block_ = true;
  if (std::any_of(blocks.begin(), blocks.end(), [&](int32_t block) { return block != blocks.front(); })) {
    complain(fmt::format("only the first of ocBlocks counts, for all layers: blocks of {}", blocks.front()));
  }
}

void LayerRequests::AddRecipe(const Recipe& recipe) {
  complaints_ = recipe.notes;
  bool found = false;
  for (size_t a = 0; a < recipe.pipeline.algo.size(); ++a) {
    const recipe::CompressionAlgo& algo = recipe.pipeline.algo[a];
    const std::string field = fmt::format("algo[{}]", a);
    if (algo.type.value_or(recipe::kQuantize) == recipe::kPrune) {
      AddPruning(recipe, algo, field);
      continue;
    }
    if (!algo.quant_params) {
      complaints_.push_back(At(recipe, algo.line, field, "a QUANTIZE entry without quantParams has no effect"));
      continue;
    }
    const auto& layers = algo.quant_params->layer;
    bool any_int8 = false;
    for (size_t i = 0; i < layers.size(); ++i) {
      const std::string layer = fmt::format("{}.quantParams.layer[{}]", field, i);
      const bool int8 = recipe::AsksForInt8(recipe.pipeline, layers[i]);
      any_int8 |= int8;
      if (int8) int8_.Add(layers[i], WhereOf(recipe, layers[i], layer), &complaints_);
      if (!found) AddEntry(recipe, layers[i], layer, int8);
    }
    if (found && !any_int8) {
      complaints_.push_back(At(recipe, algo.line, field, "only the first QUANTIZE entry counts; this one has no effect"));
    }
    found = true;
  }
}

void LayerRequests::AddEntry(const Recipe& recipe, const recipe::LayerQuantizeParams& layer, const std::string& field, bool int8) {
  if (!layer.op_name || layer.op_name->empty()) {
    if (int8) return;
    complaints_.push_back(At(recipe, layer.line, field, "an entry without opName matches no layer"));
    return;
  }
  const std::string subgraph = layer.subgraph_name.value_or("");
  Entry entry;
  entry.where = WhereOf(recipe, layer, field);
  entry.int8 = int8;
  if (layer.weight.empty()) {
    complaints_.push_back(fmt::format("{}: the entry has no weight, so it says nothing of layer '{}'", entry.where, *layer.op_name));
  } else {
    const recipe::WeightParams& weight = layer.weight.front();
    entry.settings.bits = weight.bits;
    entry.settings.asymmetric = weight.asymmetric;
    if (weight.block_size) entry.settings.block = *weight.block_size > 0 ? *weight.block_size : -1;
    if (layer.weight.size() > 1 && !int8) {
      complaints_.push_back(fmt::format("{}: only weight[0] counts; {} more have no effect", entry.where, layer.weight.size() - 1));
    }
  }
  const auto [known, is_new] = entries_.emplace(std::pair(subgraph, *layer.op_name), entry);
  if (!is_new && !int8) {
    complaints_.push_back(fmt::format("{}: layer '{}' has an entry already ({}); the first one counts", entry.where,
                                      dispatch::FullName(subgraph, *layer.op_name), known->second.where));
  }
}

LayerRequests::Answer LayerRequests::For(const Graph& graph, const Op& op, bool has_weights) {
  const std::string& subgraph = graph.name;
  Answer answer;
  answer.request = options_.request;
  const auto entry = entries_.find({subgraph, op.name});
  if (entry != entries_.end() && IsRecipeType(op.type)) {
    const Settings& settings = entry->second.settings;
    const bool hqq = answer.request.hqq;
    ++entry->second.matched;
    entry->second.has_weights |= has_weights;
    settings.ApplyTo(&answer.request);
    if (settings.bits || settings.asymmetric || settings.block) answer.asked_by = "recipe";
    if (hqq && answer.request.bits > 0 && !settings.asymmetric.value_or(true)) {
      answer.note = "the recipe asks for symmetric weights, but --hqq makes them asymmetric";
    }
    answer.request.hqq = hqq;
    answer.request.asymmetric |= hqq;
  }
  answer.int8 = int8_.For(graph, op);
  if (answer.int8 != nullptr) answer.asked_by = "recipe";
  for (size_t i = 0; i < options_.rules.size(); ++i) {
    const Rule& rule = options_.rules[i];
    if (!rule.Matches(subgraph, op.name, mnn::EnumNameOpType(op.type))) continue;
    ++rule_matches_[i];
    rule.settings.ApplyTo(&answer.request);
    if (rule.settings.asymmetric) answer.note.clear();
    if (rule.settings.bits || rule.settings.fp16) answer.int8 = nullptr;
    answer.asked_by = fmt::format("rule '{}'", rule.text);
  }
  return answer;
}

StatusOr<std::vector<std::string>> LayerRequests::Finish() const {
  std::vector<std::string> all = complaints_;
  for (const auto& [key, entry] : entries_) {
    const std::string name = dispatch::FullName(key.first, key.second);
    if (entry.matched == 0 && !entry.int8) all.push_back(fmt::format("{}: no layer is called '{}'", entry.where, name));
    if (entry.matched > 0 && !entry.has_weights && !entry.int8 && entry.settings.bits.value_or(0) > 0) {
      all.push_back(fmt::format("{}: layer '{}' has no weights of its own, so that the entry has no effect", entry.where, name));
    }
    if (entry.matched > 1) all.push_back(fmt::format("{}: {} layers are called '{}'", entry.where, entry.matched, name));
  }
  int8_.Finish(&all);
  for (size_t i = 0; i < options_.rules.size(); ++i) {
    if (rule_matches_[i] == 0) all.push_back(fmt::format("rule '{}' matches no layer", options_.rules[i].text));
  }
  if (options_.strict_recipe && !all.empty()) {
    return InvalidInput("{}{} (--strictRecipe)", all.front(),
                        all.size() > 1 ? fmt::format("; {} more of this kind", all.size() - 1) : "");
  }
  return all;
}

}  // namespace quantpress::graph
