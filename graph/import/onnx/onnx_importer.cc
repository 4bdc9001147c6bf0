#include "graph/import/onnx/onnx_importer.h"

#include "graph/import/onnx/importer.h"

namespace quantpress::graph {

bool LooksLikeOnnx(const Bytes& file) {
  const auto model = onnx::ReadModel(file);
  return model.ok() && (!model->opsets.empty() || model->ir_version > 0) && !model->graph->nodes.empty();
}

StatusOr<Model> ImportOnnx(const ImportOptions& options) {
  QP_ASSIGN_OR_RETURN(Bytes file, MapFile(options.model_path));
  auto view = onnx::ReadModel(std::move(file));
  if (!view.ok()) return Annotate(view.status(), fmt::format("'{}'", options.model_path));
  onnx::Importer importer(options, *std::move(view));
  return importer.Run();
}

}  // namespace quantpress::graph
