// The C++ interface of the library: convert a model file to .mnn with quantized weights, plan that on paper, look into
// model files.
//
//   quantpress::Options options;
//   options.source.path = "model.onnx";
//   options.output.path = "model.mnn";
//   options.quantization.bits = 4;
//   const auto report = quantpress::Convert(options);
//   if (!report.ok()) std::cerr << report.error().message() << "\n";
//
// Needs C++17 and nothing but the standard library. All functions may be called from several threads at once; there is
// no state besides the values that are passed and returned. Nothing prints, exits or throws. Texts are bytes as they
// are in the files; names from a model need not be UTF-8. docs/library.md shows the whole; quantpress_c.h has the same
// for C and for other languages.
#ifndef QUANTPRESS_QUANTPRESS_H_
#define QUANTPRESS_QUANTPRESS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace quantpress {

// "0.1.0"
const char* LibraryVersion();

// ---- Errors

enum class ErrorCode : int32_t {
  kNone = 0,
  kInvalidInput = 1,  // a wrong file, option or value
  kUnsupported = 2,   // legal, but this version cannot do it
  kSystem = 3,        // open, read, write, memory
  kMemoryBudget = 4,  // one piece of work needs more than Run::memory_bytes
  kCancelled = 5,
  kInternal = 6,
};

class [[nodiscard]] Error {
 public:
  Error() = default;  // none
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  bool ok() const { return code_ == ErrorCode::kNone; }
  ErrorCode code() const { return code_; }
  // What was found, where, what was expected and what to do.
  const std::string& message() const { return message_; }

 private:
  ErrorCode code_ = ErrorCode::kNone;
  std::string message_;
};

// A value, or the error that there is instead.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}
  Result(Error error) : error_(std::move(error)) {}

  bool ok() const { return value_.has_value(); }
  const Error& error() const { return error_; }
  // Precondition of the others: ok().
  T& operator*() { return *value_; }
  const T& operator*() const { return *value_; }
  T* operator->() { return &*value_; }
  const T* operator->() const { return &*value_; }

 private:
  std::optional<T> value_;
  Error error_;
};

// ---- What is asked for

enum class Format : int32_t { kAuto = 0, kMnn = 1, kOnnx = 2, kJson = 6 /* a model as text, docs/json.md */ };

struct Source {
  std::string path = {};
  Format format = Format::kAuto;       // kAuto: the content decides
  int32_t batch = 0;                   // > 0: size of an unknown first dimension of every input
  bool convert_matmul_to_conv = true;  // MatMul with a constant matrix: a convolution, which can be quantized
  bool gelu_approximation = true;      // erf GELU in front of a product: by the tanh formula
  bool group_conv_native = false;      // keep a grouped convolution as one operator
  bool recurrent_native = false;       // LSTM and RNN as operators of the runtime, with float weights
  bool align_denormals = true;         // denormal convolution weights become 0
  int32_t optimize_prefer = 0;         // 1: smallest file, 2: fastest
  bool for_training = false;           // BatchNorm and Dropout stay
  bool allow_custom_op = false;        // operators that are not known are written as they are
  bool fuse_attention = false;         // attention that is written out becomes one operator
  bool split_block_quant = false;      // MNN sources: a block-quantized 1x1 convolution becomes one per block
  std::string target_version = {};     // oldest runtime that must be able to read the model, "3.0"; empty: 3.6.1
  bool static_shapes = false;          // every input has a fixed shape: that of the model, or one of these
  std::vector<std::pair<std::string, std::vector<int64_t>>> input_shapes = {};
  std::string input_config_path = {};  // the same as a file (docs/command-line.md), where input_shapes is empty
};

enum class BlockPolicy : int32_t { kChannel = 0, kAdjust = 1, kError = 2 };
enum class NonFinitePolicy : int32_t { kError = 0, kZero = 1, kClamp = 2 };

struct Quantization {
  int32_t bits = 0;                                     // 2 to 8; 0: leave the weights as they are
  bool asymmetric = false;                              // minimum and scale instead of a scale alone
  bool hqq = false;                                     // half-quadratic quantization: smaller error; asymmetric
  int64_t block = -1;                                   // input channels per scale; -1: all of an output channel
  int32_t scale_bits = 32;                              // 16: scales as half floats
  bool fp16 = false;                                    // half floats for every weight that is not quantized
  BlockPolicy block_policy = BlockPolicy::kChannel;     // where a block does not fit a layer
  NonFinitePolicy nonfinite = NonFinitePolicy::kError;  // NaN or infinite weights
  bool requantize = false;       // decode weights that are already quantized and quantize them again
  std::string recipe_path = {};  // settings per layer (docs/recipes.md); Convert makes the file where there is none
  std::vector<std::string> rules = {};  // "lm_head.*=bits:8,block:32"; above the recipe, later ones above earlier ones
  bool strict_recipe = false;           // entries and rules without effect are errors
  bool detect_sparse = false;           // count zeros, mark sparse layers for the runtime, store only their other weights
};

