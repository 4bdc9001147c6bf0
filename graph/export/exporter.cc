#include "graph/export/exporter.h"

#include "graph/export/fill.h"
#include "graph/export/share_equal.h"

namespace quantpress::graph {
namespace {

constexpr char kExternalSuffix[] = ".weight";

struct Paths {
  std::string model;
  std::string weights;
};

// The files that the source consists of must not be written over while they are mapped.
Status CheckNotSource(const std::string& output, const ImportOptions& source, const Model& model) {
  std::vector<std::string> inputs = model.external_files;
  inputs.insert(inputs.end(), {source.model_path, source.model_path + kExternalSuffix, source.prototxt_path});
  for (const std::string& input : inputs) {
    if (!input.empty() && IsSameFile(output, input)) {
      return InvalidInput("output '{}' is the source file '{}' itself; give another output path", output, input);
    }
  }
  return {};
}

StatusOr<Paths> OutputPaths(const ConvertOptions& options, const Model& model) {
  Paths paths;
  QP_ASSIGN_OR_RETURN(paths.model, ResolveOutputPath(options.output.output_path));
  QP_RETURN_IF_ERROR(CheckNotSource(paths.model, options.import, model));
  paths.weights = paths.model + kExternalSuffix;
  return paths;
}

StatusOr<Layout> ChooseLayout(Model* model, Lowered* lowered, bool external, ConvertResult* result) {
  StatusOr<Layout> layout = LayOut(model, lowered, external);
  if (layout.ok() || layout.status().code() != absl::StatusCode::kOutOfRange || external) return layout;
  result->notes.push_back(
      "the model would be bigger than the 2 GiB of one file: weights go to the external weight file");
  return LayOut(model, lowered, true);
}

// The limits of the runtime's own verification hold for what it will read.
Status Verify(const std::string& path) {
  QP_ASSIGN_OR_RETURN(const Bytes file, MapFile(path));
  flatbuffers::Verifier verifier(file.data, file.size, 64, 1000000);
  if (mnn::VerifyNetBuffer(verifier)) return {};
  return Unsupported("the finished model does not pass verification; it may have more than 1,000,000 tables");
}

void ApplyOptions(const ExportOptions& options, Model* model) {
  if (!options.biz_code.empty()) model->biz_code = options.biz_code;
  if (!options.auth_code.empty()) model->auth_code = options.auth_code;
}

}  // namespace

Status ExportModel(Model model, const dispatch::Plan& plan, const ConvertOptions& options, const ConvertHooks& hooks,
                   ConvertResult* result, std::vector<MeasuredLayer>* measured) {
  QP_ASSIGN_OR_RETURN(const Paths paths, OutputPaths(options, model));
  ApplyOptions(options.output, &model);
  QP_ASSIGN_OR_RETURN(Lowered lowered, LowerModel(&model, plan));
  const bool smallest = options.import.optimize_prefer == 1;
  if (smallest) FindEqualVectors(plan, &lowered);
  QP_ASSIGN_OR_RETURN(const Layout layout, ChooseLayout(&model, &lowered, options.output.save_external_data, result));

  std::unique_ptr<OutputFile> weights;
  if (layout.external_bytes > 0) {
    QP_RETURN_IF_ERROR(ResolveOutputPath(paths.weights).status());
    QP_RETURN_IF_ERROR(CheckNotSource(paths.weights, options.import, model));
    QP_ASSIGN_OR_RETURN(weights, OutputFile::Create(paths.weights, layout.external_bytes));
  }
  QP_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> file, OutputFile::Create(paths.model, layout.model_bytes));

  FillOptions fill;
  fill.policy = {options.import.align_denormals, options.quantize.nonfinite};
  fill.statistics = options.statistics;
  fill.budget = options.budget;
  QP_ASSIGN_OR_RETURN(std::vector<MeasuredLayer> layers,
                      Fill(layout, lowered, plan, fill, hooks, *file, weights.get()));
  QP_RETURN_IF_ERROR(Verify(file->temporary_path()));
  QP_RETURN_IF_ERROR(SyncForCommit(*file, weights.get()));
  if (hooks.cancellation != nullptr && hooks.cancellation->cancelled()) return Cancelled();
  QP_RETURN_IF_ERROR(Commit(file.get(), weights.get()));

  if (smallest) {
    result->notes.push_back(layout.shared_vectors == 0 ? "--optimizePrefer=1: no weights or constants are equal"
                                                       : fmt::format("--optimizePrefer=1: {} weights and constants ({} bytes) are stored where "
                                                                     "an equal one is",
                                                                     layout.shared_vectors, layout.shared_bytes));
  }
  result->output_bytes = layout.model_bytes + layout.external_bytes;
  result->external = weights != nullptr;
  for (const MeasuredLayer& layer : layers) {
    if (plan.weights[layer.plan_index].storage != dispatch::Storage::kFloat32) result->layers.push_back(layer);
  }
  if (measured != nullptr) *measured = std::move(layers);
  return {};
}

}  // namespace quantpress::graph
