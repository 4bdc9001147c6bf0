// Tree ensembles of ai.onnx.ml. All trees walk down together, one level a step: the place of each row in each tree is an index into
// tables of features, thresholds and children, and a leaf is its own child.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>
#include <utility>

#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

using R = mnn::ReductionType;

constexpr size_t kMaxDepth = 64;

struct Ensemble {
  std::vector<int64_t> features, if_true, if_false;  // by node
  std::vector<float> thresholds;
  std::vector<int64_t> roots;  // by tree
  std::map<std::pair<int64_t, int64_t>, size_t> places;  // node of a tree's number and a node's number
  size_t depth = 0;
  bool wants_greater = false;  // a row goes to if_true if its feature is greater than the threshold; else if it is less
};

// Thresholds move to the next float, so that "less or equal" becomes "less".
bool ReadComparison(NodeContext& n, const std::vector<std::string>& modes, Ensemble* e) {
  std::string common;
  for (const std::string& mode : modes) {
    if (mode == "LEAF") continue;
    if (!common.empty() && mode != common) {
      n.Fail("branches of the kinds {} and {} in one ensemble", common, mode);
      return false;
    }
    common = mode;
  }
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  if (common == "BRANCH_LEQ" || common == "BRANCH_GTE") {
    for (float& t : e->thresholds) t = std::nextafterf(t, common == "BRANCH_LEQ" ? kInfinity : -kInfinity);
  } else if (!common.empty() && common != "BRANCH_LT" && common != "BRANCH_GT") {
    n.Fail("branches of the kind {}; expected BRANCH_LEQ, BRANCH_LT, BRANCH_GTE or BRANCH_GT", common);
    return false;
  }
  e->wants_greater = common == "BRANCH_GTE" || common == "BRANCH_GT";
  return true;
}

// Depth of the trees; an error if a node has two parents or none leads to it.
bool Measure(NodeContext& n, Ensemble* e) {
  const size_t count = e->features.size();
  std::vector<bool> reached(count, false);
  std::vector<size_t> level;
  for (int64_t root : e->roots) level.push_back(static_cast<size_t>(root));
  size_t seen = 0;
  while (!level.empty()) {
    std::vector<size_t> next;
    for (size_t i : level) {
      if (reached[i]) {
        n.Fail("a node of a tree has two parents");
        return false;
      }
      reached[i] = true;
      ++seen;
      if (e->if_true[i] == static_cast<int64_t>(i)) continue;
      next.push_back(static_cast<size_t>(e->if_true[i]));
      next.push_back(static_cast<size_t>(e->if_false[i]));
    }
    if (!next.empty()) ++e->depth;
    if (e->depth > kMaxDepth) {
      n.Fail("trees of more than {} levels", kMaxDepth);
      return false;
    }
    level = std::move(next);
  }
  if (seen != count) n.Fail("{} of {} nodes belong to no tree", count - seen, count);
  return n.ok();
}

std::optional<Ensemble> ReadEnsemble(NodeContext& n) {
  Ensemble e;
  const std::vector<int64_t> trees = n.Ints("nodes_treeids"), numbers = n.Ints("nodes_nodeids"), yes = n.Ints("nodes_truenodeids"),
                             no = n.Ints("nodes_falsenodeids"), missing = n.Ints("nodes_missing_value_tracks_true");
  const std::vector<std::string> modes = n.Strings("nodes_modes");
  e.features = n.Ints("nodes_featureids");
  e.thresholds = n.Floats("nodes_values");
  if (!n.ok()) return std::nullopt;
  if (n.Has("nodes_values_as_tensor") || n.Has("base_values_as_tensor")) n.Fail("float64 trees");
  const size_t count = trees.size();
  if (count == 0 || numbers.size() != count || yes.size() != count || no.size() != count || modes.size() != count ||
      e.features.size() != count || e.thresholds.size() != count) {
    n.Fail("attributes of {} nodes; expected as many of each kind, and some", count);
  }
  for (int64_t m : missing) {
    if (m != 0) n.Fail("nodes_missing_value_tracks_true; expected 0");
  }
  if (!n.ok()) return std::nullopt;
  for (size_t i = 0; i < count; ++i) {
    if (!e.places.emplace(std::pair(trees[i], numbers[i]), i).second) n.Fail("two nodes {} in tree {}", numbers[i], trees[i]);
  }
  e.if_true.resize(count);
  e.if_false.resize(count);
  std::vector<bool> is_child(count, false);
  const auto child = [&](size_t i, int64_t number) {
    const auto it = e.places.find({trees[i], number});
    if (it == e.places.end()) {
      n.Fail("node {} of tree {} does not exist", number, trees[i]);
      return static_cast<int64_t>(i);
    }
    is_child[it->second] = true;
    return static_cast<int64_t>(it->second);
  };
  for (size_t i = 0; i < count && n.ok(); ++i) {
    const bool leaf = modes[i] == "LEAF";
    e.if_true[i] = leaf ? static_cast<int64_t>(i) : child(i, yes[i]);
    e.if_false[i] = leaf ? static_cast<int64_t>(i) : child(i, no[i]);
    if (leaf) e.features[i] = 0;
    if (e.features[i] < 0) n.Fail("feature {}", e.features[i]);
    if (!leaf && e.if_true[i] == static_cast<int64_t>(i)) n.Fail("a branch that is its own child");
  }
  if (!n.ok() || !ReadComparison(n, modes, &e)) return std::nullopt;
  std::set<int64_t> with_root;
  for (size_t i = 0; i < count; ++i) {
    if (is_child[i]) continue;
    e.roots.push_back(static_cast<int64_t>(i));
    if (!with_root.insert(trees[i]).second) n.Fail("two roots in tree {}", trees[i]);
  }
  if (!n.ok() || !Measure(n, &e)) return std::nullopt;
  return e;
}

