// A product with a constant matrix is a 1x1 convolution between two Reshapes. What works on single elements behind it moves in
// front of the second Reshape, onto the packed result:
//   product -> Reshape -> activation                    becomes  product -> activation -> Reshape
//   two of these -> sum, difference or product          becomes  two products -> sum, ... -> Reshape
// Then the Reshapes between two products cancel out, and data stays packed from one convolution to the next.
#include <algorithm>
#include <unordered_set>

#include "graph/passes/match.h"
#include "graph/passes/passes.h"

namespace quantpress::graph {
namespace {

using mnn::OpType;
using B = mnn::BinaryOpOperation;
using U = mnn::UnaryOpOperation;

// Functions of single elements that are finite at 0: packed data has zeros behind the last channel, and what becomes of
// them must not reach the next convolution as an infinity.
bool IsActivation(const Op& op) {
  if (op.inputs.size() != 1) return false;
  switch (op.type) {
    case OpType::ReLU:
    case OpType::ReLU6:
    case OpType::ELU:
    case OpType::Selu:
      return true;
    case OpType::UnaryOp:
      for (U kind : {U::ABS, U::NEG, U::SQUARE, U::SIGMOID, U::TANH, U::HARDSWISH, U::GELU, U::GELU_STANDARD, U::SILU, U::ERF, U::BNLL}) {
        if (IsUnary(&op, kind)) return true;
      }
      return false;
    default: return false;
  }
}

class ReshapeMover {
 public:
  explicit ReshapeMover(Graph* graph)
      : graph_(*graph), index_(graph), packed_(graph->tensors.size(), false), names_(graph->tensors.begin(), graph->tensors.end()) {}

  void Run() {
    for (Op& op : graph_.ops) {
      if (op.outputs.size() != 1) continue;
      if (op.type == OpType::Convolution && op.name.ends_with("__matmul_converted")) packed_[static_cast<size_t>(op.outputs[0])] = true;
      else if (IsActivation(op)) MoveActivation(op);
      else if (IsBinary(&op, B::ADD) || IsBinary(&op, B::SUB) || IsBinary(&op, B::MUL)) MoveBinary(op);
      else if (op.type == OpType::Reshape) Cancel(op);
    }
    index_.Commit();
  }

 private:
  // The Reshape of a packed result that only `user` reads, or nullptr.
  Op* ReshapeBefore(int t, const Op& user) {
    Op* reshape = index_.Producer(t);
    if (reshape == nullptr || reshape->type != OpType::Reshape || index_.OnlyUser(t) != &user) return nullptr;
    const int source = reshape->inputs[0];
    return packed_[static_cast<size_t>(source)] && index_.OnlyUser(source) == reshape ? reshape : nullptr;
  }

  // `reshape` becomes what `op` was, of `sources`, and `op` the Reshape of its result.
  void Swap(Op* reshape, Op* op, std::vector<int> sources) {
    const int between = reshape->outputs[0];
    std::vector<int> inputs = reshape->inputs;
    inputs[0] = between;
    std::swap(reshape->type, op->type);
    std::swap(reshape->name, op->name);
    std::swap(reshape->main, op->main);
    std::swap(reshape->default_format, op->default_format);
    const auto i = static_cast<size_t>(between), from = static_cast<size_t>(sources[0]);
    if (i < graph_.shapes.size() && from < graph_.shapes.size()) graph_.shapes[i] = graph_.shapes[from];
    index_.SetInputs(reshape, std::move(sources));
    index_.SetInputs(op, std::move(inputs));
    packed_[i] = true;
    // The tensor between them holds something new.
    std::string name = graph_.tensors[static_cast<size_t>(op->outputs[0])] + "__packed";
    while (!names_.insert(name).second) name += "_";
    graph_.tensors[i] = std::move(name);
  }

  void MoveActivation(Op& op) {
    if (Op* reshape = ReshapeBefore(op.inputs[0], op)) Swap(reshape, &op, {reshape->inputs[0]});
  }

  void MoveBinary(Op& op) {
    Op* a = ReshapeBefore(op.inputs[0], op);
    Op* b = ReshapeBefore(op.inputs[1], op);
    if (a == nullptr || b == nullptr || a == b) return;
    const int x = a->inputs[0], y = b->inputs[0];
    const auto *from_a = index_.ShapeOf(x), *from_b = index_.ShapeOf(y);
    const auto *to_a = index_.ShapeOf(op.inputs[0]), *to_b = index_.ShapeOf(op.inputs[1]);
    if (from_a == nullptr || from_b == nullptr || to_a == nullptr || to_b == nullptr) return;
    // Equal symbols: equal sizes, so that nothing is broadcast. With as many elements and otherwise equal, known sizes the
    // packed tensors agree in the first one too.
    const bool known = from_a->size() == 4 && std::all_of(from_a->begin() + 1, from_a->end(), [](int64_t d) { return d > 0; });
    if (*to_a != *to_b || !known || from_b->size() != 4 || !std::equal(from_a->begin() + 1, from_a->end(), from_b->begin() + 1)) return;
    // The later one stands behind both sources.
    Op* later = index_.Position(a) > index_.Position(b) ? a : b;
    Op* other = later == a ? b : a;
    Swap(later, &op, {x, y});
    index_.Remove(other);
  }

  // Reshape(Reshape(x)) reads x; if that has the right shape already, it is x.
  void Cancel(Op& op) {
    const auto* param = op.main.type == mnn::OpParameter::Reshape ? TableOf<mnn::ReshapeT>(op.main) : nullptr;
    if (param == nullptr || op.inputs.size() != 1 || param->dims.empty()) return;
    // 0 copies a size of the input.
    if (std::any_of(param->dims.begin(), param->dims.end(), [](int32_t d) { return d == 0; })) return;
    const Op* first = index_.Producer(op.inputs[0]);
    if (first == nullptr || (first->type != OpType::Reshape && first->type != OpType::Unsqueeze && first->type != OpType::Squeeze)) return;
    const int source = first->inputs[0];
    index_.SetInputs(&op, {source});
    const auto* shape = index_.ShapeOf(source);
    if (shape == nullptr || shape->size() != param->dims.size() || index_.IsOutput(op.outputs[0])) return;
    size_t open = 0;
    for (size_t i = 0; i < shape->size(); ++i) {
      if (param->dims[i] == -1) ++open;
      else if (param->dims[i] != (*shape)[i]) return;
    }
    if (open > 1) return;
    index_.ReplaceUses(op.outputs[0], source);
    index_.Remove(&op);
  }

  Graph& graph_;
  GraphIndex index_;
  std::vector<bool> packed_;  // results of products, and what moved behind them
  std::unordered_set<std::string> names_;
};

}  // namespace

Status MoveReshapes(Graph& graph, const ImportOptions&) {
  ReshapeMover(&graph).Run();
  return absl::OkStatus();
}

}  // namespace quantpress::graph
