#include "graph/recipe/recipe.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "graph/export/output_file.h"
#include "graph/recipe/forms.h"
#include "graph/version.h"
#include "graph/weights.h"

namespace quantpress::graph {
namespace {

using recipe::ReadState;

template <typename Params>
void CheckActivation(const std::vector<Params>& list, const recipe::LayerQuantizeParams& layer, const std::string& path, std::string_view name,
                     ReadState* state) {
  constexpr std::string_view kWhy = "a layer that computes with int8 needs input[0], output[0] and weight[0] with scales (forGuide: true makes the "
                                    "file one of settings for weights)";
  if (list.empty()) return state->Fail(layer.line, fmt::format("{}.{}", path, name), fmt::format("missing; {}", kWhy));
  const std::string scales = fmt::format("{}.{}[0].scales", path, name);
  const auto& found = list.front().scales;
  if (found.empty()) return state->Fail(list.front().line, scales, fmt::format("missing; {}", kWhy));
  if constexpr (std::is_same_v<Params, recipe::ActivationParams>) {
    if (!(found.front() > 0)) state->Fail(list.front().line, scales, "0 found; expected a number above 0, the step of an activation");
  }
}

void CheckInt8Layer(const recipe::LayerQuantizeParams& layer, const std::string& path, ReadState* state) {
  CheckActivation(layer.input, layer, path, "input", state);
  CheckActivation(layer.output, layer, path, "output", state);
  CheckActivation(layer.weight, layer, path, "weight", state);
}

// Checks that look at more than one field.
void CheckMeaning(const recipe::Pipeline& pipeline, ReadState* state) {
  const auto check_clamp = [&](const auto& params, const std::string& path) {
    if (params.clamp_min.value_or(-128) > params.clamp_max.value_or(127)) {
      state->Fail(params.line, path,
                  fmt::format("clampMin {} is above clampMax {}", params.clamp_min.value_or(-128), params.clamp_max.value_or(127)));
    }
  };
  for (size_t a = 0; a < pipeline.algo.size(); ++a) {
    const auto& algo = pipeline.algo[a];
    if (!algo.quant_params) continue;
    const bool is_prune = algo.type.value_or(recipe::kQuantize) == recipe::kPrune;
    for (size_t i = 0; i < algo.quant_params->layer.size(); ++i) {
      const auto& layer = algo.quant_params->layer[i];
      const std::string path = fmt::format("algo[{}].quantParams.layer[{}]", a, i);
      for (size_t n = 0; n < layer.input.size(); ++n) check_clamp(layer.input[n], fmt::format("{}.input[{}]", path, n));
      for (size_t n = 0; n < layer.output.size(); ++n) check_clamp(layer.output[n], fmt::format("{}.output[{}]", path, n));
      for (size_t n = 0; n < layer.weight.size(); ++n) check_clamp(layer.weight[n], fmt::format("{}.weight[{}]", path, n));
      if (!is_prune && recipe::AsksForInt8(pipeline, layer)) CheckInt8Layer(layer, path, state);
      if (layer.wino_params && layer.wino_params->units_attr.size() % 6 != 0) {
        state->Fail(layer.wino_params->line, path + ".winoParams.unitsAttr",
                    fmt::format("{} numbers found; expected groups of 6", layer.wino_params->units_attr.size()));
      }
    }
  }
}

bool IsPlainConvolution(mnn::OpType type) {
  return type == mnn::OpType::Convolution || type == mnn::OpType::ConvolutionDepthwise || type == mnn::OpType::Deconvolution ||
         type == mnn::OpType::DeconvolutionDepthwise;
}

int32_t Clipped(uint64_t value) { return static_cast<int32_t>(std::min<uint64_t>(value, INT32_MAX)); }

recipe::ConvolutionInfo InfoOf(const mnn::Convolution2DCommonT& common, uint64_t elements) {
  recipe::ConvolutionInfo info;
  const auto outputs = static_cast<uint64_t>(common.outputCount);
  const uint64_t kernel = static_cast<uint64_t>(common.kernelX) * static_cast<uint64_t>(common.kernelY);
  const uint64_t groups = common.group > 1 ? static_cast<uint64_t>(common.group) : 1;
  info.input_channel = common.inputCount > 0 ? common.inputCount
                                             : Clipped(std::max<uint64_t>(1, elements / std::max<uint64_t>(1, outputs * kernel) * groups));
  info.output_channel = common.outputCount;
  info.kernel_size = {common.kernelX, common.kernelY};
  return info;
}

recipe::LayerQuantizeParams EntryOf(const Op& op, const dispatch::WeightPlan& plan) {
  const bool quantized = dispatch::IsCoded(plan.storage);
  recipe::WeightParams weight;
  weight.name = op.name;
  weight.bits = quantized ? plan.coding.bits : 0;
  weight.asymmetric = quantized && dispatch::IsAsymmetric(plan.coding.method);
  weight.block_size = plan.block > 0 ? Clipped(plan.block) : -1;
  recipe::LayerQuantizeParams layer;
  layer.op_name = op.name;
  if (!plan.subgraph.empty()) layer.subgraph_name = plan.subgraph;
  layer.conv = InfoOf(*op.main.AsConvolution2D()->common, plan.geometry.elements());
  layer.weight.push_back(std::move(weight));
  return layer;
}

}  // namespace

bool IsJsonRecipe(std::string_view path) {
  const size_t dot = path.rfind('.');
  return dot != std::string_view::npos && path.substr(dot + 1) == "json";
}

StatusOr<Recipe> ParseRecipe(std::string_view content, const std::string& path) {
  Recipe result;
  result.path = path;
  ReadState state;
  state.file = path;
  if (content.empty()) return InvalidInput("'{}' is empty; expected a compression parameter file", path);
  if (content.size() > json::kMaxTextBytes) {
    return InvalidInput("'{}' has {} bytes; a compression parameter file has at most {}", path, content.size(), json::kMaxTextBytes);
  }
  if (IsJsonRecipe(path)) {
    QP_ASSIGN_OR_RETURN(result.pipeline, recipe::ReadJson(content, &state));
  } else if (content.find_first_not_of(" \t\r\n") != std::string_view::npos &&
             content[content.find_first_not_of(" \t\r\n")] == '{') {
    return InvalidInput("'{}' holds JSON, but its name does not end in .json, so that it is read as binary protobuf; rename it", path);
  } else {
    QP_ASSIGN_OR_RETURN(result.pipeline, recipe::ReadBinary(content, &state));
  }
  CheckMeaning(result.pipeline, &state);
  QP_RETURN_IF_ERROR(state.status);
  result.notes = std::move(state.notes);
  return result;
}

uint64_t SparseBlockOf(const Recipe& recipe) {
  for (const recipe::CompressionAlgo& algo : recipe.pipeline.algo) {
    if (algo.type.value_or(recipe::kQuantize) != recipe::kPrune || !algo.prune_params) continue;
    const recipe::PruneParams& prune = *algo.prune_params;
    if (prune.type.value_or(recipe::kPruneRandom) != recipe::kPruneSimdOc || !prune.simd_oc_pruner_params) continue;
    if (const auto& blocks = prune.simd_oc_pruner_params->oc_blocks; !blocks.empty()) return static_cast<uint64_t>(blocks.front());
  }
  return 0;
}

bool AsksToRemoveFilters(const Recipe& recipe) {
  if (recipe.pipeline.for_guide.value_or(false)) return false;
  return std::any_of(recipe.pipeline.algo.begin(), recipe.pipeline.algo.end(), [](const recipe::CompressionAlgo& algo) {
    return algo.type.value_or(recipe::kQuantize) == recipe::kPrune && algo.prune_params && algo.prune_params->type == recipe::kPruneFilter;
  });
}

StatusOr<std::shared_ptr<const Recipe>> ReadRecipeIfThere(const std::string& path) {
  struct stat info {};
  if (path.empty() || (::stat(path.c_str(), &info) != 0 && errno == ENOENT)) return std::shared_ptr<const Recipe>();
  QP_ASSIGN_OR_RETURN(const Bytes file, MapFile(path));
  QP_ASSIGN_OR_RETURN(Recipe recipe, ParseRecipe({reinterpret_cast<const char*>(file.data), file.size}, path));
  return std::make_shared<const Recipe>(std::move(recipe));
}

recipe::Pipeline MakeRecipe(const Model& model, const dispatch::Plan& plan) {
  recipe::Pipeline pipeline;
  pipeline.version = kMnnVersion;
  pipeline.for_guide = true;
  recipe::CompressionAlgo algo;
  algo.type = recipe::kQuantize;
  algo.quant_params.emplace();
  algo.quant_params->round_mode = 1;
  std::set<std::pair<std::string, std::string>> seen;
  size_t next = 0;
  const auto add_graph = [&](const Graph& graph) {
    for (const Op& op : graph.ops) {
      const std::optional<WeightView> view = ViewWeight(op);
      if (!view || next >= plan.weights.size()) continue;
      const dispatch::WeightPlan& weight = plan.weights[next++];
      const bool coded = view->form == WeightForm::kCoded && weight.storage == dispatch::Storage::kAsIs;
      if (!IsPlainConvolution(op.type) || coded || view->form == WeightForm::kInt8Model || op.name.empty()) continue;
      if (!seen.emplace(graph.name, op.name).second) continue;
      algo.quant_params->layer.push_back(EntryOf(op, weight));
    }
  };
  add_graph(model.main);
  for (const Graph& graph : model.subgraphs) add_graph(graph);
  pipeline.algo.push_back(std::move(algo));
  return pipeline;
}

StatusOr<std::string> RecipeContent(const recipe::Pipeline& pipeline, const std::string& path) {
  return IsJsonRecipe(path) ? recipe::WriteJson(pipeline, path) : recipe::WriteBinary(pipeline);
}

Status CheckNewFile(const std::string& path) { return ResolveOutputPath(path).status(); }

Status CreateFile(const std::string& path, std::string_view content) {
  QP_ASSIGN_OR_RETURN(const std::string resolved, ResolveOutputPath(path));
  QP_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> file, OutputFile::Create(resolved, content.size()));
  QP_RETURN_IF_ERROR(file->Write(0, {reinterpret_cast<const uint8_t*>(content.data()), content.size()}));
  QP_RETURN_IF_ERROR(file->Sync());
  if (::link(file->temporary_path().c_str(), resolved.c_str()) == 0) return {};
  struct stat info {};
  if (errno == EEXIST || ::stat(resolved.c_str(), &info) == 0) return InvalidInput("'{}' appeared meanwhile; it stays as it is", path);
  return file->Rename();  // a file system without hard links
}

}  // namespace quantpress::graph
