#include "graph/api/access.h"
#include "graph/rules/rule.h"
#include "graph/target_version.h"

namespace quantpress {
namespace {

template <typename To, typename From>
Status Translate(From value, From last, const char* field, To* to) {
  if (value < From{} || value > last) {
    return InvalidInput("{}: there is no value {}; possible are 0 to {}", field, static_cast<int>(value),
                        static_cast<int>(last));
  }
  *to = static_cast<To>(value);
  return {};
}

// The public numbers never change; these say that the inner ones are the same.
static_assert(static_cast<int>(Format::kAuto) == static_cast<int>(graph::SourceFormat::kAuto));
static_assert(static_cast<int>(Format::kMnn) == static_cast<int>(graph::SourceFormat::kMnn));
static_assert(static_cast<int>(Format::kOnnx) == static_cast<int>(graph::SourceFormat::kOnnx));
static_assert(static_cast<int>(Format::kJson) == static_cast<int>(graph::SourceFormat::kJson));
static_assert(static_cast<int>(BlockPolicy::kChannel) == static_cast<int>(dispatch::BlockPolicy::kChannel));
static_assert(static_cast<int>(BlockPolicy::kAdjust) == static_cast<int>(dispatch::BlockPolicy::kAdjust));
static_assert(static_cast<int>(BlockPolicy::kError) == static_cast<int>(dispatch::BlockPolicy::kError));
static_assert(static_cast<int>(NonFinitePolicy::kError) == static_cast<int>(dispatch::NonFinitePolicy::kError));
static_assert(static_cast<int>(NonFinitePolicy::kZero) == static_cast<int>(dispatch::NonFinitePolicy::kZero));
static_assert(static_cast<int>(NonFinitePolicy::kClamp) == static_cast<int>(dispatch::NonFinitePolicy::kClamp));
static_assert(static_cast<int>(Storage::kFloat32) == static_cast<int>(dispatch::Storage::kFloat32));
static_assert(static_cast<int>(Storage::kHalf) == static_cast<int>(dispatch::Storage::kHalf));
static_assert(static_cast<int>(Storage::kQuantized) == static_cast<int>(dispatch::Storage::kQuantized));
static_assert(static_cast<int>(Storage::kAsIs) == static_cast<int>(dispatch::Storage::kAsIs));
static_assert(static_cast<int>(Storage::kInt8) == static_cast<int>(dispatch::Storage::kInt8));
static_assert(static_cast<int>(Method::kSymmetric) == static_cast<int>(dispatch::QuantMethod::kSymmetric) + 1);
static_assert(static_cast<int>(Method::kAsymmetric) == static_cast<int>(dispatch::QuantMethod::kAsymmetric) + 1);
static_assert(static_cast<int>(Method::kHqq) == static_cast<int>(dispatch::QuantMethod::kHqq) + 1);

ErrorCode CodeOf(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ErrorCode::kNone;
    case absl::StatusCode::kInvalidArgument:
      return ErrorCode::kInvalidInput;
    case absl::StatusCode::kUnimplemented:
      return ErrorCode::kUnsupported;
    case absl::StatusCode::kUnavailable:
      return ErrorCode::kSystem;
    case absl::StatusCode::kResourceExhausted:
      return ErrorCode::kMemoryBudget;
    case absl::StatusCode::kCancelled:
      return ErrorCode::kCancelled;
    default:
      return ErrorCode::kInternal;
  }
}

Status TranslateGraphOptions(const Source& source, graph::ImportOptions* import) {
  if (source.optimize_prefer < 0 || source.optimize_prefer > 2) {
    return InvalidInput("source.optimize_prefer is {}; expected 0, 1 or 2", source.optimize_prefer);
  }
  import->optimize_prefer = source.optimize_prefer;
  import->for_training = source.for_training;
  import->allow_custom_op = source.allow_custom_op;
  import->fuse_attention = source.fuse_attention;
  import->split_block_quant = source.split_block_quant;
  if (!source.target_version.empty()) {
    QP_ASSIGN_OR_RETURN(import->target, graph::ParseTargetVersion(source.target_version));
  }
  import->static_shapes = source.static_shapes;
  import->input_config_path = source.input_config_path;
  for (const auto& [name, dims] : source.input_shapes) {
    for (const int64_t size : dims) {
      if (size < 1 || size > INT32_MAX) return InvalidInput("source.input_shapes: a size of {} for '{}'; expected 1 to 2147483647", size, name);
    }
    import->input_shapes.push_back({name, dims});
  }
  return {};
}

}  // namespace

