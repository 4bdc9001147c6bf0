#include "graph/batch/manifest.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "graph/batch/csv.h"
#include "graph/ir/bytes.h"
#include "graph/json/json_tree.h"

namespace quantpress::graph {
namespace {

using json::Kind;
using json::Node;

// Path of a row and what is wrong with it.
class RowReader {
 public:
  RowReader(const Node& node, const std::string& file, size_t index) : node_(node), file_(file), path_(fmt::format("[{}]", index)) {}

  StatusOr<ManifestRow> Read() {
    if (node_.kind != Kind::kObject) return Wrong(node_, path_, "an object such as {\"source\": \"model.onnx\"}");
    ManifestRow row;
    row.where = fmt::format("{}:{}: {}", file_, node_.line, path_);
    for (const auto& [name, value] : node_.members) {
      const std::string path = fmt::format("{}.{}", path_, name);
      if (name == "source") {
        QP_RETURN_IF_ERROR(Text(value, path, &row.source));
      } else if (name == "output") {
        QP_RETURN_IF_ERROR(Text(value, path, &row.output));
      } else if (name == "options") {
        QP_RETURN_IF_ERROR(Options(value, path, &row.options));
      } else {
        return json::ErrorAt(file_, value.line, path_, fmt::format("unknown field \"{}\"; expected source, output or options", name));
      }
    }
    if (row.source.empty()) return json::ErrorAt(file_, node_.line, path_, "the required field \"source\" is missing");
    return row;
  }

 private:
  Status Wrong(const Node& node, const std::string& path, std::string_view expected) {
    return json::ErrorAt(file_, node.line, path, fmt::format("{} found; expected {}", json::Show(node), expected));
  }

  Status Text(const Node& node, const std::string& path, std::string* text) {
    if (node.kind != Kind::kString || node.text.empty()) return Wrong(node, path, "a path");
    *text = node.text;
    return {};
  }

  Status Options(const Node& node, const std::string& path, std::vector<std::string>* words) {
    switch (node.kind) {
      case Kind::kString: {
        auto split = SplitWords(node.text);
        if (!split.ok()) return json::ErrorAt(file_, node.line, path, Message(split.status()));
        *words = *std::move(split);
        return {};
      }
      case Kind::kArray:
        for (size_t i = 0; i < node.items.size(); ++i) {
          const Node& item = node.items[i];
          if (item.kind != Kind::kString) return Wrong(item, fmt::format("{}[{}]", path, i), "text");
          words->push_back(item.text);
        }
        return {};
      case Kind::kObject:
        for (const auto& [name, value] : node.members) QP_RETURN_IF_ERROR(Option(name, value, fmt::format("{}.{}", path, name), words));
        return {};
      default: return Wrong(node, path, "an object, an array of words or text");
    }
  }

  Status Option(const std::string& name, const Node& value, const std::string& path, std::vector<std::string>* words) {
    if (value.kind == Kind::kArray) {
      for (size_t i = 0; i < value.items.size(); ++i) QP_RETURN_IF_ERROR(OptionValue(name, value.items[i], fmt::format("{}[{}]", path, i), words));
      return {};
    }
    return OptionValue(name, value, path, words);
  }

  Status OptionValue(const std::string& name, const Node& value, const std::string& path, std::vector<std::string>* words) {
    const bool scalar = value.kind == Kind::kString || value.kind == Kind::kBool || value.kind == Kind::kInteger || value.kind == Kind::kNumber;
    if (!scalar) return Wrong(value, path, "text, a number, true or false");
    const std::string text = value.kind == Kind::kBool ? (value.boolean ? "1" : "0") : value.text;
    words->push_back(fmt::format("--{}={}", name, text));
    return {};
  }

