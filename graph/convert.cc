#include "graph/convert.h"

#include <sys/stat.h>

#include "graph/export/exporter.h"
#include "graph/import/mnn/mnn_importer.h"
#include "graph/import/onnx/onnx_importer.h"
#include "graph/passes/pipeline.h"

namespace quantpress::graph {
namespace {

// The format to read: what was asked for, checked against the content.
StatusOr<SourceFormat> ChooseFormat(const ImportOptions& options) {
  const StatusOr<SourceFormat> found = DetectFormat(options.model_path);
  if (options.format == SourceFormat::kAuto) return found;
  if (found.ok() && *found != options.format) {
    return InvalidInput("'{}' is a model in {} format, not {}; leave out -f or correct it", options.model_path,
                        SourceFormatName(*found), SourceFormatName(options.format));
  }
  if (found.status().code() == absl::StatusCode::kUnavailable) return found.status();  // unreadable
  return options.format;
}

StatusOr<Model> Import(SourceFormat format, const ImportOptions& options) {
  switch (format) {
    case SourceFormat::kMnn: return ImportMnn(options.model_path);
    case SourceFormat::kOnnx: {
      QP_ASSIGN_OR_RETURN(Model model, ImportOnnx(options));
      QP_RETURN_IF_ERROR(RunImportPasses(model, options));
      return model;
    }
    default:
      return Unsupported("'{}': {} models cannot be read by this version", options.model_path, SourceFormatName(format));
  }
}

uint64_t FileSize(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

// --batch: the first dimension of inputs that leave it open.
void SetBatch(int batch, Model* model) {
  if (batch <= 0) return;
  for (Op& op : model->main.ops) {
    mnn::InputT* input = op.type == mnn::OpType::Input ? op.main.AsInput() : nullptr;
    if (input != nullptr && !input->dims.empty() && input->dims[0] <= 0) input->dims[0] = batch;
  }
}

}  // namespace

StatusOr<Model> ImportModel(const ImportOptions& options) {
  QP_ASSIGN_OR_RETURN(const SourceFormat format, ChooseFormat(options));
  QP_ASSIGN_OR_RETURN(Model model, Import(format, options));
  SetBatch(options.batch, &model);
  return model;
}

StatusOr<ConvertResult> Convert(const ConvertOptions& options, const ConvertHooks& hooks) {
  ConvertResult result;
  QP_ASSIGN_OR_RETURN(Model model, ImportModel(options.import));
  QP_ASSIGN_OR_RETURN(result.plan, PlanModel(model, options.quantize));
  result.source_bytes = FileSize(options.import.model_path);
  for (const std::string& path : model.external_files) result.source_bytes += FileSize(path);
  result.notes = model.notes;
  QP_RETURN_IF_ERROR(ExportModel(std::move(model), result.plan, options, hooks, &result));
  return result;
}

}  // namespace quantpress::graph
