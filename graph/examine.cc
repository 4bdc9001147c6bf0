#include "graph/examine.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "graph/import/mnn/coded_weight.h"
#include "graph/weight_summary.h"

namespace quantpress::graph {
namespace {

using dispatch::FullName;

constexpr size_t kChunk = 16384;
constexpr size_t kMostNames = 5;

// One weight tensor of an imported model.
struct Found {
  WeightSummary summary;
  const Op* op = nullptr;
  WeightView view;
};

StatusOr<Model> Import(const std::string& path) {
  ImportOptions options;
  options.model_path = path;
  return ImportModel(options);
}

std::vector<Found> FindWeights(const Model& model) {
  std::vector<Found> found;
  const auto add = [&](const Graph& graph) {
    for (const Op& op : graph.ops) {
      if (std::optional<WeightView> view = ViewAnyWeight(op)) found.push_back({SummarizeWeight(graph, op, *view), &op, *std::move(view)});
    }
  };
  add(model.main);
  for (const Graph& graph : model.subgraphs) add(graph);
  return found;
}

// Codes of an op that computes with int8, where they stand alone. Its scales are those of weights, input and output in one.
const Bulk* CodesOf(const Found& weight) {
  return weight.view.form == WeightForm::kInt8Model ? weight.op->FindBulk(BulkField::kInt8Weight) : nullptr;
}

StatusOr<TensorSourcePtr> Dense(const Bulk& bulk, ElementType type) {
  if (const auto* source = std::get_if<TensorSourcePtr>(&bulk.data)) return *source;
  const auto& bytes = std::get<Bytes>(bulk.data);
  return DenseSource(bytes, type, bytes.size * 8 / static_cast<uint64_t>(ElementBits(type)));
}

StatusOr<TensorSourcePtr> ValuesOf(const Found& weight) {
  if (weight.view.source != nullptr) return weight.view.source;
  if (const Bulk* codes = CodesOf(weight)) return Dense(*codes, ElementType::kInt8);
  if (weight.summary.coding == "float32") return Dense(*weight.op->FindBulk(BulkField::kWeight), ElementType::kFloat32);
  return DecodeWeight(*weight.op);
}

// Calls `visit` with the values, piece by piece.
template <typename Visitor>
void Visit(const TensorSource& source, const Visitor& visit) {
  std::vector<float> values(kChunk);
  for (uint64_t begin = 0; begin < source.count(); begin += kChunk) {
    const std::span<float> piece(values.data(), static_cast<size_t>(std::min<uint64_t>(kChunk, source.count() - begin)));
    source.ReadFloats(begin, piece);
    visit(begin, piece);
  }
}

void Measure(const TensorSource& source, WeightStatistics* statistics) {
  double sum = 0, squares = 0;
  uint64_t finite = 0;
  Visit(source, [&](uint64_t, std::span<const float> values) {
    for (const float value : values) {
      if (!std::isfinite(value)) continue;
      if (finite == 0 || value < statistics->smallest) statistics->smallest = value;
      if (finite == 0 || value > statistics->largest) statistics->largest = value;
      ++finite;
      statistics->zeros += value == 0 ? 1 : 0;
      sum += value;
      squares += static_cast<double>(value) * value;
    }
  });
  statistics->count = source.count();
  statistics->not_finite = source.count() - finite;
  if (finite == 0) return;
  const auto count = static_cast<double>(finite);
  statistics->mean = sum / count;
  statistics->rms = std::sqrt(squares / count);
  // The second pass: distances from the mean (their squares are exact enough then), and the bins.
  const double low = statistics->smallest, width = statistics->largest - low;
  statistics->histogram.assign(width > 0 ? kExamineBins : 1, 0);
  double distances = 0;
  Visit(source, [&](uint64_t, std::span<const float> values) {
    for (const float value : values) {
      if (!std::isfinite(value)) continue;
      const double distance = value - statistics->mean;
      distances += distance * distance;
      const auto bin = width > 0 ? static_cast<size_t>((value - low) / width * kExamineBins) : size_t{0};
      ++statistics->histogram[std::min(bin, statistics->histogram.size() - 1)];
    }
  });
  statistics->deviation = std::sqrt(distances / count);
}

Status NoSuchLayer(const std::string& path, const std::string& layer, const std::vector<Found>& weights) {
  if (weights.empty()) return InvalidInput("'{}' has no layers with weights", path);
  std::string names;
  size_t shown = 0;
  for (const Found& weight : weights) {
    if (FullName(weight.summary).find(layer) == std::string::npos) continue;
    if (++shown <= kMostNames) names += fmt::format("{}'{}'", shown > 1 ? ", " : "", FullName(weight.summary));
  }
  if (shown > kMostNames) names += fmt::format(" and {} more", shown - kMostNames);
  if (shown > 0) return InvalidInput("'{}' has no layer '{}' with weights; names with that text: {}", path, layer, names);
  return InvalidInput("'{}' has no layer '{}' with weights; `quantpress inspect` lists them, such as '{}'", path, layer, FullName(weights[0].summary));
}

void Compare(const TensorSource& first, const TensorSource& second, LayerDiff* diff) {
  double error = 0, weight = 0, other = 0, dot = 0;
  std::vector<float> decoded(kChunk);
  Visit(first, [&](uint64_t begin, std::span<const float> values) {
    second.ReadFloats(begin, {decoded.data(), values.size()});
    for (size_t i = 0; i < values.size(); ++i) {
      const double a = values[i], b = decoded[i], difference = b - a;
      if (a == b || (std::isnan(a) && std::isnan(b))) {
        if (std::isfinite(a)) weight += a * a, other += a * a, dot += a * a;
        continue;
      }
      ++diff->different;
      error += difference * difference;
      weight += a * a;
      other += b * b;
      dot += a * b;
      if (!(std::fabs(difference) <= diff->max_error)) diff->max_error = std::fabs(difference);
    }
  });
  diff->rmse = first.count() > 0 ? std::sqrt(error / static_cast<double>(first.count())) : 0;
  diff->sqnr_db = diff->different > 0 ? 10 * std::log10(weight / error) : std::numeric_limits<double>::infinity();
  const double norm = std::sqrt(weight) * std::sqrt(other);
  diff->cosine = diff->different == 0 ? 1 : norm > 0 ? std::clamp(dot / norm, -1.0, 1.0) : 0;
}

LayerDiff Pair(const Found& first, const Found& second) {
  LayerDiff diff;
  diff.first = first.summary;
  diff.second = second.summary;
  const StatusOr<TensorSourcePtr> a = ValuesOf(first), b = ValuesOf(second);
  const bool first_codes = CodesOf(first) != nullptr;
  diff.codes = first_codes && CodesOf(second) != nullptr;
  if (first_codes != (CodesOf(second) != nullptr)) {
    diff.state = DiffState::kNotReadable;
    diff.problem = fmt::format("the {} file has codes without a scale of their own", first_codes ? "first" : "second");
  } else if (!a.ok() || !b.ok()) {
    diff.state = DiffState::kNotReadable;
    diff.problem = Message(a.ok() ? b.status() : a.status());
  } else if ((*a)->count() != (*b)->count()) {
    diff.state = DiffState::kOtherSize;
    diff.first.elements = (*a)->count();
    diff.second.elements = (*b)->count();
  } else {
    Compare(**a, **b, &diff);
  }
  return diff;
}

}  // namespace

StatusOr<std::vector<WeightStatistics>> ExamineWeights(const std::string& path, const std::string& layer) {
  QP_ASSIGN_OR_RETURN(const Model model, Import(path));
  const std::vector<Found> weights = FindWeights(model);
  std::vector<WeightStatistics> all;
  for (const Found& weight : weights) {
    if (weight.summary.layer != layer && FullName(weight.summary) != layer) continue;
    QP_ASSIGN_OR_RETURN(const TensorSourcePtr values, ValuesOf(weight));
    WeightStatistics statistics;
    statistics.summary = weight.summary;
    statistics.codes = CodesOf(weight) != nullptr;
    Measure(*values, &statistics);
    all.push_back(std::move(statistics));
  }
  if (all.empty()) return NoSuchLayer(path, layer, weights);
  return all;
}

StatusOr<std::vector<LayerDiff>> DiffWeights(const std::string& first, const std::string& second) {
  QP_ASSIGN_OR_RETURN(const Model first_model, Import(first));
  QP_ASSIGN_OR_RETURN(const Model second_model, Import(second));
  const std::vector<Found> firsts = FindWeights(first_model), seconds = FindWeights(second_model);
  std::map<std::string, std::vector<size_t>> by_name;  // places in `seconds`, last first
  for (size_t i = seconds.size(); i-- > 0;) by_name[FullName(seconds[i].summary)].push_back(i);
  std::vector<LayerDiff> diffs;
  std::vector<bool> used(seconds.size(), false);
  for (const Found& weight : firsts) {
    const auto same = by_name.find(FullName(weight.summary));
    if (same == by_name.end() || same->second.empty()) {
      LayerDiff diff;
      diff.state = DiffState::kOnlyFirst;
      diff.first = weight.summary;
      diffs.push_back(std::move(diff));
      continue;
    }
    const size_t place = same->second.back();
    same->second.pop_back();
    used[place] = true;
    diffs.push_back(Pair(weight, seconds[place]));
  }
  for (size_t i = 0; i < seconds.size(); ++i) {
    if (used[i]) continue;
    LayerDiff diff;
    diff.state = DiffState::kOnlySecond;
    diff.second = seconds[i].summary;
    diffs.push_back(std::move(diff));
  }
  return diffs;
}

}  // namespace quantpress::graph
