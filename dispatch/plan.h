// The plan: what happens to every weight tensor, decided before anything runs. A plan is a value: it can be printed,
// compared, saved and loaded, and running it needs no further decision.
#ifndef QUANTPRESS_DISPATCH_PLAN_H_
#define QUANTPRESS_DISPATCH_PLAN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dispatch/int8_layer.h"
#include "dispatch/quantize_run.h"
#include "dispatch/sparsity.h"
#include "dispatch/status.h"

namespace quantpress::dispatch {

// What is stored for one weight tensor.
enum class Storage : uint8_t {
  kFloat32,
  kHalf,       // IEEE half, rounded to nearest even
  kQuantized,  // table-coded integers, section 3.1 of the format: `coding`, groups of `group_size` weights
  kAsIs,       // already coded in the source; copied byte for byte
  kInt8,       // symmetric 8-bit codes of a layer that computes with int8: `int8`
};

// Where a block size does not fit a layer.
enum class BlockPolicy : uint8_t {
  kChannel,  // one group per output channel instead, reported
  kAdjust,   // the largest fitting divisor that the runtime can use, reported
  kError,
};

enum class NonFinitePolicy : uint8_t { kError, kZero, kClamp };

// Weight geometry as the quantizer sees it: rows of `row_length` contiguous weights; a row is one output channel (or any
// equal slice of the tensor for transposed convolutions).
struct WeightGeometry {
  std::string op_type;           // "Convolution", ...
  uint64_t rows = 0;             // output channels
  uint64_t input_channels = 0;   // per group of the convolution
  uint64_t kernel_size = 1;      // taps per channel; row_length = input_channels * kernel_size
  uint64_t row_length() const { return input_channels * kernel_size; }
  uint64_t elements() const { return rows * row_length(); }
};

// What was asked for one layer (from the command line, a rule or a recipe).
struct WeightRequest {
  int bits = 0;            // 0: leave float; 2..8
  bool asymmetric = false;
  bool hqq = false;        // asymmetric, optimised offsets
  int64_t block = -1;      // input channels per block; <= 0: one group per output channel
  int scale_bits = 32;     // 16: half scales
  bool fp16 = false;       // store half where bits == 0
};

// How a layer with many zeros is stored. The numbers come from counting (graph/plan_sparsity.h).
struct SparseLayer {
  uint64_t block = 0;      // marked for the runtime's sparse kernels, in blocks of this many output channels; 0: not marked
  bool by_blocks = false;  // the mark names the method of the recipe's SIMD_OC entry
  bool listed = false;     // only what is not zero is stored, with its position
  BlockCounts counts;      // of marked layers
  uint64_t entries = 0;    // listed: entries in all
  int step_bits = 0;       // listed codes: width of a step
  std::vector<uint64_t> starts;  // listed float32: entries in front of each piece of PieceRows() rows
};

struct WeightPlan {
  std::string layer;      // op name
  std::string subgraph;   // empty: main graph
  WeightGeometry geometry;
  WeightRequest request;
  Storage storage = Storage::kFloat32;
  CodingSpec coding;           // kQuantized and kInt8 only
  bool source_codes = false;   // kQuantized only: codes and scales are those of the source, not computed from weights
  std::shared_ptr<const Int8Layer> int8;  // kInt8 only
  SparseLayer sparse;          // kFloat32 and kQuantized only
  uint64_t block = 0;          // input channels per block; 0: channel-wise (one group per row)
  uint64_t group_size = 0;     // weights per group
  uint64_t groups = 0;
  std::string reason;          // why this storage: "--weightQuantBits", "recipe", "already quantized", ...
  std::string note;            // non-empty where the layer did not get what was asked: says why
  uint64_t bytes_before = 0;   // of the weight as it is in the source
  uint64_t bytes_after = 0;    // payload + scales (+ header)
};

struct Plan {
  std::vector<WeightPlan> weights;  // in graph order, main graph first
};

// A quantized payload begins with its dimensions, of 16 bits each, or 32 where one is beyond 65535.
constexpr bool HasWideHeader(uint64_t groups, uint64_t group_size) { return groups > 65535 || group_size > 65535; }
constexpr uint64_t DimensionBytes(uint64_t groups, uint64_t group_size) { return 1 + 2 * (HasWideHeader(groups, group_size) ? 4 : 2); }

// The table of all codes.
constexpr uint64_t TableBytes(int bits) { return 1 + (uint64_t{1} << bits); }

// Bytes in front of the packed indexes of all weights: dimensions and table.
constexpr uint64_t PayloadHeaderBytes(uint64_t groups, uint64_t group_size, int bits) {
  return DimensionBytes(groups, group_size) + TableBytes(bits);
}
constexpr uint64_t DenseBytes(uint64_t groups, uint64_t group_size, int bits) {
  return PayloadHeaderBytes(groups, group_size, bits) + kernels::PackedBytes(groups * group_size, bits);
}

// Bytes of a payload that lists its entries: dimensions, number of entries, width of a step, steps, table, codes.
constexpr uint64_t ListHeaderBytes(uint64_t groups, uint64_t group_size) { return DimensionBytes(groups, group_size) + 4 + 1; }
constexpr uint64_t ListedBytes(uint64_t groups, uint64_t group_size, int bits, uint64_t entries, int step_bits) {
  return ListHeaderBytes(groups, group_size) + kernels::PackedBytes(entries, step_bits) + TableBytes(bits) +
         kernels::PackedBytes(entries, bits);
}

// Rows that are counted, and listed, at a time: whole blocks of a marked layer.
uint64_t PieceRows(const WeightGeometry& geometry, uint64_t block);

// Decides storage, block and sizes for one layer. Errors: bits outside {0, 2..8}, scale_bits not 16 or 32, a block that does not
// fit under BlockPolicy::kError (names the layer and lists fitting sizes).
StatusOr<WeightPlan> PlanWeight(std::string layer, const WeightGeometry& geometry, const WeightRequest& request,
                                BlockPolicy policy, std::string reason);

// The plan of a layer whose source holds codes and scales that the coding can hold as they are: symmetric, `bits` wide, one
// scale per `block` input channels (0: per row). Precondition: the block fits the layer.
WeightPlan PlanSourceCodes(std::string layer, const WeightGeometry& geometry, int bits, uint64_t block);

// The plan of a layer that computes with int8. Error: not one scale per output channel.
StatusOr<WeightPlan> PlanInt8(std::string layer, const WeightGeometry& geometry, std::shared_ptr<const Int8Layer> int8);

// What people call a layer: "subgraph/layer", or "layer" in the main graph.
std::string FullName(const std::string& subgraph, const std::string& layer);
// Of a WeightPlan, or whatever else has these two names.
template <typename Weight>
std::string FullName(const Weight& weight) {
  return FullName(weight.subgraph, weight.layer);
}

// Whether the weights are stored as codes with scales, as `coding` says.
constexpr bool IsCoded(Storage storage) { return storage == Storage::kQuantized || storage == Storage::kInt8; }

// Whether the runtime can use blocks of this many input channels.
bool BlockFits(uint64_t block, uint64_t input_channels);

}  // namespace quantpress::dispatch

#endif  // QUANTPRESS_DISPATCH_PLAN_H_