  const Node& node_;
  const std::string& file_;
  const std::string path_;
};

StatusOr<std::vector<ManifestRow>> ParseJsonManifest(std::string_view text, const std::string& path) {
  QP_ASSIGN_OR_RETURN(const Node root, json::Parse(text, path));
  if (root.kind != Kind::kArray) {
    return json::ErrorAt(path, root.line, "", fmt::format("{} found; expected an array of {{\"source\": ..., \"output\": ...}}", json::Show(root)));
  }
  std::vector<ManifestRow> rows;
  for (size_t i = 0; i < root.items.size(); ++i) {
    QP_ASSIGN_OR_RETURN(ManifestRow row, RowReader(root.items[i], path, i).Read());
    rows.push_back(std::move(row));
  }
  return rows;
}

StatusOr<std::vector<ManifestRow>> ParseCsvManifest(std::string_view text, const std::string& path) {
  QP_ASSIGN_OR_RETURN(const std::vector<CsvRecord> records, ParseCsv(text, path));
  if (records.empty()) return InvalidInput("'{}' is empty; expected a heading with source, output and options", path);
  const CsvRecord& heading = records[0];
  const auto column_of = [&](std::string_view name) {
    return static_cast<size_t>(std::find(heading.fields.begin(), heading.fields.end(), name) - heading.fields.begin());
  };
  for (size_t i = 0; i < heading.fields.size(); ++i) {
    const std::string& name = heading.fields[i];
    if (name != "source" && name != "output" && name != "options") {
      const std::string_view hint = name.find_first_of(";\t|") != std::string::npos ? ", with commas between them" : "";
      return InvalidInput("{}:{}: unknown column \"{}\"; expected source, output or options{}", path, heading.line, name, hint);
    }
    if (column_of(name) != i) return InvalidInput("{}:{}: column \"{}\" stands twice", path, heading.line, name);
  }
  const size_t source = column_of("source"), output = column_of("output"), options = column_of("options");
  if (source == heading.fields.size()) return InvalidInput("{}:{}: the required column \"source\" is missing", path, heading.line);
  std::vector<ManifestRow> rows;
  for (size_t i = 1; i < records.size(); ++i) {
    const CsvRecord& record = records[i];
    ManifestRow row;
    row.where = fmt::format("{}:{}", path, record.line);
    if (record.fields.size() != heading.fields.size()) {
      const bool more = record.fields.size() > heading.fields.size();
      return InvalidInput("{}: {} field{} where the heading has {}; {}", row.where, record.fields.size(), record.fields.size() == 1 ? "" : "s",
                          heading.fields.size(), more ? "a field with commas needs quotes" : "a field may be empty, but its comma stays");
    }
    row.source = record.fields[source];
    if (row.source.empty()) return InvalidInput("{}: the source is empty; expected a path", row.where);
    if (output < record.fields.size()) row.output = record.fields[output];
    if (options < record.fields.size()) {
      auto words = SplitWords(record.fields[options]);
      if (!words.ok()) return Annotate(words.status(), row.where + ": options");
      row.options = *std::move(words);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

}  // namespace

StatusOr<std::vector<std::string>> SplitWords(std::string_view text) {
  std::vector<std::string> words;
  bool inside = false;
  char quote = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
    if (quote == 0 && blank) {
      inside = false;
      continue;
    }
    if (!inside) words.emplace_back();
    inside = true;
    if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == quote) {
      quote = 0;
    } else if (c == '\\' && quote != '\'') {
      if (++i >= text.size()) return InvalidInput("'\\' at the end has nothing behind it; write '\\\\' for the sign itself");
      words.back() += text[i];
    } else {
      words.back() += c;
    }
  }
  if (quote != 0) return InvalidInput("the quote {} is not closed", quote);
  return words;
}

StatusOr<std::vector<ManifestRow>> ParseManifest(std::string_view text, const std::string& path) {
  if (text.size() > json::kMaxTextBytes) {
    return InvalidInput("'{}' has {} bytes; a manifest has at most {}", path, text.size(), json::kMaxTextBytes);
  }
  const bool is_json = path.ends_with(".json");
  if (!is_json && !path.ends_with(".csv")) {
    return InvalidInput("'{}': a manifest is a folder, or a file whose name ends in .json or .csv", path);
  }
  QP_ASSIGN_OR_RETURN(std::vector<ManifestRow> rows, is_json ? ParseJsonManifest(text, path) : ParseCsvManifest(text, path));
  if (rows.empty()) return InvalidInput("'{}' lists no model", path);
  return rows;
}

StatusOr<std::vector<ManifestRow>> ReadManifest(const std::string& path) {
  QP_ASSIGN_OR_RETURN(const Bytes file, MapFile(path));
  return ParseManifest({reinterpret_cast<const char*>(file.data), static_cast<size_t>(file.size)}, path);
}

StatusOr<std::vector<ManifestRow>> ListFolder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::vector<ManifestRow> rows;
  std::error_code error;
  fs::recursive_directory_iterator at(folder, fs::directory_options::none, error);
  for (; !error && at != fs::recursive_directory_iterator(); at.increment(error)) {
    const fs::path& path = at->path();
    std::error_code ignored;
    if (path.filename().string().starts_with('.')) {
      if (at->is_directory(ignored)) at.disable_recursion_pending();
      continue;
    }
    const std::string suffix = path.extension().string();
    if ((suffix != ".onnx" && suffix != ".mnn") || !at->is_regular_file(ignored)) continue;
    ManifestRow row;
    row.source = path.string();
    fs::path output = path.lexically_relative(folder);
    output.replace_extension(".mnn");
    row.output = row.where = output.string();
    rows.push_back(std::move(row));
  }
  if (error) return SystemError("cannot list folder '{}': {}", folder, error.message());
  if (rows.empty()) return InvalidInput("folder '{}' has no .onnx or .mnn file", folder);
  std::sort(rows.begin(), rows.end(), [](const ManifestRow& a, const ManifestRow& b) { return a.source < b.source; });
  for (ManifestRow& row : rows) row.where = row.source;
  return rows;
}

}  // namespace quantpress::graph
