#include "tools/commands/summary.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "dispatch/target.h"
#include "graph/report/report.h"
#include "tools/commands/commands.h"
#include "tools/terminal/progress.h"

namespace quantpress::tools {
namespace {

using dispatch::Storage;
using dispatch::WeightPlan;

constexpr size_t kMostNotes = 12;
constexpr size_t kMostLayers = 5;
constexpr size_t kMostCodings = 5;

std::string FullName(const WeightPlan& plan) {
  return plan.subgraph.empty() ? plan.layer : fmt::format("{}/{}", plan.subgraph, plan.layer);
}

// Numbers of equal strings, in the order in which they first appear.
class Tally {
 public:
  void Add(std::string text) {
    for (auto& [known, count] : counts_) {
      if (known == text) {
        ++count;
        return;
      }
    }
    counts_.emplace_back(std::move(text), 1);
  }
  const std::vector<std::pair<std::string, size_t>>& counts() const { return counts_; }

 private:
  std::vector<std::pair<std::string, size_t>> counts_;
};

// "33.1 MB -> 5.2 MB (15.7 %, 6.37 times smaller)"
std::string Change(uint64_t before, uint64_t after) {
  const std::string text = fmt::format("{} -> {}", HumanBytes(before), HumanBytes(after));
  if (before == 0 || after == 0) return text;
  const double percent = 100.0 * static_cast<double>(after) / static_cast<double>(before);
  if (after >= before) return fmt::format("{} ({:.1f} %)", text, percent);
  return fmt::format("{} ({:.1f} %, {:.2f} times smaller)", text, percent, 100 / percent);
}

std::string Decibels(double sqnr) { return std::isfinite(sqnr) ? fmt::format("SQNR {:.1f} dB", sqnr) : "exact"; }

const graph::LayerReport* WorstLayer(const graph::ConvertResult& result) {
  const graph::LayerReport* worst = nullptr;
  for (const graph::LayerReport& layer : result.layers) {
    if (!worst || layer.sqnr_db < worst->sqnr_db) worst = &layer;
  }
  return worst;
}

}  // namespace

std::vector<std::string> ConversionNotes(const std::vector<std::string>& of_model, const dispatch::Plan& all_weights, bool all) {
  std::vector<std::string> notes = of_model;
  struct SharedNote {
    std::string_view note;
    std::vector<std::string> layers;
  };
  std::vector<SharedNote> groups;
  for (const WeightPlan& plan : all_weights.weights) {
    if (plan.note.empty()) continue;
    auto group = std::find_if(groups.begin(), groups.end(), [&](const SharedNote& g) { return g.note == plan.note; });
    if (group == groups.end()) group = groups.insert(groups.end(), SharedNote{plan.note, {}});
    group->layers.push_back(FullName(plan));
  }
  bool cut = false;
  for (const SharedNote& group : groups) {
    const size_t shown = all ? group.layers.size() : std::min(group.layers.size(), kMostLayers);
    std::string text = group.layers.size() == 1 ? "1 layer" : fmt::format("{} layers", group.layers.size());
    text += fmt::format(": {}: ", group.note);
    for (size_t i = 0; i < shown; ++i) text += (i > 0 ? ", " : "") + group.layers[i];
    if (shown < group.layers.size()) {
      text += fmt::format(" and {} more", group.layers.size() - shown);
      cut = true;
    }
    notes.push_back(std::move(text));
  }
  if (!all && notes.size() > kMostNotes) {
    const size_t dropped = notes.size() - kMostNotes;
    notes.resize(kMostNotes);
    notes.push_back(fmt::format("{} more notes; --verbose shows all", dropped));
  } else if (cut) {
    notes.push_back("--verbose names all layers");
  }
  return notes;
}

std::string PlanTable(const dispatch::Plan& plan) {
  // The widest cell of each column, up to a limit: a very long name gets a line that is out of step, and not all others wide ones.
  constexpr size_t kWidest = 48;
  std::vector<std::vector<std::string>> rows = {{"layer", "op", "weights", "stored as", "bytes", "reason"}};
  uint64_t before = 0, after = 0;
  for (const WeightPlan& weight : plan.weights) {
    const dispatch::WeightGeometry& geometry = weight.geometry;
    rows.push_back({FullName(weight), geometry.op_type,
                    geometry.rows == 0 ? "?" : fmt::format("{} x {} x {}", geometry.rows, geometry.input_channels, geometry.kernel_size),
                    graph::MethodName(weight), fmt::format("{} -> {}", weight.bytes_before, weight.bytes_after), weight.reason});
    before += weight.bytes_before;
    after += weight.bytes_after;
  }
  rows.push_back({"total", "", "", "", fmt::format("{} -> {}", before, after), ""});
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], std::min(row[i].size(), kWidest));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += fmt::format("{:{}}  ", row[i], widths[i]);
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

