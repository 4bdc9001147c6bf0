// What a model file contains, as plain values: for `quantpress inspect` and for tests.
#ifndef QUANTPRESS_GRAPH_INSPECT_H_
#define QUANTPRESS_GRAPH_INSPECT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "dispatch/status.h"
#include "graph/convert.h"

namespace quantpress::graph {

struct TensorSummary {
  std::string name;
  std::vector<int> dims;  // -1: unknown; empty for outputs, whose shape the file does not hold
  std::string type;       // "float32", "int32", ...; empty where the file does not say
  std::string format;     // "NCHW", "NHWC", "NC4HW4"; empty where the file does not say
};

struct OpCount {
  std::string type;  // "Convolution"
  uint64_t count = 0;
};

// How one weight tensor is stored.
struct WeightSummary {
  std::string layer;      // op name
  std::string subgraph;   // empty: main graph
  std::string op_type;    // "Convolution", "Const", ...
  std::string coding;     // "float32", "float16", "quantized", "raw int8", "int8" (of an op that computes with int8), "sparse", "sparse float32", "unreadable"
  int bits = 0;           // bits per stored weight
  bool asymmetric = false;
  uint64_t elements = 0;
  uint64_t groups = 0;      // scales (pairs of minimum and scale where asymmetric); 0 where not quantized
  uint64_t group_size = 0;  // weights per scale
  uint64_t block = 0;       // input channels per scale; 0: one scale per output channel, or not quantized
  int scale_bits = 0;       // 32 or 16; 0 where not quantized
  bool external = false;    // data lies in the external weight file
  uint64_t bytes = 0;       // payload, header and scales
};

struct GraphSummary {
  std::string name;  // empty: main graph
  std::vector<TensorSummary> inputs;
  std::vector<TensorSummary> outputs;
  uint64_t tensors = 0;
  uint64_t ops = 0;
  std::vector<OpCount> op_types;  // sorted by name
};

struct ModelSummary {
  SourceFormat format = SourceFormat::kMnn;
  uint64_t file_bytes = 0;
  uint64_t external_bytes = 0;  // size of the external weight file; 0 where there is none
  std::string source;           // framework that the model came from: "ONNX", "CAFFE", ...
  std::string version;          // of the converter that wrote it; empty in old files
  std::string uuid;
  std::string biz_code;
  std::string auth_code;
  std::vector<std::pair<std::string, std::string>> metadata;
  GraphSummary main;
  std::vector<GraphSummary> subgraphs;
  std::vector<WeightSummary> weights;  // in graph order, main graph first
  uint64_t weight_elements = 0;
  uint64_t weight_bytes = 0;
};

// Reads the structure of a file; weights are not read. Formats other than MNN are imported first, so what is shown is the graph that
// a conversion would write. Errors as of ImportModel.
StatusOr<ModelSummary> Inspect(const std::string& path);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_INSPECT_H_
