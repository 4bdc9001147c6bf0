#include "graph/convert.h"

#include "graph/export/exporter.h"
#include "graph/export/output_file.h"
#include "graph/import/input_shapes.h"
#include "graph/import/mnn/mnn_importer.h"
#include "graph/import/mnn/split_blocks.h"
#include "graph/import/onnx/onnx_importer.h"
#include "graph/ir/bytes.h"
#include "graph/model_json/read.h"
#include "graph/passes/pipeline.h"
#include "graph/plan_sparsity.h"
#include "graph/recipe/recipe.h"
#include "graph/target_version.h"

namespace quantpress::graph {
namespace {

void NoteAttention(const ImportOptions& options, Model* model) {
  size_t count = 0;
  const auto add = [&](const Graph& graph) {
    for (const Op& op : graph.ops) count += op.type == mnn::OpType::Attention;
  };
  add(model->main);
  for (const Graph& graph : model->subgraphs) add(graph);
  if (count > 0) {
    model->notes.push_back(fmt::format("--transformerFuse: {} attention layer{} became one operator{}", count, count == 1 ? "" : "s",
                                       count == 1 ? "" : " each"));
  } else if (options.target < kAttentionVersion) {
    model->notes.push_back(fmt::format("--transformerFuse has no effect: the runtime has the operator from {} on, --targetVersion is {}",
                                       TargetText(kAttentionVersion), TargetText(options.target)));
  } else {
    model->notes.push_back(
        "--transformerFuse has no effect: no attention over one batch with as many queries as keys and one mask for all heads was found");
  }
}

StatusOr<Model> Import(SourceFormat format, const ImportOptions& options) {
  switch (format) {
    case SourceFormat::kMnn: return ImportMnn(options.model_path);
    case SourceFormat::kJson: {
      QP_ASSIGN_OR_RETURN(const MnnFromJson json, ReadMnnJson(options.model_path));
      return ImportMnnBytes(json.file, options.model_path);
    }
    case SourceFormat::kOnnx: {
      QP_ASSIGN_OR_RETURN(Model model, ImportOnnx(options));
      QP_RETURN_IF_ERROR(RunImportPasses(model, options));
      if (options.fuse_attention) NoteAttention(options, &model);
      return model;
    }
    default:
      return Unsupported("'{}': {} models cannot be read by this version", options.model_path, SourceFormatName(format));
  }
}

// --batch: the first dimension of inputs that leave it open.
void SetBatch(int batch, Model* model) {
  if (batch <= 0) return;
  for (Op& op : model->main.ops) {
    mnn::InputT* input = op.type == mnn::OpType::Input ? op.main.AsInput() : nullptr;
    if (input != nullptr && !input->dims.empty() && input->dims[0] <= 0) input->dims[0] = batch;
  }
}

// How zeros are counted; nothing where they are not.
std::optional<SparsityOptions> SparsityFrom(const ConvertOptions& options) {
  const QuantizeOptions& quantize = options.quantize;
  SparsityOptions sparsity;
  sparsity.policy = {options.import.align_denormals, quantize.nonfinite};
  sparsity.budget = options.budget;
  sparsity.saved = quantize.plan != nullptr;
  sparsity.detect = quantize.detect_sparse;
  sparsity.filters = quantize.recipe != nullptr && AsksToRemoveFilters(*quantize.recipe);
  if (!sparsity.saved && !sparsity.detect && !sparsity.filters) return std::nullopt;
  if (quantize.recipe != nullptr) {
    if (const uint64_t block = SparseBlockOf(*quantize.recipe)) {
      sparsity.block = block;
      sparsity.by_blocks = true;
    }
  }
  return sparsity;
}

// Sources whose graph stays as it is.
bool IsKept(SourceFormat format) { return format == SourceFormat::kMnn || format == SourceFormat::kJson; }

Status FixKeptShapes(const ImportOptions& options, Model* model) {
  if (model->usage == mnn::Usage::INFERENCE_STATIC) {
    model->notes.push_back("--saveStaticModel has no effect: the source is static already");
    return {};
  }
  QP_RETURN_IF_ERROR(FixInputOps(options, model));
  model->notes.push_back("--saveStaticModel: inputs have fixed shapes; the rest of the graph of an MNN source is kept as it is");
  return {};
}

// What was asked of the graph in vain.
void NoteOptionsWithoutEffect(SourceFormat format, const ImportOptions& options, Model* model) {
  const auto none = [&](std::string_view option) {
    model->notes.push_back(fmt::format("--{} has no effect: the graph of an MNN source is kept as it is", option));
  };
  if (!IsKept(format)) {
    if (options.split_block_quant) {
      model->notes.push_back("--splitBlockQuant has no effect: it splits layers that an MNN source holds quantized in blocks");
    }
    return;
  }
  if (!options.keep_input_format) none("keepInputFormat=0");
  if (options.allow_custom_op) none("allowCustomOp");
  if (options.for_training) none("forTraining");
  if (options.dump_passes) none("dumpPass");
  if (options.optimize_prefer == 2) none("optimizePrefer=2");
  if (options.fuse_attention) none("transformerFuse");
}

struct Planned {
  Model model;
  PlannedConversion conversion;
};

StatusOr<Planned> PlanWithModel(const ConvertOptions& options, const dispatch::CancellationToken* cancellation) {
  Planned planned;
  planned.conversion.options = options;
  ConvertOptions& known = planned.conversion.options;
  if (known.quantize.recipe == nullptr && known.quantize.plan == nullptr) {
    QP_ASSIGN_OR_RETURN(known.quantize.recipe, ReadRecipeIfThere(known.quantize.recipe_path));
  }
  if (known.quantize.recipe != nullptr && known.output.uuid.empty()) {
    known.output.uuid = known.quantize.recipe->pipeline.mnn_uuid.value_or("");
  }
  QP_RETURN_IF_ERROR(ResolveInputShapes(&known.import));
  QP_ASSIGN_OR_RETURN(planned.model, ImportModel(known.import));
  if (planned.model.uuid.empty()) planned.model.uuid = known.output.uuid;
  planned.conversion.notes = planned.model.notes;
  QP_ASSIGN_OR_RETURN(planned.conversion.plan, PlanModel(planned.model, known.quantize, &planned.conversion.notes));
  if (std::optional<SparsityOptions> sparsity = SparsityFrom(known)) {
    sparsity->cancellation = cancellation;
    QP_RETURN_IF_ERROR(PlanSparsity(planned.model, *sparsity, &planned.conversion.plan));
  }
  QP_RETURN_IF_ERROR(CheckTarget(known.import.target, planned.model, planned.conversion.plan, known.output.save_external_data));
  return planned;
}

// The recipe is another file than the output, and can be made where it is missing.
Status CheckRecipePath(const ConvertOptions& options) {
  const std::string& recipe = options.quantize.recipe_path;
  if (recipe.empty()) return {};
  QP_RETURN_IF_ERROR(CheckNewFile(recipe));
  if (recipe == options.output.output_path || IsSameFile(recipe, options.output.output_path)) {
    return InvalidInput("'{}' is both the compression parameter file and the output; give two paths", recipe);
  }
  return {};
}

// The tag that the stock tool stores where neither the command line nor the source has one.
constexpr char kDefaultBizCode[] = "MNNTest";

}  // namespace

std::string BizCodeFor(const ConvertOptions& options) {
  if (!options.output.biz_code.empty()) return options.output.biz_code;
  const StatusOr<SourceFormat> format = DetectFormat(options.import.model_path);
  return format.ok() && *format != SourceFormat::kMnn && *format != SourceFormat::kJson ? kDefaultBizCode : "";
}

StatusOr<SourceFormat> FormatToRead(const ImportOptions& options) {
  const StatusOr<SourceFormat> found = DetectFormat(options.model_path);
  if (options.format == SourceFormat::kAuto) return found;
  if (found.ok() && *found != options.format) {
    return InvalidInput("'{}' is a model in {} format, not {}; leave out -f or correct it", options.model_path,
                        SourceFormatName(*found), SourceFormatName(options.format));
  }
  if (found.status().code() == absl::StatusCode::kUnavailable) return found.status();  // unreadable
  return options.format;
}

StatusOr<Model> ImportModel(const ImportOptions& given) {
  ImportOptions options = given;
  QP_RETURN_IF_ERROR(ResolveInputShapes(&options));
  QP_ASSIGN_OR_RETURN(const SourceFormat format, FormatToRead(options));
  QP_ASSIGN_OR_RETURN(Model model, Import(format, options));
  SetBatch(options.batch, &model);
  if (options.static_shapes && IsKept(format)) QP_RETURN_IF_ERROR(FixKeptShapes(options, &model));
  if (options.split_block_quant && IsKept(format)) QP_RETURN_IF_ERROR(SplitBlocks(&model));
  NoteOptionsWithoutEffect(format, options, &model);
  return model;
}

StatusOr<PlannedConversion> PlanConversion(const ConvertOptions& options) {
  QP_RETURN_IF_ERROR(dispatch::ResolveIsa(options.budget.isa).status());
  const dispatch::IsaScope scope(options.budget.isa);
  QP_ASSIGN_OR_RETURN(Planned planned, PlanWithModel(options, nullptr));
  return std::move(planned.conversion);
}

namespace {

StatusOr<ConvertResult> Run(const ConvertOptions& options, const ConvertHooks& hooks, std::vector<MeasuredLayer>* measured) {
  QP_RETURN_IF_ERROR(dispatch::ResolveIsa(options.budget.isa).status());
  const dispatch::IsaScope scope(options.budget.isa);  // for what is done before the tasks
  QP_RETURN_IF_ERROR(CheckRecipePath(options));
  QP_ASSIGN_OR_RETURN(Planned planned, PlanWithModel(options, hooks.cancellation));
  const ConvertOptions& known = planned.conversion.options;
  ConvertResult result;
  result.plan = std::move(planned.conversion.plan);
  result.notes = std::move(planned.conversion.notes);
  std::string new_recipe;
  if (known.quantize.recipe == nullptr && !known.quantize.recipe_path.empty()) {
    QP_ASSIGN_OR_RETURN(new_recipe, RecipeContent(MakeRecipe(planned.model, result.plan), known.quantize.recipe_path));
  }
  result.source_bytes = FileSize(known.import.model_path);
  for (const std::string& path : planned.model.external_files) result.source_bytes += FileSize(path);
  QP_RETURN_IF_ERROR(ExportModel(std::move(planned.model), result.plan, known, hooks, &result, measured));
  if (!new_recipe.empty()) {
    QP_RETURN_IF_ERROR(Annotate(CreateFile(known.quantize.recipe_path, new_recipe), "the model was written, the recipe was not"));
    result.notes.push_back(fmt::format("recipe '{}' created: what was chosen for each layer", known.quantize.recipe_path));
  }
  return result;
}

}  // namespace

StatusOr<ConvertResult> Convert(const ConvertOptions& options, const ConvertHooks& hooks) { return Run(options, hooks, nullptr); }

StatusOr<ConvertResult> ConvertAndMeasure(const ConvertOptions& options, const ConvertHooks& hooks, std::vector<MeasuredLayer>* layers) {
  ConvertOptions measuring = options;
  measuring.statistics = true;
  return Run(measuring, hooks, layers);
}

}  // namespace quantpress::graph
