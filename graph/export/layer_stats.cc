#include "graph/export/layer_stats.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <numeric>

namespace quantpress::graph {
namespace {

constexpr size_t kBins = 64;
// A picture of 64 bins needs no more; every weight more would be felt in the time of a conversion.
constexpr uint64_t kMaxSamples = 16384;

// What is measured of a job: the plan entry, or nothing.
std::optional<size_t> PlanIndexOf(const Job& job) {
  if (const auto* quantize = std::get_if<QuantizeJob>(&job.work)) return quantize->plan_index;
  if (const auto* half = std::get_if<HalfJob>(&job.work)) return half->plan_index;
  if (const auto* floats = std::get_if<FloatJob>(&job.work)) return floats->plan_index;
  if (const auto* list = std::get_if<ListFloatsJob>(&job.work)) return list->plan_index;
  if (const auto* list = std::get_if<ListCodesJob>(&job.work)) return list->plan_index;
  return std::nullopt;
}

// Odd, so that it meets all columns of the usual matrices.
size_t StrideFor(uint64_t elements) {
  return static_cast<size_t>((elements + kMaxSamples - 1) / kMaxSamples) | size_t{1};
}

// Spreads the counts of `bins` over equal bins between low and high, evenly within each of the old ones.
std::vector<uint64_t> EqualBins(const std::array<uint32_t, kernels::kValueBins>& bins, double low, double high) {
  const double width = (high - low) / static_cast<double>(kBins);
  if (!(width > 0)) return {std::accumulate(bins.begin(), bins.end(), uint64_t{0})};
  const double per_width = 1 / width;
  std::vector<double> shares(kBins, 0.0);
  constexpr size_t kSkip = 8;  // most bins are empty, and so are most that lie side by side
  for (size_t bin = 0; bin < bins.size(); ++bin) {
    if (bin % kSkip == 0) {
      uint32_t any = 0;
      for (size_t i = 0; i < kSkip; ++i) any |= bins[bin + i];
      if (any == 0) bin += kSkip - 1;
    }
    if (bins[bin] == 0) continue;
    const kernels::ValueRange range = kernels::RangeOfBin(bin);
    const double begin = std::clamp(range.low, low, high), end = std::clamp(range.high, low, high);
    const auto index = [&](double value) {
      return std::min(kBins - 1, static_cast<size_t>(std::max(0.0, (value - low) * per_width)));
    };
    const size_t first = index(begin), last = index(end);
    const auto count = static_cast<double>(bins[bin]);
    if (first == last) {
      shares[first] += count;
      continue;
    }
    const double density = count / (end - begin);
    for (size_t i = first; i <= last; ++i) {
      const double from = std::max(begin, low + width * static_cast<double>(i));
      const double to = i == last ? end : std::min(end, low + width * static_cast<double>(i + 1));
      shares[i] += std::max(0.0, to - from) * density;
    }
  }
  // Rounding the running sum keeps the total.
  std::vector<uint64_t> counts(kBins);
  double sum = 0;
  uint64_t before = 0;
  for (size_t i = 0; i < kBins; ++i) {
    sum += shares[i];
    const auto now = static_cast<uint64_t>(std::llround(sum));
    counts[i] = now - before;
    before = now;
  }
  return counts;
}

void SetErrors(const dispatch::ErrorStats& stats, MeasuredLayer* report) {
  const auto count = static_cast<double>(stats.count);
  report->count = stats.count;
  report->sum_squared_error = stats.sum_squared_error;
  report->sum_squared_weight = stats.sum_squared_weight;
  report->rmse = std::sqrt(stats.sum_squared_error / count);
  report->sqnr_db = stats.sum_squared_error > 0 ? 10 * std::log10(stats.sum_squared_weight / stats.sum_squared_error)
                                                : std::numeric_limits<double>::infinity();
  report->max_error = stats.max_absolute_error;
  const double norm = std::sqrt(stats.sum_squared_weight) * std::sqrt(stats.sum_squared_decoded);
  report->cosine = norm > 0 ? std::clamp(stats.dot / norm, -1.0, 1.0) : stats.sum_squared_error > 0 ? 0 : 1;
}

}  // namespace

LayerStats::LayerStats(const std::vector<FillTask>& tasks, const Lowered& lowered, const dispatch::Plan& plan)
    : layer_of_task_(tasks.size()), errors_(tasks.size()) {
  std::vector<Layer*> by_plan(plan.weights.size());
  for (size_t task = 0; task < tasks.size(); ++task) {
    const std::optional<size_t> index = PlanIndexOf(lowered.jobs[tasks[task].job]);
    if (!index || plan.weights[*index].geometry.elements() == 0) continue;
    Layer*& layer = by_plan[*index];
    if (layer == nullptr) {
      const dispatch::WeightPlan& weight = plan.weights[*index];
      layers_.push_back(std::make_unique<Layer>());
      layer = layers_.back().get();
      layer->plan_index = *index;
      layer->elements = weight.geometry.elements();
      layer->bits = dispatch::IsCoded(weight.storage) ? weight.coding.bits : 0;
      layer->decoded = weight.storage != dispatch::Storage::kFloat32;
    }
    layer_of_task_[task] = layer;
    ++layer->open;
  }
  std::sort(layers_.begin(), layers_.end(), [](const auto& a, const auto& b) { return a->plan_index < b->plan_index; });
}

std::unique_ptr<kernels::Histograms> LayerStats::Start(size_t task) {
  Layer* const layer = layer_of_task_[task];
  if (layer == nullptr) return nullptr;
  std::unique_ptr<kernels::Histograms> histograms;
  const auto take = [&](std::mutex& mutex, std::vector<std::unique_ptr<kernels::Histograms>>& from) {
    const std::lock_guard lock(mutex);
    if (from.empty()) return false;
    histograms = std::move(from.back());
    from.pop_back();
    return true;
  };
  if (take(layer->mutex, layer->counts)) return histograms;
  if (!take(idle_mutex_, idle_)) histograms = std::make_unique<kernels::Histograms>();
  histograms->stride = StrideFor(layer->elements);
  return histograms;
}

void LayerStats::Finish(size_t task, Measure measure, double seconds) {
  Layer& layer = *layer_of_task_[task];
  errors_[task] = measure.errors;
  const std::lock_guard lock(layer.mutex);
  layer.finite &= measure.finite;
  layer.seconds += seconds;
  if (measure.errors.count > 0) {
    // Adding 0 makes -0 to 0: which of the two a search finds depends on the instruction set.
    const double smallest = measure.errors.smallest + 0.0f, largest = measure.errors.largest + 0.0f;
    layer.smallest = layer.has_range ? std::min(layer.smallest, smallest) : smallest;
    layer.largest = layer.has_range ? std::max(layer.largest, largest) : largest;
    layer.has_range = true;
  }
  layer.counts.push_back(std::move(measure.histograms));
  if (--layer.open == 0) Close(&layer);
}

void LayerStats::Close(Layer* layer) {
  kernels::Histograms& counts = *layer->counts.front();
  for (size_t i = 1; i < layer->counts.size(); ++i) counts.Merge(*layer->counts[i]);
  MeasuredLayer& report = layer->report;
  report.weight_min = layer->smallest;
  report.weight_max = layer->largest;
  report.samples = std::accumulate(counts.weights.begin(), counts.weights.end(), uint64_t{0});
  report.weight_counts = EqualBins(counts.weights, layer->smallest, layer->largest);
  if (layer->decoded) report.decoded_counts = EqualBins(counts.decoded, layer->smallest, layer->largest);
  if (layer->bits > 0) report.code_counts.assign(counts.codes.begin(), counts.codes.begin() + (1 << layer->bits));
  for (auto& histograms : layer->counts) *histograms = {};
  const std::lock_guard lock(idle_mutex_);
  std::move(layer->counts.begin(), layer->counts.end(), std::back_inserter(idle_));
  layer->counts.clear();
}

std::vector<MeasuredLayer> LayerStats::Reports() const {
  std::vector<MeasuredLayer> reports;
  std::vector<dispatch::ErrorStats> sums(layers_.empty() ? 0 : layers_.back()->plan_index + 1);
  for (size_t task = 0; task < errors_.size(); ++task) {
    if (layer_of_task_[task] != nullptr) sums[layer_of_task_[task]->plan_index].Merge(errors_[task]);
  }
  for (const auto& layer : layers_) {
    if (!layer->finite || layer->open > 0 || sums[layer->plan_index].count == 0) continue;
    reports.push_back(layer->report);
    reports.back().plan_index = layer->plan_index;
    reports.back().seconds = layer->seconds;
    SetErrors(sums[layer->plan_index], &reports.back());
  }
  return reports;
}

}  // namespace quantpress::graph
