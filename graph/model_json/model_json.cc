#include "graph/model_json/model_json.h"

#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "graph/export/exporter.h"
#include "graph/import/mnn/mnn_importer.h"
#include "graph/ir/content_hash.h"
#include "graph/model_json/dump.h"
#include "graph/model_json/read.h"
#include "graph/model_json/scratch.h"

namespace quantpress::graph {
namespace {

constexpr char kExternalSuffix[] = ".weight";
constexpr uint64_t kCopyBytes = 1 << 20;

bool IsCancelled(const ConvertHooks& hooks) { return hooks.cancellation != nullptr && hooks.cancellation->cancelled(); }

bool Exists(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0;
}

Status CheckNotSource(const std::string& output, const std::string& source) {
  for (const std::string& input : {source, source + kExternalSuffix}) {
    if (IsSameFile(output, input)) {
      return InvalidInput("output '{}' is the source file '{}' itself; give another output path", output, input);
    }
  }
  return {};
}

StatusOr<std::unique_ptr<OutputFile>> CreateOutput(const std::string& path, const std::string& source, uint64_t bytes) {
  QP_ASSIGN_OR_RETURN(const std::string resolved, ResolveOutputPath(path));
  QP_RETURN_IF_ERROR(CheckNotSource(resolved, source));
  return OutputFile::Create(resolved, bytes);
}

StatusOr<std::unique_ptr<OutputFile>> CopyOf(const Bytes& bytes, const std::string& path, const std::string& source,
                                             const ConvertHooks& hooks) {
  QP_ASSIGN_OR_RETURN(std::unique_ptr<OutputFile> file, CreateOutput(path, source, bytes.size));
  for (uint64_t at = 0; at < bytes.size; at += kCopyBytes) {
    if (IsCancelled(hooks)) return Cancelled();
    QP_RETURN_IF_ERROR(file->Write(at, {bytes.data + at, std::min(kCopyBytes, bytes.size - at)}));
  }
  return file;
}

// Sets sizes and puts the files at their paths.
Status Complete(std::unique_ptr<OutputFile> model, std::unique_ptr<OutputFile> weights, uint64_t bytes,
                const ConvertHooks& hooks, ConvertResult* result) {
  QP_RETURN_IF_ERROR(SyncForCommit(*model, weights.get()));
  if (IsCancelled(hooks)) return Cancelled();
  QP_RETURN_IF_ERROR(Commit(model.get(), weights.get()));
  result->output_bytes = bytes;
  result->external = weights != nullptr;
  return {};
}

struct Fingerprint {
  std::vector<std::string> pieces;
  bool external = false;
  bool operator==(const Fingerprint&) const = default;
};

// Of all that a file says: equal for the same fields, however the file is laid out.
StatusOr<Fingerprint> ContentOf(const Bytes& file, const ConvertHooks& hooks) {
  Fingerprint content;
  QP_ASSIGN_OR_RETURN(const DumpFacts facts, DumpMnn(file, [&](std::string_view piece) {
                        content.pieces.push_back(ContentHash(piece));
                        return IsCancelled(hooks) ? Cancelled() : Status();
                      }));
  content.external = facts.external;
  return content;
}

// The model's own layout is that of the dump's text order; text in another order is read once more in it.
StatusOr<Bytes> InSchemaOrder(MnnFromJson json, const ConvertHooks& hooks) {
  if (json.ordered) return json.file;
  QP_ASSIGN_OR_RETURN(const std::unique_ptr<ScratchFolder> folder, ScratchFolder::Create());
  QP_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> text, OutputFile::Create(*folder / "ordered", 0));
  Appender out(*text);
  QP_RETURN_IF_ERROR(DumpMnn(json.file, [&](std::string_view piece) {
                       return IsCancelled(hooks) ? Cancelled() : out.Append(AsBytes(piece));
                     }).status());
  QP_ASSIGN_OR_RETURN(const MnnFromJson ordered, ReadMnnJson(text->temporary_path(), hooks.cancellation));
  return ordered.file;
}

struct Files {
  Bytes model;
  Bytes weights;
};

// The same model in the layout of the exporter. Nothing where that changes anything.
StatusOr<std::optional<Files>> InOwnLayout(Model model, const Files& exact, const std::string& json_path,
                                           const dispatch::Budget& budget, const ConvertHooks& hooks) {
  QP_ASSIGN_OR_RETURN(const std::unique_ptr<ScratchFolder> folder, ScratchFolder::Create());
  ConvertOptions options;
  options.import.model_path = json_path;
  options.import.align_denormals = false;
  options.output.output_path = *folder / "model.mnn";
  options.output.save_external_data = exact.weights.data != nullptr;
  options.budget = budget;
  options.statistics = false;
  QP_ASSIGN_OR_RETURN(const dispatch::Plan plan, PlanModel(model, options.quantize));
  ConvertResult unused;
  const Status exported = ExportModel(std::move(model), plan, options, hooks, &unused);
  // A model that cannot be written again (one that is too big, say) keeps the layout that it has.
  if (absl::IsInvalidArgument(exported) || absl::IsUnimplemented(exported) || absl::IsOutOfRange(exported))
    return std::optional<Files>();
  QP_RETURN_IF_ERROR(exported);
  Files own;
  QP_ASSIGN_OR_RETURN(own.model, MapFile(options.output.output_path));
  if (unused.external) {
    QP_ASSIGN_OR_RETURN(own.weights, MapFile(options.output.output_path + kExternalSuffix));
  }
  const bool same_weights =
      own.weights.size == exact.weights.size &&
      (own.weights.size == 0 || std::memcmp(own.weights.data, exact.weights.data, own.weights.size) == 0);
  if (!same_weights) return std::optional<Files>();
  QP_ASSIGN_OR_RETURN(const Fingerprint before, ContentOf(exact.model, hooks));
  QP_ASSIGN_OR_RETURN(const Fingerprint after, ContentOf(own.model, hooks));
  return before == after ? std::optional<Files>(own) : std::nullopt;
}

}  // namespace

