// The messages of a compressionParamsFile (protobuf package MNN.Compression) as plain structures, and the one description of their
// fields from which both forms, JSON and binary, are read and written.
#ifndef QUANTPRESS_GRAPH_RECIPE_MESSAGES_H_
#define QUANTPRESS_GRAPH_RECIPE_MESSAGES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace quantpress::graph::recipe {

// Where a message stands in its file; 0 in binary files.
struct Located {
  int line = 0;
};

struct ActivationParams : Located {
  std::optional<std::string> name;
  std::optional<int32_t> bits, zero_point, clamp_min, clamp_max;
  std::vector<float> scales;
};

struct WeightParams : Located {
  std::optional<std::string> name;
  std::optional<int32_t> bits, clamp_min, clamp_max, block_size;
  std::optional<bool> asymmetric;
  std::vector<float> scales;
};

struct WinogradParams : Located {
  std::optional<int32_t> version;
  std::vector<int32_t> units_attr;
};

struct ConvolutionInfo : Located {
  std::optional<int32_t> input_channel, output_channel;
  std::vector<int32_t> kernel_size;
};

struct LayerQuantizeParams : Located {
  std::vector<ActivationParams> input, output;
  std::vector<WeightParams> weight;
  std::optional<int32_t> method;
  std::optional<WinogradParams> wino_params;
  std::optional<std::string> op_name, subgraph_name;
  std::optional<ConvolutionInfo> conv;
};

struct QuantizeParams : Located {
  std::optional<int32_t> round_mode;
  std::vector<LayerQuantizeParams> layer;
};

struct LevelPrunerParams : Located {
  std::vector<std::string> weight_tensor_names, layer_names;
  std::vector<float> prune_ratios;
};

struct SimdOcPrunerParams : LevelPrunerParams {
  std::vector<int32_t> oc_blocks;
};

enum PruneType : int32_t { kPruneRandom = 0, kPruneSimdOc = 1, kPruneFilter = 2 };

struct PruneParams : Located {
  std::optional<int32_t> type;
  std::optional<LevelPrunerParams> level_pruner_params;
  std::optional<SimdOcPrunerParams> simd_oc_pruner_params;
};

enum CompressionType : int32_t { kQuantize = 0, kPrune = 1 };

struct CompressionAlgo : Located {
  std::optional<int32_t> type;  // absent: kQuantize
  std::optional<QuantizeParams> quant_params;
  std::optional<PruneParams> prune_params;
};

struct Pipeline : Located {
  std::optional<std::string> version, mnn_uuid;
  std::vector<CompressionAlgo> algo;
  std::optional<bool> for_guide;
};

// An entry of a file that is no guide, with an output and weights, is a layer that computes with int8. Other entries may be settings for
// weights.
inline bool AsksForInt8(const Pipeline& pipeline, const LayerQuantizeParams& layer) {
  return !pipeline.for_guide.value_or(false) && !layer.output.empty() && !layer.weight.empty();
}

// What a value may be.
enum class Accept : uint8_t {
  kAny,
  kRequired,
  kRequiredPositive,  // whole number above 0
  kPositive,
  kWeightBits,  // 0, or 2 to 8
  kBits,        // 2 to 8
  kCode,        // -128 to 127
  kScale,       // finite, not negative
  kRatio,       // 0 to 1
};

constexpr bool IsRequired(Accept accept) { return accept == Accept::kRequired || accept == Accept::kRequiredPositive; }

using EnumNames = std::span<const std::string_view>;  // by number
inline constexpr std::string_view kCompressionTypes[] = {"QUANTIZE", "PRUNE"};
inline constexpr std::string_view kRoundModes[] = {"ROUND_TOWARDS_ZERO", "ROUND_AWAY_FROM_ZERO", "ROUND_HALF_TO_EVEN"};
inline constexpr std::string_view kQuantMethods[] = {"QAT", "OverflowAware", "WinogradAware"};
inline constexpr std::string_view kPruneTypes[] = {"RANDOM", "SIMD_OC", "FILTER"};

