// `quantpress ops`: which operators can be converted.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "graph/import/onnx/op_table.h"
#include "tools/commands/commands.h"

namespace quantpress::tools {
namespace {

using graph::onnx::OpRow;

std::vector<OpRow> SortedRows() {
  std::vector<OpRow> rows = graph::onnx::AllOps();
  std::stable_sort(rows.begin(), rows.end(), [](const OpRow& a, const OpRow& b) {
    return std::tie(a.domain, a.op, a.first_version) < std::tie(b.domain, b.op, b.first_version);
  });
  return rows;
}

std::string Versions(const OpRow& row) {
  if (row.last_version == graph::onnx::kNewest) return fmt::format("{}-", row.first_version);
  if (row.last_version == row.first_version) return std::to_string(row.first_version);
  return fmt::format("{}-{}", row.first_version, row.last_version);
}

std::string JsonText(const std::vector<OpRow>& rows) {
  nlohmann::ordered_json json = nlohmann::ordered_json::array();
  for (const OpRow& row : rows) {
    nlohmann::ordered_json entry = {{"domain", row.domain}, {"op", row.op}, {"first_version", row.first_version}};
    // Null: up to the newest.
    entry["last_version"] = nullptr;
    if (row.last_version != graph::onnx::kNewest) entry["last_version"] = row.last_version;
    entry["note"] = row.note;
    json.push_back(std::move(entry));
  }
  return json.dump(2) + "\n";
}

}  // namespace

int ListOps(const Context& context, bool json) {
  const std::vector<OpRow> rows = SortedRows();
  if (json) return PrintData(context, JsonText(rows));
  std::string out;
  for (const OpRow& row : rows) {
    const std::string name = row.domain.empty() ? std::string(row.op) : fmt::format("{}.{}", row.domain, row.op);
    std::string text = fmt::format("{:32} {:6} {}", name, Versions(row), row.note);
    text.erase(text.find_last_not_of(' ') + 1);
    out += text + "\n";
  }
  out += fmt::format("{} operators\n", rows.size());
  return PrintData(context, out);
}

int RunOps(const Context& context) { return ListOps(context, context.line.Flag("json")); }

}  // namespace quantpress::tools