// The leaf that each row of x [N, F] reaches in each tree: [N, trees].
Value Descend(NodeContext& n, Value x, const Ensemble& e) {
  const auto i32 = [&](const std::vector<int64_t>& v) { return n.b.Ints(v, {static_cast<int64_t>(v.size())}, ElementType::kInt32); };
  const Value features = i32(e.features), yes = i32(e.if_true), no = i32(e.if_false), roots = i32(e.roots);
  const Value thresholds = n.b.Floats(e.thresholds, {static_cast<int64_t>(e.thresholds.size())});
  for (Value v : {features, yes, no, roots}) n.b.MarkNonNegative(v);
  // Every row starts at the roots.
  const Value zeros = n.b.Cast(n.b.Mul(n.b.Slice(x, {0}, {1}, {1}), n.b.ScalarFloat(0)), ElementType::kInt32);
  Value place = n.b.Select(n.b.Equal(zeros, n.b.ScalarInt(0, ElementType::kInt32)), roots, roots);
  for (size_t level = 0; level < e.depth && n.ok(); ++level) {
    n.b.MarkNonNegative(place);
    const Value feature = n.b.Gather(features, place, 0), threshold = n.b.Gather(thresholds, place, 0);
    n.b.MarkNonNegative(feature);
    const Value value = n.b.GatherElements(x, feature, 1);
    const Value goes = e.wants_greater ? n.b.Greater(value, threshold) : n.b.Greater(threshold, value);
    place = n.b.Select(goes, n.b.Gather(yes, place, 0), n.b.Gather(no, place, 0));
  }
  n.b.MarkNonNegative(place);
  return place;
}

// Sum over the trees of what their leaves give each of `results`: [N, results]. `prefix`: of the attributes about leaves. With one
// result, whatever number the leaves give it.
Value Scores(NodeContext& n, const std::string& prefix, int64_t results, bool average) {
  const Value x = n.b.Cast(n.Input(0), ElementType::kFloat32);
  const std::vector<int64_t> trees = n.Ints(prefix + "_treeids"), numbers = n.Ints(prefix + "_nodeids"), ids = n.Ints(prefix + "_ids");
  const std::vector<float> weights = n.Floats(prefix + "_weights");
  if (n.b.Rank(x) != 2 && n.ok()) n.Fail("a tensor of shape {}; expected rank 2", ShapeText(n.b.shape(x)));
  if (!n.ok()) return {};
  const std::optional<Ensemble> e = ReadEnsemble(n);
  if (!e) return {};
  const Dim width = (*n.b.shape(x))[1];
  for (int64_t f : e->features) {
    if (IsKnown(width) && f >= width) n.Fail("feature {} of a tensor of shape {}", f, ShapeText(n.b.shape(x)));
  }
  if (trees.size() != weights.size() || numbers.size() != weights.size() || ids.size() != weights.size()) n.Fail("{} weights of leaves", weights.size());
  const size_t count = e->features.size();
  if (results < 1 || static_cast<uint64_t>(results) > (uint64_t{1} << 28) / count) n.Fail("{} results of {} nodes", results, count);
  if (!n.ok()) return {};
  std::vector<float> table(count * static_cast<size_t>(results), 0.0f);
  for (size_t i = 0; i < weights.size(); ++i) {
    const auto it = e->places.find({trees[i], numbers[i]});
    const int64_t id = results == 1 ? 0 : ids[i];
    if (it == e->places.end() || id < 0 || id >= results) {
      n.Fail("result {} of node {} of tree {}", ids[i], numbers[i], trees[i]);
      return {};
    }
    table[it->second * static_cast<size_t>(results) + static_cast<size_t>(id)] += weights[i];
  }
  const Value leaves = n.b.Gather(n.b.Floats(std::move(table), {static_cast<int64_t>(count), results}), Descend(n, x, *e), 0);
  Value sum = n.b.Reduce(average ? R::MEAN : R::SUM, leaves, {1}, false);
  if (const std::vector<float> base = n.Floats("base_values"); !base.empty()) {
    const auto given = static_cast<int64_t>(base.size());
    if (given != results) n.Fail("{} base values for {} results", given, results);
    sum = n.b.Add(sum, n.b.Floats(base, {given}));
  }
  return sum;
}

