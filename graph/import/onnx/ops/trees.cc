// Tree ensembles of ai.onnx.ml.
#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/forest.h"

namespace quantpress::graph::onnx {
namespace {

using R = mnn::ReductionType;

constexpr std::string_view kBranchNames[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"};

// What a leaf gives to one result.
struct LeafWeight {
  size_t place;
  int64_t result;
  float weight;
};

struct Ensemble {
  Forest forest{0};
  std::vector<LeafWeight> weights;
};

// Numbers of an attribute that is a list, or a tensor in newer versions.
std::vector<float> Numbers(NodeContext& n, const std::string& name) {
  if (n.Has(name + "_as_tensor")) return n.b.ConstantFloats(n.TensorAttribute(name + "_as_tensor")).value_or(std::vector<float>{});
  return n.Floats(name);
}

// False with an error unless all lists have `count` elements, and there are some.
bool SameSizes(NodeContext& n, size_t count, std::initializer_list<size_t> sizes) {
  const bool same = count > 0 && std::all_of(sizes.begin(), sizes.end(), [&](size_t s) { return s == count; });
  if (n.ok() && !same) n.Fail("attributes of {} nodes; expected as many of each kind, and some", count);
  return n.ok();
}

// The versions 1 to 4: nodes of all trees in one list, named by tree and number. `leaves`: prefix of the attributes about leaves.
std::optional<Ensemble> ReadLists(NodeContext& n, const std::string& leaves) {
  const std::vector<int64_t> trees = n.Ints("nodes_treeids"), numbers = n.Ints("nodes_nodeids"), yes = n.Ints("nodes_truenodeids"),
                             no = n.Ints("nodes_falsenodeids"), features = n.Ints("nodes_featureids");
  std::vector<int64_t> missing = n.Ints("nodes_missing_value_tracks_true");
  const std::vector<std::string> modes = n.Strings("nodes_modes");
  const std::vector<float> thresholds = Numbers(n, "nodes_values"), weights = Numbers(n, leaves + "_weights");
  const std::vector<int64_t> leaf_trees = n.Ints(leaves + "_treeids"), leaf_numbers = n.Ints(leaves + "_nodeids"), results = n.Ints(leaves + "_ids");
  const size_t count = trees.size();
  missing.resize(count, 0);
  if (!SameSizes(n, count, {numbers.size(), yes.size(), no.size(), features.size(), modes.size(), thresholds.size()})) return std::nullopt;
  std::map<std::pair<int64_t, int64_t>, size_t> places;
  for (size_t i = 0; i < count; ++i) {
    if (!places.emplace(std::pair(trees[i], numbers[i]), i).second) n.Fail("two nodes {} in tree {}", numbers[i], trees[i]);
  }
  const auto place = [&](int64_t tree, int64_t number) -> size_t {
    const auto it = places.find({tree, number});
    if (it != places.end()) return it->second;
    n.Fail("node {} of tree {} does not exist", number, tree);
    return 0;
  };
  Ensemble e;
  e.forest = Forest(count);
  std::vector<bool> is_child(count, false);
  for (size_t i = 0; i < count && n.ok(); ++i) {
    if (modes[i] == "LEAF") continue;
    const auto* const kind = std::find(std::begin(kBranchNames), std::end(kBranchNames), modes[i]);
    const size_t a = place(trees[i], yes[i]), b = place(trees[i], no[i]);
    if (kind == std::end(kBranchNames) || features[i] < 0 || a == i || b == i) {
      n.Fail("node {} of tree {}: a {} of feature {}", numbers[i], trees[i], modes[i], features[i]);
      return std::nullopt;
    }
    is_child[a] = is_child[b] = true;
    e.forest.SetBranch(i, {static_cast<Branch>(kind - std::begin(kBranchNames)), features[i], thresholds[i], {}, static_cast<int64_t>(a),
                           static_cast<int64_t>(b), missing[i] != 0});
  }
  std::set<int64_t> with_root;
  for (size_t i = 0; i < count && n.ok(); ++i) {
    if (is_child[i]) continue;
    e.forest.AddRoot(static_cast<int64_t>(i));
    if (!with_root.insert(trees[i]).second) n.Fail("two roots in tree {}", trees[i]);
  }
  if (leaf_trees.size() != weights.size() || leaf_numbers.size() != weights.size() || results.size() != weights.size()) {
    n.Fail("{} weights of leaves", weights.size());
  }
  for (size_t i = 0; i < weights.size() && n.ok(); ++i) {
    e.weights.push_back({place(leaf_trees[i], leaf_numbers[i]), results[i], weights[i]});
  }
  if (!n.ok()) return std::nullopt;
  return e;
}

// Version 5: branches and leaves in lists of their own.
std::optional<Ensemble> ReadTables(NodeContext& n) {
  const std::vector<int64_t> yes = n.Ints("nodes_truenodeids"), no = n.Ints("nodes_falsenodeids"), features = n.Ints("nodes_featureids"),
                             yes_leaf = n.Ints("nodes_trueleafs"), no_leaf = n.Ints("nodes_falseleafs"), roots = n.Ints("tree_roots"),
                             results = n.Ints("leaf_targetids");
  std::vector<int64_t> missing = n.Ints("nodes_missing_value_tracks_true");
  const auto floats = [&](std::string_view name) { return n.b.ConstantFloats(n.TensorAttribute(name)).value_or(std::vector<float>{}); };
  const std::vector<float> thresholds = floats("nodes_splits"), weights = floats("leaf_weights"), members = floats("membership_values");
  const std::vector<int64_t> modes = n.b.ConstantInts(n.TensorAttribute("nodes_modes")).value_or(std::vector<int64_t>{});
  const size_t count = yes.size();
  missing.resize(count, 0);
  if (!SameSizes(n, count, {no.size(), features.size(), yes_leaf.size(), no_leaf.size(), modes.size(), thresholds.size()})) return std::nullopt;
  if (results.size() != weights.size() || roots.empty()) n.Fail("{} weights of {} leaves, {} trees", weights.size(), results.size(), roots.size());
  const auto child = [&](int64_t index, int64_t is_leaf) {
    const size_t limit = is_leaf != 0 ? weights.size() : count;
    if (index < 0 || static_cast<uint64_t>(index) >= limit) n.Fail("child {} of a node; there are {}", index, limit);
    return is_leaf != 0 ? index + static_cast<int64_t>(count) : index;
  };
  Ensemble e;
  e.forest = Forest(count + weights.size());
  auto member = members.begin();
  for (size_t i = 0; i < count && n.ok(); ++i) {
    SourceBranch s{Branch::kLess, features[i], thresholds[i], {}, child(yes[i], yes_leaf[i]), child(no[i], no_leaf[i]), missing[i] != 0};
    const auto here = static_cast<int64_t>(i);
    if (modes[i] < 0 || modes[i] > 6 || features[i] < 0 || s.if_true == here || s.if_false == here) n.Fail("a node of mode {} and feature {}", modes[i], features[i]);
    s.kind = static_cast<Branch>(modes[i]);
    if (s.kind == Branch::kMember) {  // values of one node end with a NaN
      const auto end = std::find_if(member, members.end(), [](float v) { return v != v; });
      s.members.assign(member, end);
      member = end == members.end() ? end : end + 1;
    }
    if (n.ok()) e.forest.SetBranch(i, s);
  }
  for (int64_t root : roots) {
    child(root, 0);
    e.forest.AddRoot(root);
  }
  for (size_t i = 0; i < weights.size(); ++i) e.weights.push_back({count + i, results[i], weights[i]});
  if (!n.ok()) return std::nullopt;
  return e;
}

// What the leaves that each row of input 0 reaches give to each of `results`: [N, results]. With one result, whatever number the
// leaves give it.
Value Scores(NodeContext& n, const std::optional<Ensemble>& e, int64_t results, bool average) {
  const Value x = n.b.Cast(n.Input(0), ElementType::kFloat32);
  if (n.b.Rank(x) != 2 && n.ok()) n.Fail("a tensor of shape {}; expected rank 2", ShapeText(n.b.shape(x)));
  if (!n.ok() || !e) return {};
  const Dim width = (*n.b.shape(x))[1];
  if (IsKnown(width) && e->forest.largest_feature() >= width) {
    n.Fail("feature {} of a tensor of shape {}", e->forest.largest_feature(), ShapeText(n.b.shape(x)));
  }
  const size_t count = e->forest.places();
  if (results < 1 || static_cast<uint64_t>(results) > (uint64_t{1} << 28) / count) n.Fail("{} results of {} nodes", results, count);
  if (!n.ok()) return {};
  std::vector<float> table(count * static_cast<size_t>(results), 0.0f);
  for (const LeafWeight& w : e->weights) {
    const int64_t result = results == 1 ? 0 : w.result;
    if (result < 0 || result >= results) {
      n.Fail("a leaf gives to result {} of {}", w.result, results);
      return {};
    }
    table[w.place * static_cast<size_t>(results) + static_cast<size_t>(result)] += w.weight;
  }
  const Value leaves = n.b.Gather(n.b.Floats(std::move(table), {static_cast<int64_t>(count), results}), e->forest.Descend(n, x), 0);
  Value sum = n.b.Reduce(average ? R::MEAN : R::SUM, leaves, {1}, false);
  if (const std::vector<float> base = Numbers(n, "base_values"); !base.empty()) {
    const auto given = static_cast<int64_t>(base.size());
    if (given != results) n.Fail("{} base values for {} results", given, results);
    if (n.ok()) sum = n.b.Add(sum, n.b.Floats(base, {given}));
  }
  return sum;
}

Value PostTransform(NodeContext& n, Value scores, std::string_view transform) {
  if (!n.ok() || transform == "NONE") return scores;
  if (transform == "SOFTMAX") return n.b.Softmax(scores, -1);
  if (transform == "LOGISTIC") return n.b.Unary(mnn::UnaryOpOperation::SIGMOID, scores);
  n.Fail("post_transform '{}'; expected NONE, SOFTMAX or LOGISTIC", transform);
  return {};
}

void TreeEnsembleRegressor(NodeContext& n) {
  const std::string aggregate = n.String("aggregate_function", "SUM"), transform = n.String("post_transform", "NONE");
  if (n.ok() && aggregate != "SUM" && aggregate != "AVERAGE") return n.Fail("aggregate_function '{}'; expected SUM or AVERAGE", aggregate);
  n.SetOutput(0, PostTransform(n, Scores(n, ReadLists(n, "target"), n.Int("n_targets", 1), aggregate == "AVERAGE"), transform));
}

void TreeEnsemble(NodeContext& n) {
  constexpr std::string_view kTransforms[] = {"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"};
  const int64_t aggregate = n.Int("aggregate_function", 1), transform = n.Int("post_transform", 0);
  if (n.ok() && (aggregate < 0 || aggregate > 1)) return n.Fail("aggregate_function {}; expected 0 (average) or 1 (sum)", aggregate);
  if (n.ok() && (transform < 0 || transform > 4)) return n.Fail("post_transform {}; expected 0 to 4", transform);
  const ElementType type = n.b.type(n.Input(0));
  const Value scores = Scores(n, ReadTables(n), n.Int("n_targets", 1), aggregate == 0);
  n.SetOutput(0, n.b.Cast(PostTransform(n, scores, kTransforms[n.ok() ? transform : 0]), type));
}

// Leaves that score the second of two classes only: as a probability if no weight is negative, else with 0 between the classes.
void OneOfTwo(NodeContext& n, const std::optional<Ensemble>& e, const std::vector<int64_t>& labels, std::string_view transform) {
  const bool probability = std::all_of(e->weights.begin(), e->weights.end(), [](const LeafWeight& w) { return w.weight >= 0; });
  if (transform != "NONE" && (probability || transform != "LOGISTIC")) {
    return n.Fail("post_transform '{}' where leaves score one of two classes only", transform);
  }
  const Value score = Scores(n, e, 1, false);
  const Value other = probability ? n.b.Sub(n.b.ScalarFloat(1), score) : n.b.Unary(mnn::UnaryOpOperation::NEG, score);
  const Value second = n.b.Greater(n.b.Squeeze(score, {1}), n.b.ScalarFloat(probability ? 0.5f : 0.0f));
  n.SetOutput(0, n.b.Select(second, n.b.ScalarInt(labels[1]), n.b.ScalarInt(labels[0])));
  n.SetOutput(1, PostTransform(n, n.b.Concat({other, score}, 1), transform));
}

void TreeEnsembleClassifier(NodeContext& n) {
  const std::vector<int64_t> labels = n.Ints("classlabels_int64s");
  const std::string transform = n.String("post_transform", "NONE");
  if (!n.Strings("classlabels_strings").empty()) return n.Fail("labels that are strings; the runtime has no strings");
  if (n.ok() && labels.size() < 2) return n.Fail("{} labels; expected 2 or more", labels.size());
  const std::optional<Ensemble> e = ReadLists(n, "class");
  if (!n.ok() || !e) return;
  std::set<int64_t> used;
  for (const LeafWeight& w : e->weights) used.insert(w.result);
  if (labels.size() == 2 && used.size() == 1) return OneOfTwo(n, e, labels, transform);
  const Value scores = Scores(n, e, static_cast<int64_t>(labels.size()), false);
  if (!n.ok()) return;
  n.SetOutput(0, n.b.Gather(n.b.IntList(labels), n.b.ArgMax(scores, -1, false), 0));
  n.SetOutput(1, PostTransform(n, scores, transform));
}

constexpr OpRow kRows[] = {
    {"ai.onnx.ml", "TreeEnsemble", 5, kNewest, TreeEnsemble, "sums and averages, in float32"},
    {"ai.onnx.ml", "TreeEnsembleClassifier", 1, kNewest, TreeEnsembleClassifier, "integer labels, in float32"},
    {"ai.onnx.ml", "TreeEnsembleRegressor", 1, kNewest, TreeEnsembleRegressor, "sums and averages, in float32"},
};

}  // namespace

std::span<const OpRow> TreeOps() { return kRows; }

}  // namespace quantpress::graph::onnx
