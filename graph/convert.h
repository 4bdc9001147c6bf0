// One conversion as a library call: source file in, .mnn file out.
#ifndef QUANTPRESS_GRAPH_CONVERT_H_
#define QUANTPRESS_GRAPH_CONVERT_H_

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "dispatch/plan.h"
#include "dispatch/scheduler.h"
#include "dispatch/status.h"
#include "graph/ir/model.h"
#include "graph/rules/rule.h"

namespace quantpress::graph {

struct Recipe;

enum class SourceFormat : uint8_t { kAuto, kMnn, kOnnx, kTensorFlow, kTfLite, kCaffe, kJson };

// A shape that the user fixes: sizes from 1.
struct InputShape {
  std::string name;
  std::vector<int64_t> dims;
};

// A version of the runtime.
struct TargetVersion {
  int major = 3, minor = 6, patch = 1;
  auto operator<=>(const TargetVersion&) const = default;
};

// How a source is turned into a graph.
struct ImportOptions {
  SourceFormat format = SourceFormat::kAuto;
  std::string model_path;
  std::string prototxt_path;          // Caffe only
  bool convert_matmul_to_conv = true;
  int optimize_level = 1;
  int optimize_prefer = 0;            // 1: smallest file, 2: fastest
  bool keep_input_format = true;
  int batch = 0;                      // > 0: size of an unknown first dimension of every input
  bool group_conv_native = false;
  bool recurrent_native = false;      // LSTM and RNN as ops of the runtime, with float weights
  bool align_denormals = true;        // flush denormal convolution weights to zero
  bool gelu_approximation = true;     // erf GELU in front of a product: by the tanh formula (2e-4 relative error)
  bool for_training = false;
  bool allow_custom_op = false;       // operators that nobody knows are written as they are, as Extra ops
  bool fuse_attention = false;        // attention that is written out becomes one op
  bool split_block_quant = false;     // MNN sources: a block-quantized 1x1 convolution becomes one convolution per block
  TargetVersion target;               // oldest runtime that must be able to read the model
  bool dump_passes = false;           // notes say how many operators each pass leaves
  bool static_shapes = false;         // every input has a fixed shape, and what follows from that is a constant
  std::string input_config_path;      // shapes for that as a file, read where input_shapes is empty
  std::vector<InputShape> input_shapes;
};

struct QuantizeOptions {
  dispatch::WeightRequest request;    // default for every layer
  // Settings for single layers, above `request`; docs/plan.md has the order of precedence.
  std::string recipe_path;            // compressionParamsFile; Convert makes it where there is none
  std::shared_ptr<const Recipe> recipe;  // already read; goes before the file
  std::vector<Rule> rules;            // above the recipe; later ones above earlier ones
  bool strict_recipe = false;         // entries and rules without effect are errors
  std::shared_ptr<const dispatch::Plan> plan;  // saved (plan_io/plan_file.h): decides everything by itself
  dispatch::BlockPolicy block_policy = dispatch::BlockPolicy::kChannel;
  dispatch::NonFinitePolicy nonfinite = dispatch::NonFinitePolicy::kError;
  bool requantize = false;            // decode weights that are already quantized and quantize them again
  bool detect_sparse = false;         // count zeros, mark sparse layers for the runtime, list their non-zero weights
};

struct ExportOptions {
  std::string output_path;
  bool save_external_data = false;    // weights to <output_path>.weight
  std::string biz_code;               // empty: keep the source's
  std::string auth_code;
  std::string uuid;                   // for a model that has none
};

struct ConvertOptions {
  ImportOptions import;
  QuantizeOptions quantize;
  ExportOptions output;
  dispatch::Budget budget;
  bool statistics = true;             // error of each quantized layer
};

// Errors of one quantized layer against its float weights.
struct LayerReport {
  size_t plan_index = 0;              // into Plan::weights
  double rmse = 0;
  double sqnr_db = 0;
  double max_error = 0;
  double cosine = 1;
};

struct ConvertResult {
  dispatch::Plan plan;
  std::vector<LayerReport> layers;    // quantized and half layers, in plan order; empty without statistics
  std::vector<std::string> notes;     // one line each: what the user should know
  uint64_t source_bytes = 0;          // model and external weight files
  uint64_t output_bytes = 0;          // model and external weight file
  bool external = false;
};

struct ConvertHooks {
  const dispatch::CancellationToken* cancellation = nullptr;
  // Weights done and weights in all, from worker threads.
  std::function<void(uint64_t done, uint64_t total)> on_progress;
};

// Looks at the content of a file. Errors: unreadable, or no format that this library knows (says what was tried).
StatusOr<SourceFormat> DetectFormat(const std::string& path);

// The format that the options ask for, checked against the content; without one, the format of the content.
StatusOr<SourceFormat> FormatToRead(const ImportOptions& options);

// "ONNX", "MNN", ...
std::string_view SourceFormatName(SourceFormat format);

// The tag to store (ExportOptions::biz_code): what was asked for, else what the stock tool stores where the source has none.
std::string BizCodeFor(const ConvertOptions& options);

// Reads a source file into the IR, with the graph passes applied.
StatusOr<Model> ImportModel(const ImportOptions& options);

// The plan of every weight tensor of `model`. `notes`, where not null, gets a line for every entry of the recipe and every rule that
// has no effect. Errors: a recipe that cannot be read, a saved plan that belongs to another model.
StatusOr<dispatch::Plan> PlanModel(const Model& model, const QuantizeOptions& options, std::vector<std::string>* notes = nullptr);

// What Convert would do, without writing anything.
struct PlannedConversion {
  ConvertOptions options;          // as given, with the recipe read and everything else that decides the bytes of the output
  dispatch::Plan plan;
  std::vector<std::string> notes;  // as in ConvertResult
};
StatusOr<PlannedConversion> PlanConversion(const ConvertOptions& options);

// Import, plan, write. On any error nothing is left at the output path but what was there before.
StatusOr<ConvertResult> Convert(const ConvertOptions& options, const ConvertHooks& hooks = {});

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_CONVERT_H_