struct Output {
  std::string path = {};
  bool external = false;       // weights to <path>.weight; happens by itself where a file would pass 2 GB
  std::string biz_code = {};   // tag; empty: that of an MNN source, else "MNNTest"
  std::string auth_code = {};  // stored as extraInfo.name
};

// How a conversion runs. None of it changes a byte of the output.
struct Run {
  int32_t threads = 0;                          // 0: one for each processor
  uint64_t memory_bytes = uint64_t{512} << 20;  // budget for buffers; mapped files do not count
  std::string isa = "auto";                     // one of AvailableIsas(), or "auto": the best of them
  bool statistics = true;                       // errors and histograms of each layer
};

struct Options {
  Source source = {};
  Quantization quantization = {};
  Output output = {};
  Run run = {};
};

// Names of what this CPU and this build have, slowest first: "scalar", "avx2", ...
std::vector<std::string> AvailableIsas();

// ---- Watching and stopping

// Copies stand for the same thing: Cancel() through any of them stops every call that was given one. Safe from several
// threads and from a signal handler.
class Cancellation {
 public:
  Cancellation();
  void Cancel() const;
  bool cancelled() const;

 private:
  friend struct Access;
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

struct Hooks {
  // Weights done, and weights in all. Called from worker threads, several at a time; must not throw.
  std::function<void(uint64_t done, uint64_t total)> on_progress = {};
  std::optional<Cancellation> cancellation = {};
};

// ---- What comes out

// kAsIs: coded in the source, copied. kInt8: a layer that computes with int8, from a recipe.
enum class Storage : int32_t { kFloat32 = 0, kHalf = 1, kQuantized = 2, kAsIs = 3, kInt8 = 4 };
enum class Method : int32_t { kNone = 0, kSymmetric = 1, kAsymmetric = 2, kHqq = 3 };

// The stored weights, decoded as the runtime does it, against the float weights that went in.
struct LayerStatistics {
  uint64_t weights = 0;
  double rmse = 0;
  double sqnr_db = 0;  // infinite where there is no error
  double max_error = 0;
  double cosine = 1;
  double weight_min = 0;
  double weight_max = 0;
  double seconds = 0;  // of worker threads
};

// One weight tensor. In a plan that was read from a file sizes are not known: group_size, groups and bytes are 0.
struct Layer {
  std::string name;
  std::string subgraph;  // empty: main graph
  std::string op_type;   // "Convolution"
  uint64_t rows = 0;     // output channels; 0 where not known
  uint64_t input_channels = 0;
  uint64_t kernel_size = 1;
  Storage storage = Storage::kFloat32;
  Method method = Method::kNone;  // this and the next five: kQuantized only
  int32_t bits = 0;
  int32_t scale_bits = 0;
  uint64_t block = 0;       // input channels per scale; 0: one scale per row
  uint64_t group_size = 0;  // weights per scale
  uint64_t groups = 0;
  std::string description;  // "4 bit HQQ, block 64"
  std::string reason;       // why: "--weightQuantBits", a rule, an entry of the recipe, ...
  std::string note;         // not empty where the layer did not get what was asked for: says why
  uint64_t bytes_before = 0;
  uint64_t bytes_after = 0;
  // Of a conversion; absent where the weights were copied, and with Run::statistics off.
  std::optional<LayerStatistics> statistics;
};

// What a conversion does to every weight, decided before anything is written. A value; copies are cheap.
class Plan {
 public:
  // A file of Save, or of `quantpress plan -o`.
  static Result<Plan> Load(const std::string& path);

  const std::vector<Layer>& layers() const;       // in graph order
  const std::vector<std::string>& notes() const;  // one line each: what the user should know
  Result<std::string> ToJson() const;             // docs/plan.md
  Error Save(const std::string& path) const;

