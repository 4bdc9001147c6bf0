#include "tools/commands/convert_request.h"

#include <algorithm>

#include "graph/plan_io/plan_file.h"
#include "graph/target_version.h"

namespace quantpress::tools {
namespace {

using dispatch::BlockPolicy;
using dispatch::NonFinitePolicy;
using graph::SourceFormat;

graph::ImportOptions ImportFrom(const ParsedLine& line) {
  graph::ImportOptions import;
  import.model_path = line.Text("modelFile");
  import.convert_matmul_to_conv = line.Flag("convertMatmulToConv");
  import.batch = static_cast<int>(line.Int("batch"));
  import.keep_input_format = line.Flag("keepInputFormat");
  import.optimize_prefer = static_cast<int>(line.Int("optimizePrefer"));
  import.fuse_attention = line.Flag("transformerFuse");
  import.split_block_quant = line.Flag("splitBlockQuant");
  import.allow_custom_op = line.Flag("allowCustomOp");
  import.for_training = line.Flag("forTraining");
  import.dump_passes = line.command->bit == kConvert && line.Flag("dumpPass");
  import.static_shapes = line.Flag("saveStaticModel");
  import.input_config_path = line.Text("inputConfigFile");
  import.gelu_approximation = line.Flag("useGeluApproximation");
  import.group_conv_native = line.Flag("groupConvNative");
  import.recurrent_native = line.Flag("useOriginRNNImpl");
  import.align_denormals = line.Flag("alignDenormalizedValue");
  return import;
}

graph::QuantizeOptions QuantizeFrom(const ParsedLine& line, std::vector<std::string>* warnings) {
  graph::QuantizeOptions quantize;
  dispatch::WeightRequest& request = quantize.request;
  request.bits = static_cast<int>(line.Int("weightQuantBits"));
  request.asymmetric = line.Flag("weightQuantAsymmetric");
  request.hqq = line.Flag("hqq");
  request.block = line.Int("weightQuantBlock");
  request.scale_bits = static_cast<int>(line.Int("weightQuantScaleBit"));
  request.fp16 = line.Flag("fp16");
  if (request.hqq && line.Given("weightQuantAsymmetric") && !request.asymmetric) {
    warnings->push_back("--hqq needs asymmetric quantization, but --weightQuantAsymmetric is 0: HQQ is off");
    request.hqq = false;
  }
  request.asymmetric |= request.hqq;

  const std::string policy = line.Text("blockPolicy");
  quantize.block_policy = policy == "error"    ? BlockPolicy::kError
                          : policy == "adjust" ? BlockPolicy::kAdjust
                                               : BlockPolicy::kChannel;
  const std::string nonfinite = line.Text("nonfinite");
  quantize.nonfinite = nonfinite == "zero"    ? NonFinitePolicy::kZero
                       : nonfinite == "clamp" ? NonFinitePolicy::kClamp
                                              : NonFinitePolicy::kError;
  quantize.requantize = line.Flag("requantize");
  quantize.detect_sparse = line.Flag("detectSparseSpeedUp");
  quantize.recipe_path = line.Text("compressionParamsFile");
  quantize.strict_recipe = line.Flag("strictRecipe");
  return quantize;
}

Status AddRules(const ParsedLine& line, std::vector<graph::Rule>* rules) {
  for (const std::string& text : line.All("rule")) {
    QP_ASSIGN_OR_RETURN(graph::Rule rule, graph::ParseRule(text));
    rules->push_back(std::move(rule));
  }
  return {};
}

// What was asked for in vain.
std::vector<std::string> OptionsWithoutEffect(const ParsedLine& line, const graph::QuantizeOptions& quantize) {
  std::vector<std::string> notes;
  const dispatch::WeightRequest& request = quantize.request;
  const auto needs = [&](std::string_view option, std::string_view other) {
    notes.push_back(fmt::format("--{} has no effect without --{}", option, other));
  };
  const bool by_layer = !quantize.recipe_path.empty() || !quantize.rules.empty();  // bits may come from there
  if (request.bits == 0 && !by_layer) {
    if (line.Flag("hqq")) needs("hqq", "weightQuantBits");
    if (line.Flag("weightQuantAsymmetric")) needs("weightQuantAsymmetric", "weightQuantBits");
    if (request.block > 0) needs("weightQuantBlock", "weightQuantBits");
    if (request.scale_bits == 16) needs("weightQuantScaleBit", "weightQuantBits");
    if (quantize.requantize && !request.fp16) needs("requantize", "weightQuantBits or --fp16");
  }
  if (line.Given("blockPolicy") && request.block <= 0 && !by_layer) needs("blockPolicy", "weightQuantBlock");
  if (line.Given("inputConfigFile") && !line.Flag("saveStaticModel")) needs("inputConfigFile", "saveStaticModel");
  if (quantize.strict_recipe && !by_layer) needs("strictRecipe", "compressionParamsFile or --rule");
  if (line.command->bit == kConvert && line.Flag("json") && !line.Flag("dry-run")) needs("json", "dry-run");
  return notes;
}

bool IsOfSelfTest(const Option& option) {
  constexpr std::string_view kNames[] = {"testdir", "testconfig", "thredhold", "python"};
  return std::find(std::begin(kNames), std::end(kNames), option.name) != std::end(kNames);
}

// A plan stands for all options that decide what the output holds.
Status CheckNothingBesidesPlan(const ParsedLine& line) {
  for (const Option* option : line.GivenOptions()) {
    const bool allowed = option->group == Group::kRun || option->group == Group::kMessages || option->name == "plan" ||
                         option->name == "modelFile" || option->name == "MNNModel" || option->name == "JsonFile" ||
                         option->name == "dry-run" || IsOfSelfTest(*option) || option->state == State::kNoEffect;
    if (!allowed) {
      return InvalidInput("--{} and --plan contradict each other: the plan decides; leave one out", option->name);
    }
  }
  return {};
}

StatusOr<ConvertRequest> RequestFromPlan(const ParsedLine& line) {
  QP_RETURN_IF_ERROR(CheckNothingBesidesPlan(line));
  ConvertRequest request;
  request.plan_path = line.Text("plan");
  request.options.import.model_path = line.Text("modelFile");
  return request;
}

StatusOr<ConvertRequest> RequestFromOptions(const ParsedLine& line) {
  ConvertRequest request;
  request.options.import = ImportFrom(line);
  QP_ASSIGN_OR_RETURN(request.options.import.target, graph::ParseTargetVersion(line.Text("targetVersion")));
  QP_ASSIGN_OR_RETURN(request.options.import.format, FormatFromLine(line));
  request.options.quantize = QuantizeFrom(line, &request.warnings);
  QP_RETURN_IF_ERROR(AddRules(line, &request.options.quantize.rules));
  request.options.output.save_external_data = line.Flag("saveExternalData");
  request.options.output.biz_code = line.Text("bizCode");
  request.options.output.auth_code = line.Text("authCode");
  request.notes = OptionsWithoutEffect(line, request.options.quantize);
  return request;
}

}  // namespace

StatusOr<SourceFormat> FormatFromLine(const ParsedLine& line) {
  const std::string name = line.Text("framework");
  if (name.empty()) return SourceFormat::kAuto;
  if (name == "ONNX") return SourceFormat::kOnnx;
  if (name == "MNN") return SourceFormat::kMnn;
  if (name == "TF") return SourceFormat::kTensorFlow;
  if (name == "CAFFE") return SourceFormat::kCaffe;
  if (name == "TFLITE") return SourceFormat::kTfLite;
  if (name == "JSON") return SourceFormat::kJson;
  return Unsupported("-f {}: this source format is not built yet; possible are ONNX, MNN and JSON", name);
}

bool ChangesModel(const ParsedLine& line) {
  for (const Option* option : line.GivenOptions()) {
    const bool about_files = option->name == "modelFile" || option->name == "MNNModel" || option->name == "JsonFile" ||
                             option->name == "framework" || option->name == "optimizeLevel";
    // Of options that are not built only values are accepted that ask for nothing.
    const std::string_view usual = option->kind == Kind::kFlag && option->default_value.empty() ? "0" : option->default_value;
    const bool inert = option->state != State::kBuilt || line.Text(option->name) == usual;
    if (!about_files && !inert && option->group != Group::kRun && option->group != Group::kMessages && !IsOfSelfTest(*option)) return true;
  }
  return false;
}

StatusOr<ConvertRequest> MakeConvertRequest(const ParsedLine& line) {
  const bool writes = line.command->bit == kConvert && !line.Flag("dry-run");
  if (!line.Given("modelFile") && !line.Given("plan")) return InvalidInput("--modelFile is missing");
  if (writes && !line.Given("MNNModel") && !line.Given("JsonFile")) return InvalidInput("--MNNModel is missing");
  StatusOr<ConvertRequest> request = line.Given("plan") ? RequestFromPlan(line) : RequestFromOptions(line);
  QP_RETURN_IF_ERROR(request.status());
  graph::ConvertOptions& options = request->options;
  options.output.output_path = line.Text("MNNModel");
  if (line.command->bit == kConvert) {
    options.budget.threads = static_cast<int>(line.Int("threads"));
    options.budget.memory_bytes = line.Size("memory");
  }
  return request;
}

Status LoadPlan(ConvertRequest* request) {
  if (request->plan_path.empty()) return {};
  const graph::ConvertOptions given = std::move(request->options);
  QP_ASSIGN_OR_RETURN(request->options, graph::ReadPlan(request->plan_path));
  if (!given.import.model_path.empty()) request->options.import.model_path = given.import.model_path;
  request->options.output.output_path = given.output.output_path;
  request->options.budget = given.budget;
  return {};
}

}  // namespace quantpress::tools
