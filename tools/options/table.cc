#include <algorithm>

#include "tools/options/option.h"

namespace quantpress::tools {
namespace {

// One option to a paragraph reads better than one field to a line.
constexpr std::string_view kPackedTransformers = "it packs transformers of MNN sources, and the graph of an MNN source is kept as it is";

// clang-format off
constexpr Option kOptions[] = {
    // ---- Files
    {.name = "modelFile", .kind = Kind::kPath, .value_name = "FILE", .group = Group::kFiles, .commands = kConvert,
     .hint = Hint::kFile, .brief = "source model (required)", .help = "source model (required)"},
    {.name = "MNNModel", .kind = Kind::kPath, .value_name = "FILE", .group = Group::kFiles, .commands = kConvert,
     .hint = Hint::kFile, .brief = "MNN model to write (required)",
     .help = "MNN model to write (required, or --JsonFile)"},
    {.name = "framework", .short_name = 'f', .kind = Kind::kChoice, .value_name = "FORMAT",
     .accepted = "ONNX|MNN|TF|CAFFE|TFLITE|JSON|TORCH", .group = Group::kFiles, .commands = kConvert | kPlan | kBatch,
     .brief = "ONNX, MNN, JSON; else by content",
     .help = "format of the source: ONNX, MNN, or JSON for a dump of --JsonFile (the others are not built yet); without it the content decides"},
    {.name = "saveExternalData", .group = Group::kFiles, .commands = kConvert | kPlan | kBatch,
     .help = "write weights to <MNNModel>.weight; happens by itself where a file would pass 2 GB"},
    {.name = "bizCode", .kind = Kind::kText, .value_name = "TEXT", .group = Group::kFiles, .commands = kConvert | kPlan | kBatch,
     .help = "tag stored in the model; without it an MNN source keeps its tag and others get MNNTest"},
    {.name = "authCode", .kind = Kind::kText, .value_name = "TEXT", .group = Group::kFiles, .commands = kConvert | kPlan | kBatch,
     .help = "text stored in the model as extraInfo.name"},
    {.name = "info", .group = Group::kFiles, .commands = kConvert,
     .help = "instead of converting, print what --modelFile holds (as `quantpress inspect`)"},
    {.name = "OP", .group = Group::kFiles, .commands = kConvert,
     .help = "instead of converting, list the operators of the format given with -f (as `quantpress ops`)"},
    {.name = "output", .short_name = 'o', .kind = Kind::kPath, .value_name = "FILE", .group = Group::kFiles,
     .commands = kPlan, .hint = Hint::kFile, .brief = "write the plan as JSON, for convert --plan",
     .help = "write the plan as JSON, for `convert --plan`; without it a table is printed"},
    {.name = "output", .short_name = 'o', .kind = Kind::kPath, .value_name = "DIRECTORY", .group = Group::kFiles,
     .commands = kBatch, .hint = Hint::kDirectory, .brief = "folder for the models that are written",
     .help = "folder for the models that are written; for a folder of models they get its structure"},
    {.name = "resume", .group = Group::kFiles, .commands = kBatch, .brief = "skip what is complete and unchanged",
     .help = "skip what is complete and unchanged: source, options, version and output are those of the ledger"},
    {.name = "shard", .kind = Kind::kText, .value_name = "I/N", .group = Group::kFiles, .commands = kBatch,
     .brief = "do only part I of N, for array jobs", .help = "do only part I of N, fixed and balanced, for array jobs"},
    {.name = "ledger", .kind = Kind::kPath, .value_name = "FILE", .group = Group::kFiles, .commands = kBatch,
     .hint = Hint::kFile,
     .help = "what is complete; without it quantpress-batch.ledger in the output folder, or beside the manifest"},
    {.name = "plan", .kind = Kind::kPath, .value_name = "FILE", .group = Group::kFiles, .commands = kConvert,
     .hint = Hint::kFile,
     .help = "do what a plan of `quantpress plan` says; it decides source, graph and quantization"},
    {.name = "dry-run", .group = Group::kFiles, .commands = kBatch, .brief = "print the list, write nothing",
     .help = "print source and output of every model of this part, write nothing"},
    {.name = "dry-run", .group = Group::kFiles, .commands = kConvert,
     .brief = "print what would be done, write nothing",
     .help = "print what would be done with every weight, as a table or with --json; write nothing"},
    {.name = "prototxt", .kind = Kind::kPath, .value_name = "FILE", .group = Group::kFiles, .commands = kConvert | kPlan | kBatch,
     .state = State::kNotBuilt, .hint = Hint::kFile, .help = "Caffe network description"},
    {.name = "JsonFile", .kind = Kind::kPath, .value_name = "FILE", .group = Group::kFiles, .commands = kConvert,
     .hint = Hint::kFile,
     .help = "write the whole model as JSON that -f JSON reads back: the source if it is MNN and no option changes it, else what the "
             "conversion makes of it"},

    // ---- Files of verify
    {.name = "testdir", .kind = Kind::kPath, .value_name = "DIRECTORY", .group = Group::kFiles, .commands = kVerify,
     .hint = Hint::kDirectory, .brief = "input.json, data and references (required)",
     .help = "folder with input.json, the data of inputs and the references of outputs (required)"},
    {.name = "testconfig", .kind = Kind::kPath, .value_name = "FILE", .group = Group::kFiles, .commands = kVerify,
     .hint = Hint::kFile, .brief = "settings of the runtime, as JSON",
     .help = "settings of the runtime, as JSON: backend, mode, precision, memory, power, hints"},
    {.name = "thredhold", .kind = Kind::kNumber, .value_name = "ERROR", .default_value = "0.01", .group = Group::kFiles,
     .commands = kVerify, .brief = "largest error that passes",
     .help = "largest error that passes, relative to the largest reference value of an output"},
    {.name = "python", .kind = Kind::kPath, .value_name = "FILE", .group = Group::kFiles, .commands = kVerify, .hint = Hint::kFile,
     .brief = "Python that has the module MNN",
     .help = "Python that has the module MNN; without it QUANTPRESS_PYTHON, else python3"},

    // ---- Quantization
    {.name = "weightQuantBits", .kind = Kind::kInt, .value_name = "BITS", .default_value = "0", .accepted = "0|2..8",
     .group = Group::kQuantization, .commands = kConvert | kPlan | kBatch, .brief = "bits per weight, 2 to 8; 0: off",
     .help = "bits per weight; 0: off"},
    {.name = "weightQuantAsymmetric", .default_value = "0", .group = Group::kQuantization, .commands = kConvert | kPlan | kBatch,
     .brief = "minimum and scale, not scale alone", .help = "store minimum and scale instead of a scale alone"},
    {.name = "weightQuantBlock", .kind = Kind::kInt, .value_name = "SIZE", .default_value = "-1",
     .accepted = "-1|1..2147483647", .group = Group::kQuantization, .commands = kConvert | kPlan | kBatch,
     .brief = "input channels per scale; -1: all",
     .help = "input channels that share a scale; -1: all of an output channel"},
    {.name = "hqq", .group = Group::kQuantization, .commands = kConvert | kPlan | kBatch,
     .brief = "half-quadratic quantization: smaller error",
     .help = "half-quadratic quantization: smaller error; turns --weightQuantAsymmetric on"},
    {.name = "weightQuantScaleBit", .kind = Kind::kInt, .value_name = "BITS", .default_value = "32",
     .accepted = "16|32", .group = Group::kQuantization, .commands = kConvert | kPlan | kBatch, .help = "16: scales as half floats"},
    {.name = "fp16", .group = Group::kQuantization, .commands = kConvert | kPlan | kBatch,
     .brief = "half floats for weights that are not quantized",
     .help = "half floats for every weight that is not quantized"},
    {.name = "blockPolicy", .kind = Kind::kChoice, .value_name = "POLICY", .default_value = "channel",
     .accepted = "channel|adjust|error", .group = Group::kQuantization, .commands = kConvert | kPlan | kBatch,
     .brief = "channel, adjust, error: block misfits",
     .help = "where a block does not fit a layer: one scale per channel, the largest fitting block, or an error"},
    {.name = "nonfinite", .kind = Kind::kChoice, .value_name = "POLICY", .default_value = "error",
     .accepted = "error|zero|clamp", .group = Group::kQuantization, .commands = kConvert | kPlan | kBatch,
     .help = "NaN or infinite weights: an error, zero, or the largest finite value"},
    {.name = "requantize", .group = Group::kQuantization, .commands = kConvert | kPlan | kBatch,
     .help = "decode weights that are already quantized and quantize them again"},
    {.name = "alignDenormalizedValue", .default_value = "1", .group = Group::kQuantization, .commands = kConvert | kPlan | kBatch,
     .help = "set denormal convolution weights to 0"},
    {.name = "compressionParamsFile", .kind = Kind::kPath, .value_name = "FILE", .group = Group::kQuantization,
     .commands = kConvert | kPlan | kBatch, .hint = Hint::kFile, .brief = "settings per layer; made where missing",
     .help = "settings per layer, above those of the command line: JSON where the name ends in .json, else binary protobuf; convert "
             "makes the file where there is none"},
    {.name = "strictRecipe", .group = Group::kQuantization, .commands = kConvert | kPlan | kBatch,
     .help = "entries of the compression parameter file and rules that match no layer, or have no effect, are errors"},
    {.name = "rule", .kind = Kind::kText, .value_name = "RULE", .group = Group::kQuantization,
     .commands = kConvert | kPlan | kBatch, .repeats = true, .brief = "settings of chosen layers, see docs/recipes.md",
     .help = "settings of the layers whose name matches a pattern, 'lm_head.*=bits:8,block:32', or of one type, "
             "'op:ConvolutionDepthwise=skip'; above the compression parameter file; later rules go above earlier ones"},
    {.name = "detectSparseSpeedUp", .group = Group::kQuantization, .commands = kConvert | kPlan | kBatch,
     .help = "count zeros: layers that are sparse enough are marked for the runtime, and only their non-zero weights are stored"},
    {.name = "splitBlockQuant", .group = Group::kQuantization, .commands = kConvert | kPlan | kBatch,
     .help = "MNN sources: a 1x1 convolution that is quantized in blocks becomes one convolution per block, with the same codes, and "
             "sums; for devices that know one scale per channel only"},

    // ---- Graph
    {.name = "optimizeLevel", .kind = Kind::kInt, .value_name = "N", .default_value = "1", .accepted = "0|1",
     .group = Group::kGraph, .commands = kConvert | kPlan | kBatch,
     .help = "accepted; MNN sources are kept as they are, others are always optimised"},
    {.name = "optimizePrefer", .kind = Kind::kInt, .value_name = "N", .default_value = "0", .accepted = "0..2",
     .group = Group::kGraph, .commands = kConvert | kPlan | kBatch,
     .help = "1, smallest file: equal weights and constants are stored once; 2, fastest: up to 100 layers that share a kernel of one row or "
             "column hold copies of it, instead of up to 4"},
    {.name = "batch", .kind = Kind::kInt, .value_name = "N", .default_value = "0", .accepted = "0..2147483647",
     .group = Group::kGraph, .commands = kConvert | kPlan | kBatch,
     .help = "size of an unknown first dimension of every input; 0: leave it"},
    {.name = "keepInputFormat", .default_value = "1", .group = Group::kGraph, .commands = kConvert | kPlan | kBatch,
     .help = "0: inputs that a packed operator reads, and outputs that one writes, are NC4HW4, which saves converting them"},
    {.name = "convertMatmulToConv", .default_value = "1", .group = Group::kGraph, .commands = kConvert | kPlan | kBatch,
     .help = "MatMul with a constant matrix becomes a 1x1 convolution, so that it can be quantized"},
    {.name = "useGeluApproximation", .default_value = "1", .group = Group::kGraph, .commands = kConvert | kPlan | kBatch,
     .help = "GELU that is written out with erf, in front of a matrix product: the tanh formula, which is faster; 0: exact"},
    {.name = "groupConvNative", .group = Group::kGraph, .commands = kConvert | kPlan | kBatch,
     .help = "keep a grouped convolution as one operator"},
    {.name = "forTraining", .group = Group::kGraph, .commands = kConvert | kPlan | kBatch,
     .help = "keep BatchNorm and Dropout, and do not fuse GELU, SiLU, HardSwish and layer normalisation"},
    {.name = "useOriginRNNImpl", .group = Group::kGraph, .commands = kConvert | kPlan | kBatch,
     .help = "LSTM and RNN in their plain form as one operator of the runtime, whose weights are not quantized"},
    {.name = "transformerFuse", .group = Group::kGraph, .commands = kConvert | kPlan | kBatch,
     .help = "attention that is written out becomes one operator, where that of the runtime computes the same: one batch, as many queries "
             "as keys, one mask for all heads"},
    {.name = "transformerFuseC4", .group = Group::kGraph, .commands = kConvert | kPlan | kBatch, .state = State::kNoEffect,
     .reason = kPackedTransformers, .help = "packed layout for transformers of MNN sources: these are kept as they are"},
    {.name = "transformerFuseQkvProj", .group = Group::kGraph, .commands = kConvert | kPlan | kBatch, .state = State::kNoEffect,
     .reason = kPackedTransformers, .help = "part of --transformerFuseC4"},
    {.name = "transformerFuseGateUpProj", .group = Group::kGraph, .commands = kConvert | kPlan | kBatch, .state = State::kNoEffect,
     .reason = kPackedTransformers, .help = "part of --transformerFuseC4"},
    {.name = "transformerFuseLnProj", .group = Group::kGraph, .commands = kConvert | kPlan | kBatch, .state = State::kNoEffect,
     .reason = kPackedTransformers, .help = "part of --transformerFuseC4"},
    {.name = "targetVersion", .kind = Kind::kText, .value_name = "VERSION", .default_value = "3.6.1", .group = Group::kGraph,
     .commands = kConvert | kPlan | kBatch,
     .help = "oldest runtime that must be able to read the model, 2.8 or 3.0.1: newer functions are written in terms of older ones; what "
             "else is newer is an error"},
    {.name = "saveStaticModel", .group = Group::kGraph, .commands = kConvert | kPlan | kBatch,
     .help = "every input gets a fixed shape, and what follows from the shapes is computed by the conversion; the operators stay those "
             "of other models"},
    {.name = "inputConfigFile", .kind = Kind::kPath, .value_name = "FILE", .group = Group::kGraph, .commands = kConvert | kPlan | kBatch,
     .hint = Hint::kFile,
     .help = "for --saveStaticModel: shapes of inputs that the model leaves open, as lines input_size = 2, input_names = a,b, "
             "input_dims = 1x3x224x224,1x16"},
    {.name = "allowCustomOp", .group = Group::kGraph, .commands = kConvert | kPlan | kBatch,
     .help = "write operators that are not known as they are, as Extra operators with all inputs and attributes, instead of refusing the "
             "model; only a runtime that has them can run it"},
    {.name = "customOpLibs", .kind = Kind::kText, .value_name = "LIBRARIES", .group = Group::kGraph,
     .commands = kConvert | kPlan | kBatch, .state = State::kRefused,
     .reason = "libraries of operators belong to TorchScript models, which this program does not read", .help = "TorchScript operator libraries"},

    // ---- Resources
    {.name = "isa", .kind = Kind::kChoice, .value_name = "ISA", .default_value = "auto",
     .accepted = "auto|scalar|ssse3|sse4|avx2|avx512|neon", .group = Group::kRun, .commands = kConvert | kBatch | kCpu,
     .help = "instruction set to use; goes before QUANTPRESS_ISA. The output does not depend on it"},
    {.name = "threads", .kind = Kind::kInt, .value_name = "N", .default_value = "0", .accepted = "0..1024",
     .group = Group::kRun, .commands = kConvert | kBatch, .brief = "0: all; the output is the same",
     .help = "0: all that the process may use. The output does not depend on it"},
    {.name = "memory", .kind = Kind::kSize, .value_name = "SIZE", .default_value = "512M", .group = Group::kRun,
     .commands = kConvert | kBatch, .brief = "budget for buffers: 512M, 2G",
     .help = "budget for buffers, with K, M or G; mapped files do not count"},

    // ---- Messages
    {.name = "format", .kind = Kind::kChoice, .value_name = "FORMAT", .default_value = "onnx", .accepted = "onnx",
     .group = Group::kMessages, .commands = kOps, .brief = "source format",
     .help = "source format whose operators are listed"},
    {.name = "weights", .kind = Kind::kText, .value_name = "LAYER", .group = Group::kMessages, .commands = kInspect,
     .brief = "statistics and histogram of a layer",
     .help = "statistics and a histogram of the weights of one layer, decoded as the runtime does it"},
    {.name = "diff", .group = Group::kMessages, .commands = kInspect, .brief = "compare the weights of two files",
     .help = "two files: how the decoded weights of the second differ from those of the first, layer by layer"},
    {.name = "json", .group = Group::kMessages, .commands = kConvert, .help = "with --dry-run: print the plan as JSON"},
    {.name = "json", .group = Group::kMessages, .commands = kPlan | kBatch | kInspect | kCpu | kOps,
     .brief = "print JSON",
     .help = "print JSON"},
    {.name = "report", .kind = Kind::kPath, .value_name = "FILE", .group = Group::kMessages, .commands = kConvert,
     .repeats = true, .hint = Hint::kFile, .brief = "errors and sizes by layer: .json, .md, .html",
     .help = "write what happened to each layer, with errors and histograms; .json, .md or .html; may be given again"},
    {.name = "no-progress", .group = Group::kMessages, .commands = kConvert | kBatch, .help = "no progress line on a terminal"},
    {.name = "quiet", .group = Group::kMessages, .commands = kConvert | kPlan | kBatch, .brief = "print errors only",
     .help = "print errors only"},
    {.name = "verbose", .group = Group::kMessages, .commands = kConvert | kPlan | kBatch,
     .brief = "all notes, and a line for every layer", .help = "all notes, and a line for every layer"},
    {.name = "log-format", .kind = Kind::kChoice, .value_name = "FORMAT", .default_value = "text", .accepted = "text|json",
     .group = Group::kMessages, .commands = kConvert | kPlan | kBatch | kInspect | kCpu | kOps,
     .help = "messages on standard error: text, or one JSON object per line for programs, the last one a summary"},
    {.name = "help", .short_name = 'h', .group = Group::kMessages, .commands = kEveryCommand, .brief = "this text",
     .help = "this text"},
    {.name = "help-all", .group = Group::kMessages, .commands = kEveryCommand, .brief = "every option",
     .help = "every option"},
    {.name = "version", .short_name = 'v', .group = Group::kMessages, .commands = kEveryCommand,
     .help = "print the version"},

    // ---- Known from MNNConvert
    {.name = "debug", .group = Group::kCompatibility, .commands = kConvert, .state = State::kNoEffect,
     .help = "accepted without effect"},
    {.name = "benchmarkModel", .group = Group::kCompatibility, .commands = kConvert, .state = State::kNoEffect,
     .help = "accepted without effect"},
    {.name = "dumpPass", .group = Group::kCompatibility, .commands = kConvert,
     .help = "a note with the number of operators after each pass over the graph"},
    {.name = "testdir", .kind = Kind::kPath, .value_name = "DIRECTORY", .group = Group::kCompatibility,
     .commands = kConvert, .hint = Hint::kDirectory,
     .help = "after the conversion run the model on the stock runtime and compare, as `quantpress verify` does"},
    {.name = "testconfig", .kind = Kind::kPath, .value_name = "FILE", .group = Group::kCompatibility,
     .commands = kConvert, .hint = Hint::kFile, .help = "for --testdir: settings of the runtime, as JSON"},
    {.name = "thredhold", .kind = Kind::kNumber, .value_name = "ERROR", .default_value = "0.01", .group = Group::kCompatibility,
     .commands = kConvert, .help = "for --testdir: largest error that passes, relative to the largest reference value"},
    {.name = "python", .kind = Kind::kPath, .value_name = "FILE", .group = Group::kCompatibility,
     .commands = kConvert, .hint = Hint::kFile, .help = "for --testdir: Python that has the module MNN, see `quantpress help verify`"},
    {.name = "rknn", .group = Group::kCompatibility, .commands = kConvert, .state = State::kRefused, .inert = "0",
     .reason = "models for the Rockchip NPU are made by its vendor's compiler, which only special builds of the stock tool contain",
     .help = "Rockchip NPU model"},
};
// clang-format on

constexpr Command kCommands[] = {
    {.name = "convert", .bit = kConvert, .summary = "convert a model to MNN and quantize its weights"},
    {.name = "plan",
     .bit = kPlan,
     .words = "FILE",
     .min_words = 1,
     .max_words = 1,
     .summary = "what a conversion would do with every weight, as a table or to a file"},
    {.name = "batch",
     .bit = kBatch,
     .words = "DIRECTORY|FILE",
     .min_words = 1,
     .max_words = 1,
     .summary = "convert many models: a folder, or a list in JSON or CSV"},
    {.name = "inspect",
     .bit = kInspect,
     .words = "FILE [FILE]",
     .min_words = 1,
     .max_words = 2,
     .summary = "inputs, outputs, operators, and how each weight is stored"},
    {.name = "verify",
     .bit = kVerify,
     .words = "FILE",
     .min_words = 1,
     .max_words = 1,
     .summary = "run an MNN model on the stock runtime and compare its outputs with references"},
    {.name = "cpu", .bit = kCpu, .summary = "instruction sets that were found, and the one that is used"},
    {.name = "ops", .bit = kOps, .summary = "operators that can be converted"},
    {.name = "version", .bit = kVersion, .summary = "print the version"},
    {.name = "help", .bit = kHelp, .words = "[COMMAND]", .max_words = 1, .summary = "explain a command"},
    {.name = "generate",
     .bit = kGenerate,
     .words = "man|markdown|bash|zsh|fish",
     .min_words = 1,
     .max_words = 1,
     .summary = "print the manual page or a shell completion",
     .hidden = true},
};

template <typename Range, typename Predicate>
auto FindOrNull(const Range& range, Predicate predicate) -> decltype(std::data(range)) {
  const auto found = std::find_if(std::begin(range), std::end(range), predicate);
  return found == std::end(range) ? nullptr : &*found;
}

}  // namespace

std::span<const Option> AllOptions() { return kOptions; }
std::span<const Command> AllCommands() { return kCommands; }

const Option* FindOption(std::string_view name, unsigned command) {
  return FindOrNull(kOptions, [&](const Option& o) { return o.name == name && (o.commands & command) != 0; });
}

const Option* FindShortOption(char name, unsigned command) {
  return FindOrNull(kOptions,
                    [&](const Option& o) { return name != 0 && o.short_name == name && (o.commands & command) != 0; });
}

const Command* FindCommand(std::string_view name) {
  return FindOrNull(kCommands, [&](const Command& c) { return c.name == name; });
}

std::string_view GroupTitle(Group group) {
  switch (group) {
    case Group::kFiles:
      return "Files";
    case Group::kQuantization:
      return "Quantization";
    case Group::kGraph:
      return "Graph";
    case Group::kRun:
      return "Resources";
    case Group::kMessages:
      return "Output";
    case Group::kCompatibility:
      return "Known from MNNConvert";
  }
  return {};
}

}  // namespace quantpress::tools
