#include "tools/commands/inspect_weights.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "graph/examine.h"
#include "tools/terminal/progress.h"

namespace quantpress::tools {
namespace {

using graph::DiffState;
using graph::LayerDiff;
using graph::WeightStatistics;
using graph::WeightSummary;
using Json = nlohmann::ordered_json;

constexpr size_t kRows = 16;      // of the histogram in text
constexpr size_t kBarWidth = 50;
constexpr size_t kWidest = 40;    // a longer name gets a line that is out of step, and not all others wide ones

std::string FullName(const WeightSummary& weight) {
  return weight.subgraph.empty() ? weight.layer : fmt::format("{}/{}", weight.subgraph, weight.layer);
}

std::string Decibels(double sqnr) { return std::isfinite(sqnr) ? fmt::format("{:.1f} dB", sqnr) : sqnr > 0 ? "exact" : "?"; }
Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }
// Names come from the file and may be no UTF-8.
std::string Dump(const Json& json) { return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"; }

Json ToJson(const WeightStatistics& weight) {
  return {{"layer", weight.summary.layer},
          {"subgraph", weight.summary.subgraph},
          {"op_type", weight.summary.op_type},
          {"coding", CodingName(weight.summary)},
          {"bytes", weight.summary.bytes},
          {"codes", weight.codes},
          {"count", weight.count},
          {"not_finite", weight.not_finite},
          {"zeros", weight.zeros},
          {"smallest", weight.smallest},
          {"largest", weight.largest},
          {"mean", weight.mean},
          {"deviation", weight.deviation},
          {"rms", weight.rms},
          {"histogram", weight.histogram}};
}

std::string Share(uint64_t part, uint64_t all) {
  return part == 0 ? "0" : fmt::format("{} ({:.2f} %)", part, 100.0 * static_cast<double>(part) / static_cast<double>(all));
}

std::string Histogram(const WeightStatistics& weight) {
  if (weight.histogram.size() < kRows) return "";
  const size_t bins_in_row = weight.histogram.size() / kRows;
  std::vector<uint64_t> rows(kRows, 0);
  for (size_t i = 0; i < weight.histogram.size(); ++i) rows[std::min(i / bins_in_row, kRows - 1)] += weight.histogram[i];
  const uint64_t most = *std::max_element(rows.begin(), rows.end());
  std::string out = "\n       from          to      weights\n";
  for (size_t i = 0; i < kRows; ++i) {
    const double step = (weight.largest - weight.smallest) / kRows;
    const double low = weight.smallest + step * static_cast<double>(i);
    const auto length = static_cast<size_t>(static_cast<double>(rows[i]) / static_cast<double>(most) * kBarWidth + 0.5);
    std::string line = fmt::format("{:>11.4g} {:>11.4g} {:>12}  {}", low, low + step, rows[i], std::string(length, '#'));
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

std::string Text(const WeightStatistics& weight) {
  std::string out = fmt::format("layer       {}\nop          {}\ncoding      {}, {} bytes\nweights     {}\n", FullName(weight.summary),
                                weight.summary.op_type, CodingName(weight.summary), weight.summary.bytes, weight.count);
  if (weight.codes) out += "values      codes; their scales are those of weights, input and output in one\n";
  out += fmt::format("range       {:.6g} to {:.6g}\nmean        {:.6g}\ndeviation   {:.6g}\nrms         {:.6g}\nzeros       {}\n", weight.smallest,
                     weight.largest, weight.mean, weight.deviation, weight.rms, Share(weight.zeros, weight.count));
  if (weight.not_finite > 0) out += fmt::format("not finite  {}\n", Share(weight.not_finite, weight.count));
  return out + Histogram(weight);
}

std::string_view StateName(DiffState state) {
  switch (state) {
    case DiffState::kCompared: return "compared";
    case DiffState::kOnlyFirst: return "only in the first";
    case DiffState::kOnlySecond: return "only in the second";
    case DiffState::kOtherSize: return "another size";
    case DiffState::kNotReadable: break;
  }
  return "not readable";
}

const WeightSummary& Either(const LayerDiff& diff) { return diff.state == DiffState::kOnlySecond ? diff.second : diff.first; }

Json ToJson(const LayerDiff& diff) {
  Json json = {{"layer", Either(diff).layer}, {"subgraph", Either(diff).subgraph}, {"state", StateName(diff.state)}};
  if (diff.state != DiffState::kOnlySecond) json["first"] = {{"coding", CodingName(diff.first)}, {"weights", diff.first.elements}, {"bytes", diff.first.bytes}};
  if (diff.state != DiffState::kOnlyFirst) json["second"] = {{"coding", CodingName(diff.second)}, {"weights", diff.second.elements}, {"bytes", diff.second.bytes}};
  if (diff.state == DiffState::kNotReadable) json["problem"] = diff.problem;
  if (diff.state != DiffState::kCompared) return json;
  json["codes"] = diff.codes;
  json["different"] = diff.different;
  json["rmse"] = Number(diff.rmse);
  json["sqnr_db"] = Number(diff.sqnr_db);
  json["max_error"] = Number(diff.max_error);
  json["cosine"] = Number(diff.cosine);
  return json;
}

std::vector<std::string> Cells(const LayerDiff& diff) {
  std::vector<std::string> cells = {FullName(Either(diff)), diff.state == DiffState::kOnlySecond ? "-" : CodingName(diff.first),
                                    diff.state == DiffState::kOnlyFirst ? "-" : CodingName(diff.second)};
  switch (diff.state) {
    case DiffState::kCompared:
      if (diff.different == 0) {
        cells.push_back("equal");
      } else {
        for (std::string& cell : std::vector<std::string>{Decibels(diff.sqnr_db), fmt::format("{:.3g}", diff.rmse), fmt::format("{:.3g}", diff.max_error),
                                                          fmt::format("{:.6f}{}", diff.cosine, diff.codes ? "  (codes)" : "")}) {
          cells.push_back(std::move(cell));
        }
      }
      break;
    case DiffState::kOtherSize: cells.push_back(fmt::format("{} and {} weights", diff.first.elements, diff.second.elements)); break;
    case DiffState::kNotReadable: cells.push_back(diff.problem); break;
    default: cells.emplace_back(StateName(diff.state)); break;
  }
  return cells;
}

std::string Text(const std::vector<LayerDiff>& diffs) {
  std::vector<std::vector<std::string>> rows = {{"layer", "first", "second", "SQNR", "RMSE", "max error", "cosine"}};
  size_t equal = 0, compared = 0;
  for (const LayerDiff& diff : diffs) {
    rows.push_back(Cells(diff));
    compared += diff.state == DiffState::kCompared ? 1 : 0;
    equal += diff.state == DiffState::kCompared && diff.different == 0 ? 1 : 0;
  }
  std::vector<size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    // The last cell of a line may be as long as it likes.
    for (size_t i = 0; i + 1 < row.size(); ++i) widths[i] = std::max(widths[i], std::min(row[i].size(), kWidest));
  }
  std::string out;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) line += i + 1 < row.size() ? fmt::format("{:{}}  ", row[i], widths[i]) : row[i];
    out += line + "\n";
  }
  return out + fmt::format("{} layers: {} equal, {} different, {} not compared\n", diffs.size(), equal, compared - equal, diffs.size() - compared);
}

}  // namespace

