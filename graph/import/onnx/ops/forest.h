// Trees whose every branch asks "is a feature less than a threshold?": what the tree operators of ai.onnx.ml are brought to, and how rows
// of a matrix walk down them.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_FOREST_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_FOREST_H_

#include <cstdint>
#include <vector>

#include "graph/import/onnx/node_context.h"

namespace quantpress::graph::onnx {

// In the order of the attribute nodes_modes of TreeEnsemble.
enum class Branch : uint8_t { kLessOrEqual, kLess, kGreaterOrEqual, kGreater, kEqual, kUnequal, kMember };

// A branch as the source has it. Children are places of the forest.
struct SourceBranch {
  Branch kind = Branch::kLessOrEqual;
  int64_t feature = 0;
  float threshold = 0;
  std::vector<float> members;  // of kMember
  int64_t if_true = 0, if_false = 0;
  bool missing_is_true = false;  // NaN goes to if_true, whatever the comparison says
};

class Forest {
 public:
  // Places 0 to count - 1 are there at once, all of them leaves.
  explicit Forest(size_t count);

  // Makes place `at` a branch; what one comparison cannot say takes more places. Preconditions: all places lie below the initial count.
  void SetBranch(size_t at, const SourceBranch& branch);
  // A tree starts at this place.
  void AddRoot(int64_t place) { roots_.push_back(place); }

  size_t places() const { return yes_.size(); }
  size_t trees() const { return roots_.size(); }
  int64_t largest_feature() const;

  // The leaf that each row of x [N, F] reaches in each tree: [N, trees]. An error if places form a circle or more than 64 levels.
  Value Descend(NodeContext& node, Value x) const;

 private:
  size_t AddLeaf();
  void SetLess(size_t at, int64_t feature, float threshold, int64_t yes, int64_t no, int64_t missing);
  // `feature` equals one of the values.
  void SetMember(size_t at, int64_t feature, const std::vector<float>& values, int64_t yes, int64_t no, int64_t missing);
  // Levels below the roots; -1 for a circle or too many.
  int64_t Depth() const;

  std::vector<int64_t> features_, yes_, no_, missing_;  // by place; a leaf is its own child
  std::vector<float> thresholds_;
  std::vector<int64_t> roots_;
};

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OPS_FOREST_H_
