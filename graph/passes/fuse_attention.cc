// softmax(Q K^T * scale + mask) V over heads -> Attention, which holds no scores of all heads at once.
//
//   q, k, v [1, S, H, D] -> Permute -> MatMul -> [* scale] -> [+ mask] -> Softmax -> MatMul -> Permute -> Reshape [1,
//   S, H * D]
//
// Only what the runtime's op computes rightly becomes one: a single batch, as many queries as keys, one mask [S, S] for
// all heads, and the scale 1 / sqrt(D). Another scale is multiplied to the queries; where there is no mask, or one row
// for all queries, zeros [S, S] are added.
#include <cmath>

#include "graph/passes/graph_rewriter.h"
#include "graph/passes/match.h"
#include "graph/passes/passes.h"
#include "graph/target_version.h"

namespace quantpress::graph {
namespace {

using mnn::OpType;
using B = mnn::BinaryOpOperation;

// Zeros for a longer sequence would take more room than the scores.
constexpr int64_t kMostZeros = 1024;

struct Found {
  size_t place = 0;  // of the op that becomes the Attention
  int q = -1, k = -1, v = -1;
  int mask = -1;  // -1: none
  bool needs_zeros = false;
  double factor = 1;   // on the queries
  int64_t length = 0;  // S, or a symbol
};

bool IsPermute(const Op* op, const std::vector<int32_t>& dims) {
  return op != nullptr && op->type == OpType::Permute && op->main.AsPermute() != nullptr &&
         op->main.AsPermute()->dims == dims;
}

class Matcher {
 public:
  explicit Matcher(Graph* graph) : index_(graph) {}

  std::vector<Found> Run() {
    std::vector<Found> all;
    for (Op& op : index_.graph().ops) {
      if (op.type != OpType::Permute || !IsPermute(&op, {0, 2, 1, 3})) continue;
      if (auto found = Match(&op)) all.push_back(std::move(*found));
    }
    return all;
  }

 private:
  using Dims = std::vector<int64_t>;

  // The op that makes t, if t has no other user.
  Op* Inner(int t, const Op* user) { return index_.OnlyUser(t) == user ? index_.Producer(t) : nullptr; }

  // Takes numbers off a product: t = result * *factor.
  int StripScale(int t, const Op** user, double* factor) {
    while (Op* op = Inner(t, *user)) {
      int next = -1;
      if (IsBinary(op, B::MUL)) {
        for (size_t side = 0; side < 2 && next < 0; ++side) {
          if (const auto value = ScalarOf(index_, op->inputs[side])) {
            next = op->inputs[1 - side];
            *factor *= *value;
          }
        }
      } else if (IsBinary(op, B::REALDIV)) {
        if (const auto value = ScalarOf(index_, op->inputs[1]); value && *value != 0) {
          next = op->inputs[0];
          *factor /= *value;
        }
      }
      if (next < 0) break;
      t = next;
      *user = op;
    }
    return t;
  }

  // The [1, S, H, D] tensor behind [1, H, S, D].
  std::optional<int> Heads(int t, const Op* user, bool transposed = false) {
    Op* op = Inner(t, user);
    if (transposed) {
      if (IsPermute(op, {0, 2, 3, 1})) return op->inputs[0];
      if (!IsPermute(op, {0, 1, 3, 2})) return std::nullopt;
      user = op;
      op = Inner(op->inputs[0], op);
    }
    return IsPermute(op, {0, 2, 1, 3}) ? std::optional(op->inputs[0]) : std::nullopt;
  }

  // One mask for all heads; `*row`: it has one row for all queries.
  bool IsMask(int t, int64_t length, bool* row) const {
    const Dims* shape = index_.ShapeOf(t);
    if (shape == nullptr || shape->empty() || shape->size() > 4 || shape->back() != length) return false;
    const size_t rank = shape->size();
    for (size_t i = 0; i + 2 < rank; ++i) {
      if ((*shape)[i] != 1) return false;
    }
    *row = rank < 2 || ((*shape)[rank - 2] == 1 && length != 1);
    return *row || (*shape)[rank - 2] == length;
  }

  std::optional<Found> Match(Op* last) {
    Found found;
    Op* context = Inner(last->inputs[0], last);
    if (!IsProduct(context)) return std::nullopt;
    const auto v = Heads(context->inputs[1], context);
    Op* softmax = Inner(context->inputs[0], context);
    const auto* axis = softmax != nullptr && softmax->type == OpType::Softmax ? softmax->main.AsAxis() : nullptr;
    if (!v || axis == nullptr || (axis->axis != 3 && axis->axis != -1)) return std::nullopt;

    const Op* user = softmax;
    int scores = softmax->inputs[0];
    if (Op* sum = Inner(scores, softmax); IsBinary(sum, B::ADD) && !AddMask(sum, &user, &scores, &found))
      return std::nullopt;
    double factor = 1;
    scores = StripScale(scores, &user, &factor);
    Op* product = Inner(scores, user);
    if (!IsProduct(product)) return std::nullopt;
    const Op *q_user = product, *k_user = product;
    const int q_side = StripScale(product->inputs[0], &q_user, &factor),
              k_side = StripScale(product->inputs[1], &k_user, &factor);
    const bool flipped = product->main.AsMatMul()->transposeB;
    const auto q = Heads(q_side, q_user), k = Heads(k_side, k_user, !flipped);
    if (!q || !k) return std::nullopt;
    found.q = *q, found.k = *k, found.v = *v;
    if (!CheckShapes(&found, factor)) return std::nullopt;
    return Place(last, found);
  }