// VisitFields(v, message) calls v(number, "field_name", value, accept) for every field, v.Enum(...) for enumerations.
template <typename V>
void VisitFields(V& v, ActivationParams& m) {
  v(1, "name", m.name, Accept::kRequired);
  v(2, "bits", m.bits, Accept::kBits);
  v(3, "scales", m.scales, Accept::kScale);
  v(4, "zero_point", m.zero_point, Accept::kCode);
  v(5, "clamp_min", m.clamp_min, Accept::kCode);
  v(6, "clamp_max", m.clamp_max, Accept::kCode);
}

template <typename V>
void VisitFields(V& v, WeightParams& m) {
  v(1, "name", m.name, Accept::kRequired);
  v(2, "bits", m.bits, Accept::kWeightBits);
  v(3, "scales", m.scales, Accept::kScale);
  v(4, "clamp_min", m.clamp_min, Accept::kCode);
  v(5, "clamp_max", m.clamp_max, Accept::kCode);
  v(6, "asymmetric", m.asymmetric, Accept::kAny);
  v(7, "block_size", m.block_size, Accept::kAny);
}

template <typename V>
void VisitFields(V& v, WinogradParams& m) {
  v(1, "version", m.version, Accept::kRequired);
  v(4, "units_attr", m.units_attr, Accept::kAny);
}

template <typename V>
void VisitFields(V& v, ConvolutionInfo& m) {
  v(1, "input_channel", m.input_channel, Accept::kRequiredPositive);
  v(2, "output_channel", m.output_channel, Accept::kRequiredPositive);
  v(3, "kernel_size", m.kernel_size, Accept::kPositive);
}

template <typename V>
void VisitFields(V& v, LayerQuantizeParams& m) {
  v(1, "input", m.input, Accept::kAny);
  v(2, "weight", m.weight, Accept::kAny);
  v(3, "output", m.output, Accept::kAny);
  v.Enum(4, "method", m.method, EnumNames(kQuantMethods));
  v(5, "wino_params", m.wino_params, Accept::kAny);
  v(6, "op_name", m.op_name, Accept::kAny);
  v(7, "subgraph_name", m.subgraph_name, Accept::kAny);
  v(8, "conv", m.conv, Accept::kAny);
}

template <typename V>
void VisitFields(V& v, QuantizeParams& m) {
  v.Enum(1, "round_mode", m.round_mode, EnumNames(kRoundModes));
  v(4, "layer", m.layer, Accept::kAny);
}

template <typename V>
void VisitFields(V& v, LevelPrunerParams& m) {
  v(1, "weight_tensor_names", m.weight_tensor_names, Accept::kAny);
  v(2, "prune_ratios", m.prune_ratios, Accept::kRatio);
  v(3, "layer_names", m.layer_names, Accept::kAny);
}

template <typename V>
void VisitFields(V& v, SimdOcPrunerParams& m) {
  VisitFields(v, static_cast<LevelPrunerParams&>(m));
  v(4, "oc_blocks", m.oc_blocks, Accept::kPositive);
}

template <typename V>
void VisitFields(V& v, PruneParams& m) {
  v.Enum(1, "type", m.type, EnumNames(kPruneTypes));
  v(2, "level_pruner_params", m.level_pruner_params, Accept::kAny);
  v(3, "simd_oc_pruner_params", m.simd_oc_pruner_params, Accept::kAny);
}

template <typename V>
void VisitFields(V& v, CompressionAlgo& m) {
  v.Enum(1, "type", m.type, EnumNames(kCompressionTypes));
  v(2, "quant_params", m.quant_params, Accept::kAny);
  v(3, "prune_params", m.prune_params, Accept::kAny);
}

template <typename V>
void VisitFields(V& v, Pipeline& m) {
  v(1, "version", m.version, Accept::kRequired);
  v(2, "algo", m.algo, Accept::kAny);
  v(3, "mnn_uuid", m.mnn_uuid, Accept::kAny);
  v(4, "for_guide", m.for_guide, Accept::kAny);
}

}  // namespace quantpress::graph::recipe

#endif  // QUANTPRESS_GRAPH_RECIPE_MESSAGES_H_