 private:
  friend struct Access;
  struct Impl;
  explicit Plan(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

struct Totals {
  uint64_t weights = 0;
  uint64_t bytes_before = 0;  // of weights
  uint64_t bytes_after = 0;
  uint64_t source_bytes = 0;  // of files, external weight files among them
  uint64_t output_bytes = 0;
  uint64_t quantized = 0;  // layers
  uint64_t half = 0;
  uint64_t float32 = 0;
  uint64_t kept = 0;
  std::optional<double> rmse;  // over all weights that were quantized or stored as halves
  std::optional<double> sqnr_db;
  std::optional<double> max_error;
  double seconds = 0;
};

enum class ReportFormat : int32_t { kJson = 0, kMarkdown = 1, kHtml = 2 };

// What a conversion did. A value; copies are cheap.
class Report {
 public:
  const std::vector<Layer>& layers() const;       // in graph order
  const std::vector<std::string>& notes() const;  // one line each: what the user should know
  const Totals& totals() const;
  bool external() const;    // weights stand in <output>.weight
  std::string isa() const;  // that was used
  int32_t threads() const;

  Result<std::string> Render(ReportFormat format) const;  // docs/report.md
  // .json, .md, .html or .htm at the end of the path says what is written. The path must not be that of the source,
  // output or recipe.
  Error Write(const std::string& path) const;

 private:
  friend struct Access;
  struct Impl;
  explicit Report(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

// ---- Calls

// What Convert would do; writes nothing. output.path may be empty.
Result<Plan> MakePlan(const Options& options);

// Writes the model. On any error, and when cancelled, nothing is left at the output path but what was there before. The
// same bytes as `quantpress convert` with the same options.
Result<Report> Convert(const Options& options, const Hooks& hooks = {});

// Does what a plan says. `source_path`: where the model is now; empty: where it was when the plan was made.
Result<Report> ConvertPlan(const Plan& plan, const std::string& output_path, const Run& run = {},
                           const Hooks& hooks = {}, const std::string& source_path = {});

// Converts many models under one budget, that of `run`: large ones one after the other on all threads, small ones side
// by side. A model that fails does not stop the others; what becomes of each is in the result, in the order of
// `models`, whose own Options::run counts for nothing but statistics. Folders of outputs are made. No two models may
// have the same output path. Progress is in bytes of the sources; when cancelled, the models that are not complete have
// an error kCancelled.
std::vector<Result<Report>> ConvertAll(const std::vector<Options>& models, const Run& run = {},
                                       const Hooks& hooks = {});

// ---- Looking into files

struct Tensor {
  std::string name;
  std::vector<int32_t> dims;  // -1: unknown; empty for outputs, whose shape a file does not hold
  std::string type;           // "float32", ...; empty where the file does not say
  std::string layout;         // "NCHW", "NHWC", "NC4HW4"; empty where the file does not say
};

struct StoredWeight {
  std::string layer;
  std::string subgraph;  // empty: main graph
  std::string op_type;
  // "float32", "float16", "quantized", "raw int8", "int8" (computes with int8), "sparse", "sparse float32", "unreadable"
  std::string coding;
  int32_t bits = 0;    // per stored weight
  bool asymmetric = false;
  uint64_t weights = 0;
  uint64_t groups = 0;  // scales; 0 where not quantized
  uint64_t group_size = 0;
  uint64_t block = 0;
  int32_t scale_bits = 0;
  bool external = false;
  uint64_t bytes = 0;
};

struct ModelInfo {
  Format format = Format::kMnn;
  uint64_t file_bytes = 0;
  uint64_t external_bytes = 0;
  std::string framework;  // that the model came from
  std::string version;    // of the converter that wrote it
  std::string uuid, biz_code, auth_code;
  std::vector<std::pair<std::string, std::string>> metadata;
  std::vector<Tensor> inputs, outputs;                      // of the main graph
  std::vector<std::pair<std::string, uint64_t>> operators;  // of the main graph: type and count
  std::vector<StoredWeight> weights;
};

// ONNX files are imported first: what is shown is the graph that a conversion would write.
Result<ModelInfo> Inspect(const std::string& path);

// One weight tensor as the runtime decodes it. Ranges, sums and the histogram are of finite values only.
struct WeightStatistics {
  StoredWeight stored;
  bool codes =
      false;  // the values are codes: the file has no scale of the weights alone (some layers that compute with int8)
  uint64_t count = 0;
  uint64_t not_finite = 0;  // NaN and infinities
  uint64_t zeros = 0;
  double smallest = 0;
  double largest = 0;
  double mean = 0;
  double deviation = 0;             // standard, divided by the number of values
  double rms = 0;                   // root of the mean square
  std::vector<uint64_t> histogram;  // equal bins from smallest to largest; empty: no finite value
};

// The weight tensors of a layer ("name" or "subgraph/name"); names need not be unique.
Result<std::vector<WeightStatistics>> InspectWeights(const std::string& path, const std::string& layer);

enum class Match : int32_t { kCompared = 0, kOnlyFirst = 1, kOnlySecond = 2, kOtherSize = 3, kNotReadable = 4 };

// How the weights of the second file differ from those of the first.
struct WeightDifference {
  Match match = Match::kCompared;
  StoredWeight first, second;  // empty where the file has no such layer
  std::string problem;         // of kNotReadable
  bool codes = false;          // codes were compared, as in WeightStatistics
  uint64_t different = 0;      // weights that are not equal
  double rmse = 0;
  double sqnr_db = 0;  // infinite where all are equal
  double max_error = 0;
  double cosine = 1;
};

// Layers are matched by name. In the order of the first file; those that only the second one has come last.
Result<std::vector<WeightDifference>> DiffWeights(const std::string& first, const std::string& second);

}  // namespace quantpress

#endif  // QUANTPRESS_QUANTPRESS_H_
