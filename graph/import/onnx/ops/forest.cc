#include "graph/import/onnx/ops/forest.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace quantpress::graph::onnx {
namespace {

constexpr int64_t kMaxDepth = 64;
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// v <= t is v < Above(t).
float Above(float t) { return std::nextafterf(t, kInfinity); }

}  // namespace

Forest::Forest(size_t count) {
  for (size_t i = 0; i < count; ++i) AddLeaf();
}

size_t Forest::AddLeaf() {
  const size_t at = yes_.size();
  for (auto* list : {&yes_, &no_, &missing_}) list->push_back(static_cast<int64_t>(at));
  features_.push_back(0);
  thresholds_.push_back(0);
  return at;
}

void Forest::SetLess(size_t at, int64_t feature, float threshold, int64_t yes, int64_t no, int64_t missing) {
  features_[at] = feature;
  thresholds_[at] = threshold;
  yes_[at] = yes;
  no_[at] = no;
  missing_[at] = missing;
}

void Forest::SetMember(size_t at, int64_t feature, const std::vector<float>& values, int64_t yes, int64_t no, int64_t missing) {
  if (values.empty()) return SetLess(at, feature, -kInfinity, no, no, missing);
  for (size_t i = 0; i < values.size(); ++i) {
    // Up to the value: yes, unless it is below it.
    const bool last = i + 1 == values.size();
    const size_t below = AddLeaf(), next = last ? 0 : AddLeaf();
    const int64_t otherwise = last ? no : static_cast<int64_t>(next);
    SetLess(at, feature, Above(values[i]), static_cast<int64_t>(below), otherwise, missing);
    SetLess(below, feature, values[i], otherwise, yes, missing);
    at = next;
  }
}

void Forest::SetBranch(size_t at, const SourceBranch& s) {
  const bool missing = s.missing_is_true;
  switch (s.kind) {
    case Branch::kLess: return SetLess(at, s.feature, s.threshold, s.if_true, s.if_false, missing ? s.if_true : s.if_false);
    case Branch::kLessOrEqual: return SetLess(at, s.feature, Above(s.threshold), s.if_true, s.if_false, missing ? s.if_true : s.if_false);
    case Branch::kGreaterOrEqual: return SetLess(at, s.feature, s.threshold, s.if_false, s.if_true, missing ? s.if_true : s.if_false);
    case Branch::kGreater: return SetLess(at, s.feature, Above(s.threshold), s.if_false, s.if_true, missing ? s.if_true : s.if_false);
    case Branch::kEqual: return SetMember(at, s.feature, {s.threshold}, s.if_true, s.if_false, missing ? s.if_true : s.if_false);
    case Branch::kUnequal: return SetMember(at, s.feature, {s.threshold}, s.if_false, s.if_true, s.if_true);
    case Branch::kMember: return SetMember(at, s.feature, s.members, s.if_true, s.if_false, missing ? s.if_true : s.if_false);
  }
}

int64_t Forest::largest_feature() const { return *std::max_element(features_.begin(), features_.end()); }

int64_t Forest::Depth() const {
  std::vector<int64_t> level = roots_;
  std::vector<int64_t> seen_at(places(), -1);
  for (int64_t depth = 0; depth <= kMaxDepth; ++depth) {
    std::vector<int64_t> next;
    for (int64_t place : level) {
      const auto i = static_cast<size_t>(place);
      if (yes_[i] == place) continue;
      for (int64_t child : {yes_[i], no_[i], missing_[i]}) {
        int64_t& seen = seen_at[static_cast<size_t>(child)];
        if (seen != depth) next.push_back(child);
        seen = depth;
      }
    }
    if (next.empty()) return depth;
    level = std::move(next);
  }
  return -1;
}

Value Forest::Descend(NodeContext& n, Value x) const {
  const int64_t depth = Depth();
  if (depth < 0) n.Fail("trees of more than {} levels, or with a circle", kMaxDepth);
  if (!n.ok()) return {};
  const auto table = [&](const std::vector<int64_t>& v) {
    const Value t = n.b.Ints(v, {static_cast<int64_t>(v.size())}, ElementType::kInt32);
    n.b.MarkNonNegative(t);
    return t;
  };
  const Value features = table(features_), yes = table(yes_), no = table(no_), missing = table(missing_), roots = table(roots_);
  const Value thresholds = n.b.Floats(thresholds_, {static_cast<int64_t>(thresholds_.size())});
  // Every row starts at the roots.
  Value place = n.b.Expand(n.b.Unsqueeze(roots, {0}), n.b.Concat({n.b.Unsqueeze(n.b.DimOf(x, 0), {0}), n.b.IntList({1})}, 0));
  for (int64_t level = 0; level < depth && n.ok(); ++level) {
    n.b.MarkNonNegative(place);
    const Value feature = n.b.Gather(features, place, 0);
    n.b.MarkNonNegative(feature);
    const Value value = n.b.GatherElements(x, feature, 1);
    const Value below = n.b.Greater(n.b.Gather(thresholds, place, 0), value);
    Value to = n.b.Select(below, n.b.Gather(yes, place, 0), n.b.Gather(no, place, 0));
    if (missing_ != no_) {
      to = n.b.Select(n.b.Binary(mnn::BinaryOpOperation::NOTEQUAL, value, value), n.b.Gather(missing, place, 0), to);
    }
    place = to;
  }
  n.b.MarkNonNegative(place);
  return place;
}

}  // namespace quantpress::graph::onnx
