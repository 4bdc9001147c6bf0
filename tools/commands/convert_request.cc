#include "tools/commands/convert_request.h"

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
  import.group_conv_native = line.Flag("groupConvNative");
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
  return quantize;
}

// What was asked for in vain.
std::vector<std::string> OptionsWithoutEffect(const ParsedLine& line, const graph::QuantizeOptions& quantize) {
  std::vector<std::string> notes;
  const dispatch::WeightRequest& request = quantize.request;
  const auto needs = [&](std::string_view option, std::string_view other) {
    notes.push_back(fmt::format("--{} has no effect without --{}", option, other));
  };
  if (request.bits == 0) {
    if (line.Flag("hqq")) needs("hqq", "weightQuantBits");
    if (line.Flag("weightQuantAsymmetric")) needs("weightQuantAsymmetric", "weightQuantBits");
    if (request.block > 0) needs("weightQuantBlock", "weightQuantBits");
    if (request.scale_bits == 16) needs("weightQuantScaleBit", "weightQuantBits");
    if (quantize.requantize && !request.fp16) needs("requantize", "weightQuantBits or --fp16");
  }
  if (line.Given("blockPolicy") && request.block <= 0) needs("blockPolicy", "weightQuantBlock");
  return notes;
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
  return Unsupported("-f {}: this source format is not built yet; possible are ONNX and MNN", name);
}

StatusOr<ConvertRequest> MakeConvertRequest(const ParsedLine& line) {
  ConvertRequest request;
  for (const char* name : {"modelFile", "MNNModel"}) {
    if (!line.Given(name)) return InvalidInput("--{} is missing", name);
  }
  request.options.import = ImportFrom(line);
  QP_ASSIGN_OR_RETURN(request.options.import.format, FormatFromLine(line));
  request.options.quantize = QuantizeFrom(line, &request.warnings);
  request.options.output.output_path = line.Text("MNNModel");
  request.options.output.save_external_data = line.Flag("saveExternalData");
  request.options.output.biz_code = line.Text("bizCode");
  request.options.output.auth_code = line.Text("authCode");
  request.options.budget.threads = static_cast<int>(line.Int("threads"));
  request.options.budget.memory_bytes = line.Size("memory");
  request.notes = OptionsWithoutEffect(line, request.options.quantize);
  return request;
}

}  // namespace quantpress::tools