Error ToError(const Status& status) { return Error(CodeOf(status), Message(status)); }

StatusOr<graph::ConvertOptions> ToConvertOptions(const Options& options) {
  const Source& source = options.source;
  if (source.path.empty()) return InvalidInput("source.path is empty; name the model to read");
  if (source.batch < 0) return InvalidInput("source.batch is {}; expected 0 or more", source.batch);
  graph::ConvertOptions known;
  known.import.model_path = source.path;
  QP_RETURN_IF_ERROR(Translate(source.format, Format::kJson, "source.format", &known.import.format));
  known.import.batch = source.batch;
  known.import.convert_matmul_to_conv = source.convert_matmul_to_conv;
  known.import.gelu_approximation = source.gelu_approximation;
  known.import.group_conv_native = source.group_conv_native;
  known.import.recurrent_native = source.recurrent_native;
  known.import.align_denormals = source.align_denormals;
  QP_RETURN_IF_ERROR(TranslateGraphOptions(source, &known.import));

  const Quantization& asked = options.quantization;
  graph::QuantizeOptions& quantize = known.quantize;
  quantize.request = {asked.bits, asked.asymmetric || asked.hqq, asked.hqq, asked.block, asked.scale_bits, asked.fp16};
  QP_RETURN_IF_ERROR(
      Translate(asked.block_policy, BlockPolicy::kError, "quantization.block_policy", &quantize.block_policy));
  QP_RETURN_IF_ERROR(
      Translate(asked.nonfinite, NonFinitePolicy::kClamp, "quantization.nonfinite", &quantize.nonfinite));
  quantize.requantize = asked.requantize;
  quantize.recipe_path = asked.recipe_path;
  quantize.strict_recipe = asked.strict_recipe;
  quantize.detect_sparse = asked.detect_sparse;
  for (const std::string& text : asked.rules) {
    QP_ASSIGN_OR_RETURN(graph::Rule rule, graph::ParseRule(text));
    quantize.rules.push_back(std::move(rule));
  }

  known.output.output_path = options.output.path;
  known.output.save_external_data = options.output.external;
  known.output.biz_code = options.output.biz_code;
  known.output.auth_code = options.output.auth_code;
  known.output.biz_code = graph::BizCodeFor(known);
  QP_RETURN_IF_ERROR(ApplyRun(options.run, &known));
  return known;
}

Status ApplyRun(const Run& run, graph::ConvertOptions* options) {
  options->budget.threads = run.threads;
  options->budget.memory_bytes = run.memory_bytes;
  QP_ASSIGN_OR_RETURN(const dispatch::Isa isa, dispatch::ParseIsa(run.isa.empty() ? "auto" : run.isa));
  QP_ASSIGN_OR_RETURN(options->budget.isa, dispatch::ResolveIsa(isa));
  options->statistics = run.statistics;
  return {};
}

Layer ToLayer(const dispatch::WeightPlan& plan) {
  Layer layer;
  layer.name = plan.layer;
  layer.subgraph = plan.subgraph;
  layer.op_type = plan.geometry.op_type;
  layer.rows = plan.geometry.rows;
  layer.input_channels = plan.geometry.input_channels;
  layer.kernel_size = plan.geometry.kernel_size;
  layer.storage = static_cast<Storage>(plan.storage);
  if (plan.storage == dispatch::Storage::kQuantized) {
    layer.method = static_cast<Method>(static_cast<int>(plan.coding.method) + 1);
    layer.bits = plan.coding.bits;
    layer.scale_bits = plan.coding.half_scales ? 16 : 32;
    layer.block = plan.block;
    layer.group_size = plan.group_size;
    layer.groups = plan.groups;
  }
  layer.description = graph::MethodName(plan);
  layer.reason = plan.reason;
  layer.note = plan.note;
  layer.bytes_before = plan.bytes_before;
  layer.bytes_after = plan.bytes_after;
  return layer;
}

LayerStatistics ToStatistics(const graph::MeasuredLayer& layer) {
  return {layer.count,  layer.rmse,       layer.sqnr_db,    layer.max_error,
          layer.cosine, layer.weight_min, layer.weight_max, layer.seconds};
}

Totals ToTotals(const graph::Report& report) {
  const graph::ReportTotals& from = report.totals;
  return {from.weights,   from.bytes_before, from.bytes_after, report.source_bytes, report.output_bytes,
          from.quantized, from.half,         from.float32,     from.kept,           from.rmse,
          from.sqnr_db,   from.max_error,    report.seconds};
}

}  // namespace quantpress
