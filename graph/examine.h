// What the weights of a model file are, and how those of two files differ: for `quantpress inspect`.
#ifndef QUANTPRESS_GRAPH_EXAMINE_H_
#define QUANTPRESS_GRAPH_EXAMINE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "dispatch/status.h"
#include "graph/inspect.h"

namespace quantpress::graph {

inline constexpr size_t kExamineBins = 64;

// One weight tensor as the runtime decodes it. Ranges, sums and the histogram are of finite values only.
struct WeightStatistics {
  WeightSummary summary;
  bool codes = false;        // the values are codes: the file has no scale of the weights alone (ops that compute with int8, in older files)
  uint64_t count = 0;
  uint64_t not_finite = 0;   // NaN and infinities
  uint64_t zeros = 0;
  double smallest = 0;
  double largest = 0;
  double mean = 0;
  double deviation = 0;      // standard, of the whole tensor: divided by the number of values
  double rms = 0;            // root of the mean square
  std::vector<uint64_t> histogram;  // kExamineBins equal bins from smallest to largest; one bin where they are equal; empty: no finite value
};

// The weight tensors called `layer` (an op's name, or "subgraph/name"); names need not be unique. Formats other than MNN are imported
// first. Errors: those of Inspect; no such layer (names near ones); weights that cannot be decoded.
StatusOr<std::vector<WeightStatistics>> ExamineWeights(const std::string& path, const std::string& layer);

enum class DiffState : uint8_t {
  kCompared,
  kOnlyFirst,    // no layer of this name in the second file
  kOnlySecond,
  kOtherSize,    // another number of weights
  kNotReadable,  // the weights of one of them cannot be decoded; `problem` says why
};

// How the weights of the second file differ from those of the first: errors as in LayerReport.
struct LayerDiff {
  DiffState state = DiffState::kCompared;
  WeightSummary first;   // empty for kOnlySecond
  WeightSummary second;  // empty for kOnlyFirst
  std::string problem;
  double rmse = 0;
  double sqnr_db = 0;    // infinite where all weights are equal
  double max_error = 0;
  double cosine = 1;
  bool codes = false;      // codes were compared, as in WeightStatistics
  uint64_t different = 0;  // weights that are not equal
};

// Layers are matched by name, and by their order where several have one name. In the order of the first file; those that only the second one
// has come last. Errors: those of Inspect.
StatusOr<std::vector<LayerDiff>> DiffWeights(const std::string& first, const std::string& second);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXAMINE_H_
