#include "tools/commands/batch_jobs.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>

#include "graph/ir/content_hash.h"
#include "graph/report/report.h"
#include "tools/commands/convert_request.h"

namespace quantpress::tools {
namespace {

namespace fs = std::filesystem;
using graph::ManifestRow;

constexpr size_t kMostShards = 100000;

bool IsFolder(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

bool Exists(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

uint64_t SizeOf(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) ? static_cast<uint64_t>(info.st_size) : 0;
}

// `path` as it is seen from `folder`.
std::string In(const std::string& folder, const std::string& path) {
  return folder.empty() || fs::path(path).is_absolute() ? path : (fs::path(folder) / path).string();
}

// The same file has the same text, whether it is there or not.
std::string Canonical(const std::string& path) {
  std::error_code error;
  const fs::path canonical = fs::weakly_canonical(path, error);
  std::string text = error ? fs::path(path).lexically_normal().string() : canonical.string();
  if (text.size() > 1 && text.ends_with('/')) text.pop_back();
  return text;
}

// Whether a row may have it: what a conversion is asked for, not where it comes from and how it runs.
bool BelongsToRow(const Option& option) {
  const std::string_view name = option.name;
  if (name == "report") return true;
  if (option.group == Group::kRun || option.group == Group::kMessages) return false;
  return name != "modelFile" && name != "MNNModel" && name != "info" && name != "OP" && name != "dry-run";
}

class Builder {
 public:
  explicit Builder(const ParsedLine& line) : line_(line), convert_(*FindCommand("convert")) {}

  StatusOr<BatchList> Build() {
    const std::string& list = line_.words[0];
    const bool folder = IsFolder(list);
    output_folder_ = line_.Text("output");
    if (folder && output_folder_.empty()) {
      return InvalidInput("a folder of models needs --output DIRECTORY, for the models that are written");
    }
    if (!folder) {
      manifest_folder_ = fs::path(list).parent_path().string();
      if (output_folder_.empty()) default_outputs_ = manifest_folder_;
    }
    QP_ASSIGN_OR_RETURN(std::vector<ManifestRow> rows, folder ? graph::ListFolder(list) : graph::ReadManifest(list));
    if (folder) RemoveOutputs(list, &rows);
    BatchList result;
    result.ledger = line_.Text("ledger");
    if (result.ledger.empty()) result.ledger = output_folder_.empty() ? list + ".ledger" : In(output_folder_, "quantpress-batch.ledger");
    for (const ManifestRow& row : rows) {
      BatchModel model;
      model.row = row;
      if (!folder) model.row.source = In(manifest_folder_, row.source);
      if (row.output.empty() && output_folder_.empty()) return InvalidInput("{}: no output; name one, or give --output DIRECTORY", row.where);
      const std::string output = row.output.empty() ? fs::path(row.source).filename().replace_extension(".mnn").string() : row.output;
      model.row.output = In(output_folder_.empty() ? default_outputs_ : output_folder_, output);
      QP_RETURN_IF_ERROR(Annotate(Fill(&model), row.where));
      result.models.push_back(std::move(model));
    }
    QP_RETURN_IF_ERROR(CheckPaths(result.models));
    return result;
  }

 private:
  // What an earlier batch wrote into a folder inside the folder of models is no source.
  void RemoveOutputs(const std::string& folder, std::vector<ManifestRow>* rows) const {
    const std::string written = Canonical(output_folder_) + "/";
    if (Canonical(folder) + "/" == written) return;
    std::erase_if(*rows, [&](const ManifestRow& row) { return Canonical(row.source).starts_with(written); });
  }

  // The options of the batch, and above them those of the row.
  StatusOr<ParsedLine> LineOf(const ManifestRow& row) const {
    QP_ASSIGN_OR_RETURN(const ParsedLine own, ParseLine(row.options, convert_));
    ParsedLine line;
    line.command = &convert_;
    const bool planned = own.Given("plan");  // a plan stands for all options
    for (const Option* option : line_.GivenOptions()) {
      const Option* same = FindOption(option->name, kConvert);
      if (same != option || !BelongsToRow(*option) || planned) continue;
      for (std::string& value : line_.All(option->name)) line.Set(*option, std::move(value));
    }
    for (const Option* option : own.GivenOptions()) {
      if (!BelongsToRow(*option)) return InvalidInput("--{} is not an option of one model", option->name);
      for (std::string& value : own.All(option->name)) {
        line.Set(*option, option->kind == Kind::kPath ? In(manifest_folder_, value) : std::move(value));
      }
    }
    return line;
  }

  // Everything that decides what the output holds, besides the contents of files.
  static std::string SettingsOf(const ParsedLine& line, const std::string& biz_code) {
    std::vector<std::string> settings;
    for (const Option* option : line.GivenOptions()) {
      if (!BelongsToRow(*option)) continue;
      for (const std::string& value : line.All(option->name)) settings.push_back(fmt::format("{}={}", option->name, value));
    }
    std::stable_sort(settings.begin(), settings.end(), [](const std::string& a, const std::string& b) {
      return a.substr(0, a.find('=')) < b.substr(0, b.find('='));  // repeated ones keep their order
    });
    std::string text = fmt::format("tag={}", biz_code);
    for (const std::string& setting : settings) text += "\n" + setting;
    return text;
  }

  Status Fill(BatchModel* model) const {
    QP_ASSIGN_OR_RETURN(ParsedLine line, LineOf(model->row));
    line.Set(*FindOption("modelFile", kConvert), model->row.source);
    line.Set(*FindOption("MNNModel", kConvert), model->row.output);
    QP_ASSIGN_OR_RETURN(ConvertRequest request, MakeConvertRequest(line));
    std::string plan_hash;
    if (!request.plan_path.empty()) {
      const auto hash = graph::FileHash(request.plan_path);
      if (hash.ok()) plan_hash = *hash;
      model->status = hash.ok() ? LoadPlan(&request) : hash.status();
    }
    model->job.reports = line.All("report");
    for (const std::string& report : model->job.reports) QP_RETURN_IF_ERROR(graph::ReportFormatOf(report).status());
    request.options.output.biz_code = graph::BizCodeFor(request.options);
    model->job.settings = SettingsOf(line, request.options.output.biz_code);
    if (!plan_hash.empty()) model->job.settings += "\nplan content=" + plan_hash;
    model->job.options = std::move(request.options);
    model->warnings = std::move(request.warnings);
    const std::string& source = model->row.source;
    model->job.size = SizeOf(source) + SizeOf(source + ".weight") + SizeOf(source + ".data");
    return {};
  }

  static Status CheckPaths(const std::vector<BatchModel>& models) {
    std::map<std::string, const BatchModel*> outputs, new_recipes;
    for (const BatchModel& model : models) {
      const auto [known, is_new] = outputs.emplace(Canonical(model.row.output), &model);
      if (!is_new) {
        return InvalidInput("{} and {} have the same output '{}'; give different ones", known->second->row.where, model.row.where, model.row.output);
      }
      const std::string& recipe = model.job.options.quantize.recipe_path;
      if (recipe.empty() || Exists(recipe)) continue;
      const auto [maker, first] = new_recipes.emplace(Canonical(recipe), &model);
      if (!first) {
        return InvalidInput("{} and {} would both make the compression parameter file '{}'; make it first, or give different ones",
                            maker->second->row.where, model.row.where, recipe);
      }
    }
    for (const BatchModel& model : models) {
      for (const std::string& report : model.job.reports) {
        const auto [writer, first] = outputs.emplace(Canonical(report), &model);
        if (first) continue;
        return InvalidInput("{} and {} would both write '{}'; give the report another name", writer->second->row.where, model.row.where, report);
      }
    }
    for (const BatchModel& model : models) {
      const auto writer = outputs.find(Canonical(model.row.source));
      if (writer == outputs.end()) continue;
      return InvalidInput("{}: the source '{}' is the output of {}; convert one after the other, in two batches", model.row.where,
                          model.row.source, writer->second->row.where);
    }
    return {};
  }

  const ParsedLine& line_;
  const Command& convert_;
  std::string output_folder_, manifest_folder_, default_outputs_;
};

}  // namespace

StatusOr<BatchList> MakeBatchList(const ParsedLine& line) { return Builder(line).Build(); }

StatusOr<Shard> ParseShard(const std::string& text) {
  Shard shard;
  if (text.empty()) return shard;
  size_t number = 0;
  const char* const end = text.data() + text.size();
  const auto first = std::from_chars(text.data(), end, number);
  const bool slash = first.ec == std::errc() && first.ptr != end && *first.ptr == '/';
  const auto second = slash ? std::from_chars(first.ptr + 1, end, shard.count) : first;
  if (!slash || second.ec != std::errc() || second.ptr != end || shard.count < 1 || shard.count > kMostShards || number < 1 ||
      number > shard.count) {
    return InvalidInput("--shard: \"{}\" is not accepted; expected I/N with I from 1 to N, such as 2/4", text);
  }
  shard.index = number - 1;
  return shard;
}

}  // namespace quantpress::tools
