#include "graph/rules/int8_requests.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "graph/weights.h"

namespace quantpress::graph {
namespace {

constexpr std::string_view kMatMul = "__matmul_converted";
constexpr std::string_view kGroup = "__group__";

dispatch::Activation ActivationOf(const recipe::ActivationParams& params) {
  dispatch::Activation activation;
  activation.scale = params.scales.front();
  activation.bits = params.bits.value_or(activation.bits);
  activation.zero_point = params.zero_point.value_or(activation.zero_point);
  activation.clamp_min = params.clamp_min.value_or(activation.clamp_min);
  activation.clamp_max = params.clamp_max.value_or(activation.clamp_max);
  return activation;
}

dispatch::Int8Layer LayerOf(const recipe::LayerQuantizeParams& entry) {
  const recipe::WeightParams& weight = entry.weight.front();
  dispatch::Int8Layer layer;
  layer.input = ActivationOf(entry.input.front());
  layer.output = ActivationOf(entry.output.front());
  layer.scales = weight.scales;
  layer.clamp_min = weight.clamp_min.value_or(layer.clamp_min);
  layer.clamp_max = weight.clamp_max.value_or(layer.clamp_max);
  layer.method = static_cast<dispatch::Int8Method>(entry.method.value_or(0));
  if (layer.method == dispatch::Int8Method::kWinogradAware && entry.wino_params)
    layer.winograd = entry.wino_params->units_attr;
  return layer;
}

template <typename Params>
std::string Surplus(std::string_view list, const std::vector<Params>& params) {
  if (params.size() <= 1) return {};
  return fmt::format("only {}[0] counts; {} more have no effect", list, params.size() - 1);
}

std::string SurplusScales(std::string_view list, const recipe::ActivationParams& params) {
  if (params.scales.size() <= 1) return {};
  return fmt::format("{}[0] has {} scales; a layer that computes with int8 has one, the first", list,
                     params.scales.size());
}

// Parts of an entry that an int8 layer has no place for.
std::vector<std::string> WithoutEffect(const recipe::LayerQuantizeParams& entry) {
  const recipe::WeightParams& weight = entry.weight.front();
  std::vector<std::string> texts = {Surplus("input", entry.input), Surplus("output", entry.output),
                                    Surplus("weight", entry.weight), SurplusScales("input", entry.input.front()),
                                    SurplusScales("output", entry.output.front())};
  if (weight.bits.value_or(8) != 8) {
    texts.push_back(
        fmt::format("weights of a layer that computes with int8 have 8 bits; bits {} has no effect", *weight.bits));
  }
  if (weight.asymmetric.value_or(false))
    texts.push_back("weights of a layer that computes with int8 are symmetric; asymmetric has no effect");
  if (weight.block_size.value_or(0) > 0) {
    texts.push_back("a layer that computes with int8 has one scale per output channel; blockSize has no effect");
  }
  if (entry.wino_params && entry.method.value_or(0) != static_cast<int>(dispatch::Int8Method::kWinogradAware)) {
    texts.push_back("winoParams has no effect without method WinogradAware");
  }
  std::erase(texts, "");
  return texts;
}

// The names by which entries may call the output of a layer, in the stock converter's way. Where a bias is fused into a
// matrix product that was made a convolution, or a convolution is cut into its groups, the stock converter calls the
// tensor otherwise than this program.
std::vector<std::string> NamesOf(const std::string& tensor, const std::string& op) {
  std::vector<std::string> names = {tensor};
  if (op.ends_with(kMatMul)) names.push_back(op);
  if (const size_t group = op.rfind(kGroup); group != std::string::npos) {
    names.push_back(op.substr(0, group) + "___output___" + op.substr(group + kGroup.size()));
  }
  for (size_t i = 0, count = names.size(); i < count; ++i) {
    if (names[i].ends_with(kMatMul)) names.push_back(names[i].substr(0, names[i].size() - kMatMul.size()));
  }
  return names;
}

}  // namespace

void Int8Requests::Add(const recipe::LayerQuantizeParams& layer, const std::string& where,
                       std::vector<std::string>* complaints) {
  for (const std::string& text : WithoutEffect(layer)) complaints->push_back(fmt::format("{}: {}", where, text));
  const std::string& output = *layer.output.front().name;
  const auto [known, is_new] = by_output_.emplace(output, entries_.size());
  if (!is_new) {
    complaints->push_back(fmt::format("{}: output '{}' has an entry already ({}); the first one counts", where, output,
                                      entries_[known->second].request.where));
    return;
  }
  Entry entry;
  entry.request = {std::make_shared<const dispatch::Int8Layer>(LayerOf(layer)), where};
  entry.output = output;
  entries_.push_back(std::move(entry));
}

const Int8Request* Int8Requests::For(const Graph& graph, const Op& op) {
  if (entries_.empty() || !MayComputeWithInt8(op) || !ViewWeight(op)) return nullptr;
  const auto index = static_cast<size_t>(op.outputs.front());
  const std::string tensor = index < graph.tensors.size() ? graph.tensors[index] : "";
  size_t first = entries_.size();
  if (const auto named = by_output_.find(op.name); named != by_output_.end()) entries_[named->second].instead = tensor;
  for (const std::string& name : NamesOf(tensor, op.name)) {
    const auto found = by_output_.find(name);
    if (found != by_output_.end()) first = std::min(first, found->second);
  }
  if (first == entries_.size()) return nullptr;
  ++entries_[first].matched;
  return &entries_[first].request;
}

void Int8Requests::Finish(std::vector<std::string>* complaints) const {
  for (const Entry& entry : entries_) {
    if (entry.matched > 0) continue;
    complaints->push_back(fmt::format("{}: no convolution with weights makes a tensor called '{}'{}", entry.request.where, entry.output,
                                      entry.instead.empty() ? "" : fmt::format("; the layer of that name makes '{}'", entry.instead)));
  }
}

}  // namespace quantpress::graph