Value PostTransform(NodeContext& n, Value scores) {
  const std::string transform = n.String("post_transform", "NONE");
  if (!n.ok() || transform == "NONE") return scores;
  if (transform == "SOFTMAX") return n.b.Softmax(scores, -1);
  if (transform == "LOGISTIC") return n.b.Unary(mnn::UnaryOpOperation::SIGMOID, scores);
  n.Fail("post_transform '{}'; expected NONE, SOFTMAX or LOGISTIC", transform);
  return {};
}

void TreeEnsembleRegressor(NodeContext& n) {
  const std::string aggregate = n.String("aggregate_function", "SUM");
  if (n.ok() && aggregate != "SUM" && aggregate != "AVERAGE") return n.Fail("aggregate_function '{}'; expected SUM or AVERAGE", aggregate);
  n.SetOutput(0, PostTransform(n, Scores(n, "target", n.Int("n_targets", 1), aggregate == "AVERAGE")));
}

// Leaves that score the second of two classes only: as a probability if no weight is negative, else with 0 between the classes.
void OneOfTwo(NodeContext& n, const std::vector<int64_t>& labels) {
  const std::vector<float> weights = n.Floats("class_weights");
  const std::string transform = n.String("post_transform", "NONE");
  const bool probability = std::all_of(weights.begin(), weights.end(), [](float w) { return w >= 0; });
  if (!n.ok()) return;
  if (transform != "NONE" && (probability || transform != "LOGISTIC")) {
    return n.Fail("post_transform '{}' where leaves score one of two classes only", transform);
  }
  const Value score = Scores(n, "class", 1, false);
  const Value other = probability ? n.b.Sub(n.b.ScalarFloat(1), score) : n.b.Unary(mnn::UnaryOpOperation::NEG, score);
  const Value second = n.b.Greater(n.b.Squeeze(score, {1}), n.b.ScalarFloat(probability ? 0.5f : 0.0f));
  n.SetOutput(0, n.b.Select(second, n.b.ScalarInt(labels[1]), n.b.ScalarInt(labels[0])));
  n.SetOutput(1, PostTransform(n, n.b.Concat({other, score}, 1)));
}

void TreeEnsembleClassifier(NodeContext& n) {
  const std::vector<int64_t> labels = n.Ints("classlabels_int64s"), ids = n.Ints("class_ids");
  if (!n.Strings("classlabels_strings").empty()) return n.Fail("labels that are strings; the runtime has no strings");
  const auto count = static_cast<int64_t>(labels.size());
  if (!n.ok()) return;
  if (count < 2) return n.Fail("{} labels; expected 2 or more", count);
  const std::set<int64_t> used(ids.begin(), ids.end());
  if (count == 2 && used.size() == 1) return OneOfTwo(n, labels);
  const Value scores = Scores(n, "class", count, false);
  if (!n.ok()) return;
  n.SetOutput(0, n.b.Gather(n.b.IntList(labels), n.b.ArgMax(scores, -1, false), 0));
  n.SetOutput(1, PostTransform(n, scores));
}

constexpr OpRow kRows[] = {
    {"ai.onnx.ml", "TreeEnsembleClassifier", 1, kNewest, TreeEnsembleClassifier, "integer labels; float32 thresholds of one kind of comparison"},
    {"ai.onnx.ml", "TreeEnsembleRegressor", 1, kNewest, TreeEnsembleRegressor, "sums and averages; float32 thresholds of one kind of comparison"},
};

}  // namespace

std::span<const OpRow> TreeOps() { return kRows; }

}  // namespace quantpress::graph::onnx