std::string CodingName(const WeightSummary& weight) {
  if (weight.groups == 0) return weight.coding;
  std::string text = fmt::format("{} bit {}", weight.bits, weight.asymmetric ? "asymmetric" : "symmetric");
  if (weight.block > 0) text += fmt::format(", block {}", weight.block);
  if (weight.scale_bits == 16) text += ", half scales";
  if (weight.coding != "quantized") text += fmt::format(", {}", weight.coding);
  return text;
}

int PrintWeights(const Context& context, const std::string& path, const std::string& layer, bool json) {
  const StatusOr<std::vector<WeightStatistics>> weights = graph::ExamineWeights(path, layer);
  if (!weights.ok()) return Fail(context, weights.status());
  if (json) {
    Json list = Json::array();
    for (const WeightStatistics& weight : *weights) list.push_back(ToJson(weight));
    return PrintData(context, Dump(list));
  }
  std::string out;
  for (const WeightStatistics& weight : *weights) out += (out.empty() ? "" : "\n") + Text(weight);
  return PrintData(context, Printable(out));
}

int PrintDiff(const Context& context, const std::string& first, const std::string& second, bool json) {
  const StatusOr<std::vector<LayerDiff>> diffs = graph::DiffWeights(first, second);
  if (!diffs.ok()) return Fail(context, diffs.status());
  if (!json) return PrintData(context, Printable(Text(*diffs)));
  Json list = Json::array();
  for (const LayerDiff& diff : *diffs) list.push_back(ToJson(diff));
  return PrintData(context, Dump({{"first", first}, {"second", second}, {"layers", list}}));
}

}  // namespace quantpress::tools
