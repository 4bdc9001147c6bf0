#include "graph/plan_io/plan_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "graph/export/output_file.h"
#include "graph/json/object_reader.h"
#include "graph/plan_io/int8_json.h"
#include "graph/target_version.h"
#include "graph/version.h"

namespace quantpress::graph {
namespace {

using dispatch::NonFinitePolicy;
using dispatch::QuantMethod;
using dispatch::Storage;
using dispatch::WeightPlan;
using json::Node;
using json::ObjectReader;
using Json = nlohmann::ordered_json;

constexpr int kFormatVersion = 1;

constexpr std::string_view kFormats[] = {"auto", "MNN", "ONNX", "TensorFlow", "TFLite", "Caffe", "JSON"};
static_assert(std::size(kFormats) == static_cast<size_t>(SourceFormat::kJson) + 1);
constexpr std::string_view kStorages[] = {"float32", "half", "quantized", "as is", "int8"};
constexpr std::string_view kMethods[] = {"symmetric", "asymmetric", "hqq"};
constexpr std::string_view kPolicies[] = {"error", "zero", "clamp"};

template <typename Enum, size_t kCount>
std::string_view Name(const std::string_view (&names)[kCount], Enum value) {
  return names[static_cast<size_t>(value)];
}

Json ShapesJson(const std::vector<InputShape>& shapes) {
  Json json = Json::array();
  for (const InputShape& shape : shapes) json.push_back({{"name", shape.name}, {"dims", shape.dims}});
  return json;
}

Json ImportJson(const ImportOptions& import) {
  return {{"model", import.model_path},
          {"prototxt", import.prototxt_path},
          {"format", Name(kFormats, import.format)},
          {"convertMatmulToConv", import.convert_matmul_to_conv},
          {"optimizeLevel", import.optimize_level},
          {"optimizePrefer", import.optimize_prefer},
          {"keepInputFormat", import.keep_input_format},
          {"batch", import.batch},
          {"groupConvNative", import.group_conv_native},
          {"useOriginRNNImpl", import.recurrent_native},
          {"alignDenormalizedValue", import.align_denormals},
          {"useGeluApproximation", import.gelu_approximation},
          {"forTraining", import.for_training},
          {"allowCustomOp", import.allow_custom_op},
          {"saveStaticModel", import.static_shapes},
          {"inputShapes", ShapesJson(import.input_shapes)},
          {"transformerFuse", import.fuse_attention},
          {"splitBlockQuant", import.split_block_quant},
          {"targetVersion", TargetText(import.target)}};
}

Json SparseJson(const dispatch::SparseLayer& sparse) {
  Json json = {{"block", sparse.block}, {"simd_oc", sparse.by_blocks}, {"listed", sparse.listed}};
  json["nonzero"] = sparse.counts.covered;
  json["blocks"] = sparse.counts.blocks;
  json["entries"] = sparse.entries;
  json["step_bits"] = sparse.step_bits;
  return json;
}

Json LayerJson(const WeightPlan& plan) {
  Json json = {{"layer", plan.layer},
               {"subgraph", plan.subgraph},
               {"op_type", plan.geometry.op_type},
               {"rows", plan.geometry.rows},
               {"input_channels", plan.geometry.input_channels},
               {"kernel_size", plan.geometry.kernel_size},
               {"storage", Name(kStorages, plan.storage)}};
  if (plan.storage == Storage::kQuantized) {
    json["method"] = Name(kMethods, plan.coding.method);
    json["bits"] = plan.coding.bits;
    json["block"] = plan.block;
    json["scale_bits"] = plan.coding.half_scales ? 16 : 32;
    json["source_codes"] = plan.source_codes;
    json["groups"] = plan.groups;
    json["group_size"] = plan.group_size;
  }
  if (plan.sparse.block > 0 || plan.sparse.listed) json["sparse"] = SparseJson(plan.sparse);
  if (plan.storage == Storage::kInt8) {
    json["int8"] = Int8Json(*plan.int8);
    json["groups"] = plan.groups;
    json["group_size"] = plan.group_size;
  }
  json["reason"] = plan.reason;
  json["note"] = plan.note;
  json["bytes_before"] = plan.bytes_before;
  json["bytes_after"] = plan.bytes_after;
  return json;
}

std::vector<InputShape> ReadShapes(const Node& list, const std::string& file, const std::string& path, Status* status) {
  std::vector<InputShape> shapes;
  for (size_t i = 0; i < list.items.size() && status->ok(); ++i) {
    ObjectReader in(list.items[i], file, fmt::format("{}[{}]", path, i), status);
    InputShape shape = {in.Text("name"), {}};
    for (int32_t size : in.Ints("dims")) {
      if (size < 1) in.Fail(in.LineOf("dims"), "dims", fmt::format("{} found; expected sizes from 1", size));
      shape.dims.push_back(size);
    }
    in.Finish();
    shapes.push_back(std::move(shape));
  }
  return shapes;
}

ImportOptions ReadImport(ObjectReader in, const std::string& file, Status* status) {
  ImportOptions import;
  import.model_path = in.Text("model");
  import.prototxt_path = in.Text("prototxt");
  import.format =
      static_cast<SourceFormat>(in.Choice(
          "format", {kFormats[0], kFormats[1], kFormats[2], kFormats[3], kFormats[4], kFormats[5], kFormats[6]}));
  import.convert_matmul_to_conv = in.Bool("convertMatmulToConv");
  import.optimize_level = static_cast<int>(in.Int("optimizeLevel", 0, 2));
  import.optimize_prefer = static_cast<int>(in.Int("optimizePrefer", 0, 2));
  import.keep_input_format = in.Bool("keepInputFormat");
  import.batch = static_cast<int>(in.Int("batch", 0, INT32_MAX));
  import.group_conv_native = in.Bool("groupConvNative");
  import.recurrent_native = in.Bool("useOriginRNNImpl");
  import.align_denormals = in.Bool("alignDenormalizedValue");
  import.gelu_approximation = in.Bool("useGeluApproximation");
  import.for_training = in.Bool("forTraining");
  import.allow_custom_op = in.Bool("allowCustomOp");
  import.static_shapes = in.Bool("saveStaticModel");
  if (const Node* list = in.Array("inputShapes")) import.input_shapes = ReadShapes(*list, file, in.PathOf("inputShapes"), status);
  import.fuse_attention = in.Bool("transformerFuse");
  import.split_block_quant = in.Bool("splitBlockQuant");
  const std::string target = in.Text("targetVersion");
  if (const StatusOr<TargetVersion> version = ParseTargetVersion(target); version.ok()) {
    import.target = *version;
  } else {
    in.Fail(in.LineOf("targetVersion"), "targetVersion", fmt::format("\"{}\" found; expected a version like 3.6.1", target));
  }
  in.Finish();
  return import;
}

// A number that is computed anew; a file that says something impossible is none of ours.
void CheckCount(ObjectReader* in, std::string_view name, uint64_t most) {
  if (in->Has(name)) in->Int(name, 0, static_cast<int64_t>(std::min<uint64_t>(most, INT64_MAX)));
}

uint64_t ElementsOf(const dispatch::WeightGeometry& geometry) {
  uint64_t elements = 0;
  const bool overflow = __builtin_mul_overflow(geometry.rows, geometry.input_channels, &elements) ||
                        __builtin_mul_overflow(elements, geometry.kernel_size, &elements);
  return overflow ? UINT64_MAX : elements;
}

// `plan`: what the layer says besides.
dispatch::SparseLayer ReadSparse(ObjectReader in, const WeightPlan& plan) {
  dispatch::SparseLayer sparse;
  sparse.block = static_cast<uint64_t>(in.Int("block", 0, INT32_MAX));
  sparse.by_blocks = in.Bool("simd_oc");
  sparse.listed = in.Bool("listed");
  for (std::string_view name : {"nonzero", "blocks", "entries"}) CheckCount(&in, name, ElementsOf(plan.geometry));
  CheckCount(&in, "step_bits", dispatch::kMaxStepBits);
  in.Finish();
  const auto refuse = [&in](std::string_view name, std::string_view text) { in.Fail(in.LineOf(name), name, text); };
  const std::string& type = plan.geometry.op_type;
  if (plan.storage != Storage::kFloat32 && plan.storage != Storage::kQuantized) {
    refuse("",
           fmt::format("weights with storage \"{}\" cannot be sparse; \"float32\" and \"quantized\" can", Name(kStorages, plan.storage)));
  }
  if (plan.source_codes) refuse("", "weights with source_codes true cannot be sparse");
  if (sparse.block > 0 && type != "Convolution" && type != "ConvolutionDepthwise") {
    refuse("block", fmt::format("{} found; a layer of type {} cannot be marked, so that only 0 is possible", sparse.block, type));
  }
  if (sparse.by_blocks ? sparse.block == 0 : sparse.block > 1) {
    refuse("simd_oc", fmt::format("{} found with block {}; it is true for blocks of a SIMD_OC entry, and only those are above 1",
                                  sparse.by_blocks, sparse.block));
  }
  if (sparse.listed && plan.storage == Storage::kFloat32 && sparse.block == 0) {
    refuse("listed", "true found with block 0; float32 weights are listed in marked layers only");
  }
  return sparse;
}

WeightPlan ReadLayer(ObjectReader in, Status* status, const std::string& file) {
  WeightPlan plan;
  plan.layer = in.Text("layer");
  plan.subgraph = in.Text("subgraph");
  plan.geometry.op_type = in.Text("op_type");
  plan.geometry.rows = static_cast<uint64_t>(in.Int("rows", 0, INT64_MAX));
  plan.geometry.input_channels = static_cast<uint64_t>(in.Int("input_channels", 0, INT64_MAX));
  plan.geometry.kernel_size = static_cast<uint64_t>(in.Int("kernel_size", 0, INT64_MAX));
  plan.storage = static_cast<Storage>(in.Choice("storage", {kStorages[0], kStorages[1], kStorages[2], kStorages[3], kStorages[4]}));
  if (plan.storage == Storage::kQuantized) {
    plan.coding.method = static_cast<QuantMethod>(in.Choice("method", {kMethods[0], kMethods[1], kMethods[2]}));
    plan.coding.bits = static_cast<int>(in.Int("bits", kernels::kMinBits, kernels::kMaxBits));
    plan.block = static_cast<uint64_t>(in.Int("block", 0, INT32_MAX));
    const int64_t scale_bits = in.Int("scale_bits", INT64_MIN, INT64_MAX);
    if (scale_bits != 16 && scale_bits != 32) in.Fail(in.LineOf("scale_bits"), "scale_bits", fmt::format("{} found; expected 16 or 32", scale_bits));
    plan.coding.half_scales = scale_bits == 16;
    plan.source_codes = in.Bool("source_codes");
    if (plan.source_codes && (plan.coding.method != QuantMethod::kSymmetric || plan.coding.half_scales)) {
      in.Fail(in.LineOf("source_codes"), "source_codes",
              "true found; codes of the source are kept with method \"symmetric\" and scale_bits 32 only");
    }
  }
  if (plan.storage == Storage::kInt8) {
    if (const Node* node = in.Object("int8")) {
      plan.int8 = std::make_shared<const dispatch::Int8Layer>(ReadInt8(*node, file, in.PathOf("int8"), status));
    }
  }
  if (in.Has("sparse")) {
    if (const Node* node = in.Object("sparse")) plan.sparse = ReadSparse(ObjectReader(*node, file, in.PathOf("sparse"), status), plan);
  }
  for (std::string_view name : {"groups", "group_size", "bytes_before", "bytes_after"}) CheckCount(&in, name, INT64_MAX);
  plan.reason = in.Text("reason");
  plan.note = in.Text("note");
  in.Finish();
  return plan;
}

}  // namespace

StatusOr<std::string> PlanText(const ConvertOptions& options, const dispatch::Plan& plan) {
  Json json = {{"quantpress_plan", kFormatVersion}, {"version", Version()}};
  json["source"] = ImportJson(options.import);
  json["nonfinite"] = Name(kPolicies, options.quantize.nonfinite);
  json["output"] = {{"saveExternalData", options.output.save_external_data},
                    {"bizCode", options.output.biz_code},
                    {"authCode", options.output.auth_code}};
  json["uuid"] = options.output.uuid;
  uint64_t before = 0, after = 0;
  json["layers"] = Json::array();
  for (const WeightPlan& weight : plan.weights) {
    json["layers"].push_back(LayerJson(weight));
    before += weight.bytes_before;
    after += weight.bytes_after;
  }
  json["total"] = {{"layers", plan.weights.size()}, {"bytes_before", before}, {"bytes_after", after}};
  try {
    return json.dump(2) + "\n";
  } catch (const std::exception&) {
    return InvalidInput("a plan is JSON, which cannot hold the name of a layer of this model: it is no UTF-8");
  }
}

Status WritePlan(const ConvertOptions& options, const dispatch::Plan& plan, const std::string& path) {
  QP_ASSIGN_OR_RETURN(const std::string text, PlanText(options, plan));
  if (IsSameFile(path, options.import.model_path)) {
    return InvalidInput("'{}' is the model itself; give another path for the plan", path);
  }
  QP_ASSIGN_OR_RETURN(const std::string resolved, ResolveOutputPath(path));
  QP_ASSIGN_OR_RETURN(const std::unique_ptr<OutputFile> file, OutputFile::Create(resolved, text.size()));
  QP_RETURN_IF_ERROR(file->Write(0, {reinterpret_cast<const uint8_t*>(text.data()), text.size()}));
  QP_RETURN_IF_ERROR(file->Sync());
  return file->Rename();
}

StatusOr<ConvertOptions> ParsePlan(std::string_view text, const std::string& file) {
  QP_ASSIGN_OR_RETURN(const Node root, json::Parse(text, file));
  Status status;
  ConvertOptions options;
  ObjectReader in(root, file, "", &status);
  if (status.ok() && !in.Has("quantpress_plan")) {
    return InvalidInput("'{}' is not a plan: it has no field \"quantpress_plan\"; `quantpress plan MODEL -o FILE` makes one", file);
  }
  if (const int64_t version = in.Int("quantpress_plan", 0, INT64_MAX); status.ok() && version != kFormatVersion) {
    in.Fail(in.LineOf("quantpress_plan"), "quantpress_plan",
            fmt::format("version {} of the plan format; this program knows {}", version, kFormatVersion));
  }
  in.Text("version");
  if (const Node* source = in.Object("source")) options.import = ReadImport(ObjectReader(*source, file, "source", &status), file, &status);
  options.quantize.nonfinite = static_cast<NonFinitePolicy>(in.Choice("nonfinite", {kPolicies[0], kPolicies[1], kPolicies[2]}));
  if (const Node* node = in.Object("output")) {
    ObjectReader output(*node, file, "output", &status);
    options.output.save_external_data = output.Bool("saveExternalData");
    options.output.biz_code = output.Text("bizCode");
    options.output.auth_code = output.Text("authCode");
    output.Finish();
  }
  options.output.uuid = in.Text("uuid");
  auto plan = std::make_shared<dispatch::Plan>();
  if (const Node* layers = in.Array("layers")) {
    for (size_t i = 0; i < layers->items.size() && status.ok(); ++i) {
      plan->weights.push_back(ReadLayer(ObjectReader(layers->items[i], file, fmt::format("layers[{}]", i), &status), &status, file));
    }
  }
  in.Ignore("total");
  in.Finish();
  QP_RETURN_IF_ERROR(status);
  options.quantize.plan = std::move(plan);
  return options;
}

StatusOr<ConvertOptions> ReadPlan(const std::string& path) {
  QP_ASSIGN_OR_RETURN(const Bytes file, MapFile(path));
  if (file.empty()) return InvalidInput("'{}' is empty; expected a plan", path);
  return ParsePlan({reinterpret_cast<const char*>(file.data), file.size}, path);
}

}  // namespace quantpress::graph