  static bool IsProduct(const Op* op) {
    if (op == nullptr || op->type != OpType::MatMul || op->inputs.size() != 2) return false;
    const auto* param = op->main.AsMatMul();
    return param != nullptr && !param->transposeA;
  }

  // The operand of the sum that is made from a product is the scores, the other one the mask.
  bool AddMask(Op* sum, const Op** user, int* scores, Found* found) {
    for (size_t side = 0; side < 2; ++side) {
      const Op* behind = sum;
      double ignored = 1;
      const int t = StripScale(sum->inputs[side], &behind, &ignored);
      if (!IsProduct(Inner(t, behind))) continue;
      *user = sum;
      *scores = sum->inputs[side];
      found->mask = sum->inputs[1 - side];
      return true;
    }
    return false;
  }

  bool CheckShapes(Found* found, double factor) {
    const Dims *q = index_.ShapeOf(found->q), *k = index_.ShapeOf(found->k), *v = index_.ShapeOf(found->v);
    if (q == nullptr || k == nullptr || v == nullptr || q->size() != 4 || *k != *q || *v != *q) return false;
    if ((*q)[0] != 1 || (*q)[2] < 1 || (*q)[3] < 1) return false;
    found->length = (*q)[1];
    found->factor = factor * std::sqrt(static_cast<double>((*q)[3]));
    bool row = false;
    if (found->mask >= 0 && !IsMask(found->mask, found->length, &row)) return false;
    found->needs_zeros = found->mask < 0 || row;
    return !found->needs_zeros || (found->length >= 1 && found->length <= kMostZeros);
  }

  // The op gives [1, S, H * D]: it stands for the Reshape where that gives the same, else for the Permute in front of
  // Reshapes that do not look at the third size.
  std::optional<Found> Place(Op* last, Found found) {
    const Dims& q = *index_.ShapeOf(found.q);
    const Dims joined = {1, q[1], q[2] * q[3]};
    found.place = index_.Position(last);
    if (index_.IsOutput(last->outputs[0]) || index_.Users(last->outputs[0]).empty()) return std::nullopt;
    Op* only = index_.OnlyUser(last->outputs[0]);
    for (const size_t user : index_.Users(last->outputs[0])) {
      const Op& op = index_.graph().ops[user];
      const auto* param = op.type == OpType::Reshape && op.inputs.size() == 1 ? op.main.AsReshape() : nullptr;
      if (param == nullptr) return std::nullopt;
      for (size_t i = 2; i < param->dims.size(); ++i) {
        if (param->dims[i] == 0) return std::nullopt;
      }
    }
    if (const Dims* shape = only != nullptr ? index_.ShapeOf(only->outputs[0]) : nullptr;
        shape != nullptr && *shape == joined) {
      found.place = index_.Position(only);
    }
    return found;
  }

  GraphIndex index_;
};

void Write(GraphRewriter* to, Graph& graph, Op op, const Found& found) {
  const auto name = [&](const char* part) { return op.name + "__" + part; };
  const std::vector<int64_t> shape = *graph.shapes[static_cast<size_t>(found.q)];
  const auto length = static_cast<int32_t>(found.needs_zeros ? found.length : 0);
  int q = found.q, mask = found.mask;
  if (std::abs(found.factor - 1) > 1e-6) {
    const int factor = to->Constant(name("factor"), {}, {static_cast<float>(found.factor)});
    q = to->Binary(B::MUL, q, factor, name("queries"), shape);
  }
  if (found.needs_zeros) {
    // A column is enough to spread a row.
    const int32_t columns = mask < 0 ? length : 1;
    std::vector<float> values(static_cast<size_t>(length) * static_cast<size_t>(columns), 0.0f);
    const int zeros = to->Constant(name("zeros"), {1, 1, length, columns}, std::move(values));
    mask = mask < 0 ? zeros : to->Binary(B::ADD, mask, zeros, name("mask"), std::vector<int64_t>{1, 1, length, length});
  }
  mnn::AttentionParamT param;
  param.kv_cache = false;
  const int out = op.outputs[0];
  if (graph.shapes.size() <= static_cast<size_t>(out)) graph.shapes.resize(static_cast<size_t>(out) + 1);
  graph.shapes[static_cast<size_t>(out)] = std::vector<int64_t>{1, shape[1], shape[2] * shape[3]};
  op.type = OpType::Attention;
  op.main = Param(std::move(param));
  op.inputs = {q, found.k, found.v, mask};
  op.bulk.clear();
  to->Add(std::move(op));
}

}  // namespace

Status FuseAttention(Graph& graph, const ImportOptions& options) {
  if (!options.fuse_attention || options.for_training || options.target < kAttentionVersion) return absl::OkStatus();
  const std::vector<Found> all = Matcher(&graph).Run();
  if (all.empty()) return absl::OkStatus();
  GraphRewriter rewriter(&graph);
  std::vector<Op> ops = rewriter.TakeOps();
  for (size_t i = 0; i < ops.size(); ++i) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const Found& f) { return f.place == i; });
    if (found == all.end())
      rewriter.Add(std::move(ops[i]));
    else
      Write(&rewriter, graph, std::move(ops[i]), *found);
  }
  return absl::OkStatus();
}

}  // namespace quantpress::graph
