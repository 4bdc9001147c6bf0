// Who makes and who uses each tensor of a graph: what passes look up while they match patterns.
#ifndef QUANTPRESS_GRAPH_PASSES_GRAPH_INDEX_H_
#define QUANTPRESS_GRAPH_PASSES_GRAPH_INDEX_H_

#include <cstddef>
#include <optional>
#include <vector>

#include <absl/container/inlined_vector.h>

#include "graph/ir/model.h"

namespace quantpress::graph {

// Valid until ops are added or reordered; a pass that changes an op's inputs or outputs tells it so through the functions
// below, and marks ops as removed instead of erasing them. Commit() erases.
class GraphIndex {
 public:
  using OpPositions = absl::InlinedVector<size_t, 2>;  // most tensors have one user, and every pass makes an index

  explicit GraphIndex(Graph* graph);

  Graph& graph() { return *graph_; }
  // Op that makes tensor t; nullptr for none.
  Op* Producer(int t);
  // Ops that read tensor t, each once per use.
  const OpPositions& Users(int t) const { return users_[static_cast<size_t>(t)]; }
  // The only op that reads t; nullptr if there is another, or if t is a graph output.
  Op* OnlyUser(int t);
  bool IsOutput(int t) const { return is_output_[static_cast<size_t>(t)]; }
  // What is known of the shape of t (see Graph::shapes); nullptr if not even the rank is.
  const std::vector<int64_t>* ShapeOf(int t) const;
  // The Const op that makes t, or nullptr.
  Op* ConstProducer(int t);

  // Makes every user of `from` read `to`.
  void ReplaceUses(int from, int to);
  // `op` now makes tensor t as its first output; whoever made t before is removed.
  void MoveOutput(Op* op, int t);
  void Remove(Op* op);
  void SetInputs(Op* op, std::vector<int> inputs);
  // `op` becomes another operator with the same outputs and no weights.
  void Become(Op* op, mnn::OpType type, mnn::OpParameterUnion main, std::vector<int> inputs);
  bool removed(const Op* op) const { return removed_[Position(op)]; }
  size_t Position(const Op* op) const { return static_cast<size_t>(op - graph_->ops.data()); }

  // Erases removed ops.
  void Commit();

 private:
  void ForgetInputs(const Op* op);

  Graph* graph_;
  std::vector<std::optional<size_t>> producer_;
  std::vector<OpPositions> users_;
  std::vector<bool> is_output_;
  std::vector<bool> removed_;
};

// Elements of a Const op, with its shape; nullptr source if op is no Const of floats.
struct ConstFloats {
  TensorSourcePtr data;
  std::vector<int64_t> shape;
};
std::optional<ConstFloats> FloatsOf(const Op* op);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_PASSES_GRAPH_INDEX_H_