StatusOr<ConvertResult> WriteModelJson(const std::string& mnn_path, const std::string& json_path,
                                       const ConvertHooks& hooks) {
  QP_ASSIGN_OR_RETURN(const Bytes model, MapMnn(mnn_path));
  QP_ASSIGN_OR_RETURN(std::unique_ptr<OutputFile> json, CreateOutput(json_path, mnn_path, 0));
  Appender out(*json);
  const StatusOr<DumpFacts> facts = DumpMnn(
      model, [&](std::string_view piece) { return IsCancelled(hooks) ? Cancelled() : out.Append(AsBytes(piece)); });
  if (!facts.ok()) return Annotate(facts.status(), fmt::format("'{}'", mnn_path));
  ConvertResult result;
  result.source_bytes = model.size;
  std::unique_ptr<OutputFile> weights;
  uint64_t weight_bytes = 0;
  const std::string source_weights = mnn_path + kExternalSuffix;
  if (facts->external && Exists(source_weights)) {
    QP_ASSIGN_OR_RETURN(const Bytes bytes, MapFile(source_weights));
    QP_ASSIGN_OR_RETURN(weights, CopyOf(bytes, json->path() + kExternalSuffix, mnn_path, hooks));
    weight_bytes = bytes.size;
    result.notes.push_back(
        fmt::format("weights stay in an external file: '{}{}' belongs to the JSON", json_path, kExternalSuffix));
  } else if (facts->external) {
    result.notes.push_back(
        fmt::format("the weights lie in '{}', which is not there; the JSON refers to it", source_weights));
  }
  result.source_bytes += weight_bytes;
  const uint64_t bytes = out.size() + weight_bytes;
  QP_RETURN_IF_ERROR(Complete(std::move(json), std::move(weights), bytes, hooks, &result));
  return result;
}

StatusOr<ConvertResult> RestoreModel(const std::string& json_path, const std::string& mnn_path,
                                     const dispatch::Budget& budget, const ConvertHooks& hooks) {
  QP_ASSIGN_OR_RETURN(MnnFromJson json, ReadMnnJson(json_path, hooks.cancellation));
  Files files;
  QP_ASSIGN_OR_RETURN(files.model, InSchemaOrder(std::move(json), hooks));
  StatusOr<Model> model = ImportMnnBytes(files.model, json_path);
  const bool newer = absl::IsUnimplemented(
      model.status());  // has ops that are not known here: they are nevertheless what the text says
  if (!model.ok() && !newer) return model.status();
  const std::string source_weights = json_path + kExternalSuffix;
  const bool external = newer ? Exists(source_weights) : !model->external_files.empty();
  if (external) {
    QP_ASSIGN_OR_RETURN(files.weights, MapFile(source_weights));
  }
  ConvertResult result;
  result.source_bytes = FileSize(json_path) + files.weights.size;
  if (!newer) {
    QP_ASSIGN_OR_RETURN(const std::optional<Files> own,
                        InOwnLayout(*std::move(model), files, json_path, budget, hooks));
    if (own.has_value()) files = *own;
  }
  QP_ASSIGN_OR_RETURN(std::unique_ptr<OutputFile> file, CopyOf(files.model, mnn_path, json_path, hooks));
  std::unique_ptr<OutputFile> weights;
  if (external) {
    QP_ASSIGN_OR_RETURN(weights, CopyOf(files.weights, file->path() + kExternalSuffix, json_path, hooks));
  }
  const uint64_t bytes = files.model.size + files.weights.size;
  QP_RETURN_IF_ERROR(Complete(std::move(file), std::move(weights), bytes, hooks, &result));
  return result;
}

}  // namespace quantpress::graph