void PrintLayers(const Messages& messages, const graph::ConvertResult& result) {
  auto report = result.layers.begin();
  for (size_t i = 0; i < result.plan.weights.size(); ++i) {
    const WeightPlan& plan = result.plan.weights[i];
    std::string text = fmt::format("{}, {} -> {} bytes", graph::MethodName(plan), plan.bytes_before, plan.bytes_after);
    if (report != result.layers.end() && report->plan_index == i) {
      text += fmt::format(", RMSE {:.3g}, {}", report->rmse, Decibels(report->sqnr_db));
      ++report;
    }
    text += fmt::format(" ({})", plan.reason);
    const std::string name = FullName(plan);
    messages.Plain(messages.json() ? text : fmt::format("{}: {}", name, text), {.layer = name});
  }
}

void PrintNotes(const Messages& messages, const std::vector<std::string>& notes, const dispatch::Plan& plan, const About& about) {
  if (!messages.json()) {
    for (const std::string& note : ConversionNotes(notes, plan, messages.verbose())) messages.Note(note, about);
    return;
  }
  for (const std::string& note : notes) messages.Note(note, about);
  for (const WeightPlan& weight : plan.weights) {
    const std::string name = FullName(weight);
    if (!weight.note.empty()) messages.Note(weight.note, {about.file, name});
  }
}

nlohmann::ordered_json PlanFields(const dispatch::Plan& plan) {
  uint64_t before = 0, after = 0, quantized = 0, int8 = 0, half = 0, float32 = 0, kept = 0;
  for (const WeightPlan& weight : plan.weights) {
    before += weight.bytes_before;
    after += weight.bytes_after;
    quantized += weight.storage == Storage::kQuantized;
    int8 += weight.storage == Storage::kInt8;
    half += weight.storage == Storage::kHalf;
    float32 += weight.storage == Storage::kFloat32;
    kept += weight.storage == Storage::kAsIs;
  }
  return {{"layers", {{"quantized", quantized}, {"int8", int8}, {"float16", half}, {"float32", float32}, {"kept", kept}}},
          {"bytes_before", before},
          {"bytes_after", after}};
}

nlohmann::ordered_json SummaryFields(const graph::ConvertOptions& options, const graph::ConvertResult& result, double seconds) {
  nlohmann::ordered_json json = {{"source", options.import.model_path}, {"output", options.output.output_path}};
  json.update(PlanFields(result.plan));
  json["source_bytes"] = result.source_bytes;
  json["output_bytes"] = result.output_bytes;
  json["seconds"] = seconds;
  json["threads"] = options.budget.threads > 0 ? options.budget.threads : AvailableThreads();
  json["isa"] = dispatch::IsaName(options.budget.isa);
  return json;
}

std::string FilesText(const std::string& path, const graph::ConvertResult& result, double seconds) {
  return fmt::format("{}: {} -> {}\n  time     {:.2f} s", path, HumanBytes(result.source_bytes), HumanBytes(result.output_bytes), seconds);
}

std::string SummaryText(const graph::ConvertOptions& options, const graph::ConvertResult& result, double seconds) {
  Tally codings;
  uint64_t before = 0, after = 0;
  for (const WeightPlan& plan : result.plan.weights) {
    codings.Add(graph::MethodName(plan));
    before += plan.bytes_before;
    after += plan.bytes_after;
  }
  std::string out = fmt::format("{}:", options.output.output_path);
  if (codings.counts().empty()) out += " no weights";
  const auto& counts = codings.counts();
  for (size_t i = 0; i < counts.size(); ++i) {
    out += fmt::format("{} {} x {}", i > 0 ? ";" : "", counts[i].second, counts[i].first);
    if (i + 1 == kMostCodings && counts.size() > kMostCodings) {
      out += fmt::format("; {} more kinds", counts.size() - kMostCodings);
      break;
    }
  }
  out += fmt::format("\n  weights  {}\n  files    {}\n", Change(before, after),
                     Change(result.source_bytes, result.output_bytes));
  if (const graph::LayerReport* worst = WorstLayer(result)) {
    out +=
        fmt::format("  worst    {}: {}\n", FullName(result.plan.weights[worst->plan_index]), Decibels(worst->sqnr_db));
  }
  const int threads = options.budget.threads > 0 ? options.budget.threads : AvailableThreads();
  out += fmt::format("  time     {:.2f} s, {} thread{}, {}", seconds, threads, threads == 1 ? "" : "s",
                     dispatch::IsaName(options.budget.isa));
  return out;
}

}  // namespace quantpress::tools
