// First step of an export: every op's parameter table as it will be in the file, and the list of vectors whose data is written
// separately ("bulk vectors").
#ifndef QUANTPRESS_GRAPH_EXPORT_LOWER_H_
#define QUANTPRESS_GRAPH_EXPORT_LOWER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "dispatch/plan.h"
#include "graph/convert.h"
#include "graph/ir/model.h"

namespace quantpress::graph {

// One bulk vector of the output.
struct BulkVector {
  BulkField field = BulkField::kWeight;
  uint32_t member = 0;
  uint32_t graph = 0;     // 0: main graph, i + 1: subgraph i
  uint32_t op = 0;        // index in that graph
  uint32_t width = 1;     // bytes per element
  uint64_t bytes = 0;
  bool external = false;  // in the external weight file
  uint64_t offset = 0;    // of the data, in its file; set by the layout
  std::optional<size_t> same_as = {};  // an earlier vector that holds the same bytes (share_equal.h)
  bool shared = false;    // stands where that one stands, and is not written; set by the layout
};

// How the bytes of a bulk vector come about. `vector` and `alpha` are indexes into Lowered::vectors.
struct CopyJob {
  Bytes bytes;
};
struct FloatJob {  // elements as float32
  TensorSourcePtr source;
  bool is_weight = false;  // subject to the policies for NaN, infinities and denormals
  std::optional<size_t> plan_index = {};  // of a convolution's weights
};
struct HalfJob {  // elements as halves, rounded to nearest even
  TensorSourcePtr source;
  bool is_weight = false;
  size_t plan_index = 0;
};
struct IntJob {  // elements as integers of the vector's width, saturated
  TensorSourcePtr source;
  bool is_unsigned = false;
};
struct ZeroJob {};
struct QuantizeJob {
  TensorSourcePtr source;
  size_t plan_index = 0;
  size_t alpha = 0;
};

struct ListFloatsJob {  // values of the weights that are not zero; `index`: their positions
  TensorSourcePtr source;
  size_t plan_index = 0;
  size_t index = 0;
};
struct ListCodesJob {  // a payload that lists the codes that are not zero
  TensorSourcePtr source;
  size_t plan_index = 0;
  size_t alpha = 0;
};

struct Job {
  size_t vector = 0;
  std::string layer;
  std::variant<CopyJob, FloatJob, HalfJob, IntJob, ZeroJob, QuantizeJob, ListFloatsJob, ListCodesJob> work;
};

struct Lowered {
  std::vector<BulkVector> vectors;  // in file order
  std::vector<Job> jobs;
};

// Consumes the bulk of `model`'s ops: afterwards their tables hold a one-element placeholder where a bulk vector is, and all scalars have
// their final values. Errors: the plan does not belong to the model.
StatusOr<Lowered> LowerModel(Model* model, const dispatch::Plan& plan);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_LOWER_H_
