// Sequences and optionals. The runtime has neither; they are lists of tensors while the model is converted.
#include <algorithm>

#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/loops.h"

namespace quantpress::graph::onnx {
namespace {

constexpr int64_t kMaxItems = 65536;

// The items of input i; an error if it is no sequence.
std::optional<std::vector<Value>> Items(NodeContext& n, size_t i) {
  const Value v = n.Input(i);
  if (!v.valid()) return std::nullopt;
  if (n.b.IsSequence(v)) return n.b.info(v).items;
  n.Fail("input {} is no sequence that is known at conversion time", i);
  return std::nullopt;
}

// A position in a list of `size` items (an insertion may be behind the last), or an error.
std::optional<size_t> Position(NodeContext& n, Value v, size_t size) {
  const auto position = n.b.ConstantInts(v);
  if (!position || position->size() != 1) {
    n.Fail("the position in a sequence is computed at run time; it must be constant");
    return std::nullopt;
  }
  const auto at = NormalizeAxis((*position)[0], size);
  if (!at) n.Fail("position {} in a sequence of {} items", (*position)[0], size);
  return at;
}

void SequenceConstruct(NodeContext& n) {
  std::vector<Value> items;
  for (size_t i = 0; i < n.input_count(); ++i) items.push_back(n.Input(i));
  if (n.ok()) n.SetOutput(0, n.b.MakeSequence(items, items.empty() ? ElementType::kFloat32 : n.b.type(items[0])));
}

void SequenceEmpty(NodeContext& n) {
  const ElementType type = n.Has("dtype") ? n.ElementTypeAttribute("dtype") : ElementType::kFloat32;
  if (n.ok()) n.SetOutput(0, n.b.MakeSequence({}, type));
}

// An item of the parts of a tensor.
Value PartAt(NodeContext& n, Value sequence, Value position) {
  const ValueInfo parts = n.b.info(sequence);
  if (parts.items.size() > 1) {
    n.Fail("an item of a sequence of parts whose sizes are computed at run time");
    return {};
  }
  const Value item = n.b.Gather(parts.items[0], n.b.ReshapeTo(position, {}), parts.parts_axis);
  return parts.parts_keep_axis ? n.b.Unsqueeze(item, {parts.parts_axis}) : item;
}

// The parts of a tensor side by side again.
Value JoinParts(NodeContext& n, Value sequence, int64_t axis, bool new_axis) {
  const ValueInfo parts = n.b.info(sequence);
  const size_t rank = n.b.Rank(parts.items[0]);
  const auto from = static_cast<size_t>(parts.parts_axis);
  const auto to = NormalizeAxis(axis, rank);
  if (!n.ok()) return {};
  if (!to || parts.parts_keep_axis == new_axis || (!new_axis && *to != from)) {
    n.Fail("parts along axis {} of a tensor of rank {}, in a number that only a run knows, are joined along axis {}", from, rank, axis);
    return {};
  }
  std::vector<int64_t> order;
  for (size_t i = 0; i < rank; ++i) {
    if (i != from) order.push_back(static_cast<int64_t>(i));
  }
  order.insert(order.begin() + static_cast<int64_t>(*to), static_cast<int64_t>(from));
  return *to == from ? parts.items[0] : n.b.Transpose(parts.items[0], order);
}

void SequenceAt(NodeContext& n) {
  if (const Value sequence = n.Input(0), at = n.Input(1); n.ok() && n.b.IsParts(sequence)) return n.SetOutput(0, PartAt(n, sequence, at));
  const auto items = Items(n, 0);
  const Value position = n.Input(1);
  if (!items || !n.ok()) return;
  if (n.b.IsConstant(position)) {
    if (const auto at = Position(n, position, items->size())) n.SetOutput(0, (*items)[*at]);
    return;
  }
  // Items of one shape can be stacked, and the position picks one.
  for (Value v : *items) {
    if (!n.b.HasRank(v) || n.b.shape(v) != n.b.shape((*items)[0])) return n.Fail("a computed position in a sequence of tensors of different shapes");
  }
  std::vector<Value> rows;
  for (Value v : *items) rows.push_back(n.b.Unsqueeze(v, {0}));
  n.SetOutput(0, n.b.Gather(n.b.Concat(rows, 0), n.b.ReshapeTo(position, {}), 0));
}

void SequenceInsert(NodeContext& n) {
  auto items = Items(n, 0);
  const Value v = n.Input(1), position = n.OptionalInput(2);
  if (!items || !n.ok()) return;
  std::optional<size_t> at = items->size();
  if (position.valid()) {
    const auto where = n.b.ConstantInts(position);
    const bool behind = where && where->size() == 1 && (*where)[0] == static_cast<int64_t>(items->size());
    if (!behind) at = Position(n, position, items->size());
  }
  if (!at) return;
  items->insert(items->begin() + static_cast<int64_t>(*at), v);
  n.SetOutput(0, n.b.MakeSequence(std::move(*items), n.b.type(v)));
}

void SequenceErase(NodeContext& n) {
  auto items = Items(n, 0);
  const Value position = n.OptionalInput(1);
  if (!items || !n.ok()) return;
  if (items->empty()) return n.Fail("an item of an empty sequence is erased");
  const auto at = position.valid() ? Position(n, position, items->size()) : items->size() - 1;
  if (!at) return;
  items->erase(items->begin() + static_cast<int64_t>(*at));
  n.SetOutput(0, n.b.MakeSequence(std::move(*items), n.b.type(n.Input(0))));
}

void SequenceLength(NodeContext& n) {
  if (const Value v = n.Input(0); n.ok() && n.b.IsParts(v)) {
    const ValueInfo parts = n.b.info(v);
    return n.SetOutput(0, parts.items.size() > 1 ? n.b.DimOf(parts.items[1], 0) : n.b.DimOf(parts.items[0], static_cast<size_t>(parts.parts_axis)));
  }
  if (const auto items = Items(n, 0)) n.SetOutput(0, n.b.ScalarInt(static_cast<int64_t>(items->size())));
}

void ConcatFromSequence(NodeContext& n) {
  const int64_t axis = n.Int("axis", 0);
  const bool new_axis = n.Int("new_axis", 0) != 0;
  if (const Value v = n.Input(0); n.ok() && n.b.IsParts(v)) return n.SetOutput(0, JoinParts(n, v, axis, new_axis));
  auto items = Items(n, 0);
  if (!items || !n.ok()) return;
  if (items->empty()) return n.Fail("the items of an empty sequence are joined");
  for (Value& v : *items) {
    if (new_axis) v = n.b.Unsqueeze(v, {axis});
  }
  n.SetOutput(0, n.b.Concat(*items, axis));
}

void SplitToSequence(NodeContext& n) {
  const Value x = n.Input(0), split = n.OptionalInput(1);
  const size_t rank = n.b.Rank(x);
  const int64_t axis = n.Int("axis", 0);
  const bool keep = split.valid() || n.Int("keepdims", 1) != 0;
  if (!n.ok()) return;
  const auto a = NormalizeAxis(axis, rank);
  if (!a) return n.Fail("axis {} lies outside a tensor of rank {}", axis, rank);
  const Dim length = (*n.b.shape(x))[*a];
  std::vector<int64_t> sizes;
  const auto given = n.b.ConstantInts(split);
  if (split.valid() && !given) {
    if (!n.b.HasRank(split) || n.b.shape(split)->size() != 1) return n.Fail("the size of the parts is computed at run time; it must be constant");
    return n.SetOutput(0, n.b.MakeParts(x, split, *a, true));
  }
  if (given && !n.b.shape(split)->empty()) {
    sizes = *given;
  } else {
    const int64_t size = given ? (*given)[0] : 1;
    if (!IsKnown(length) && size == 1) return n.SetOutput(0, n.b.MakeParts(x, {}, *a, keep));
    if (!IsKnown(length) || size < 1) return n.Fail("an axis of unknown size in parts of {}", size);
    if ((length + size - 1) / size > kMaxItems) return n.Fail("a sequence of {} items", (length + size - 1) / size);
    for (int64_t left = length; left > 0; left -= size) sizes.push_back(std::min(size, left));
  }
  std::vector<Value> parts = n.b.Split(x, axis, std::move(sizes));
  for (Value& v : parts) {
    if (!keep) v = n.b.Squeeze(v, {static_cast<int64_t>(*a)});
  }
  if (n.ok()) n.SetOutput(0, n.b.MakeSequence(std::move(parts), n.b.type(x)));
}

void SequenceMap(NodeContext& n) {
  const GraphView* body = n.Subgraph("body");
  const auto first = Items(n, 0);
  if (!n.ok()) return;
  std::vector<size_t> wanted;
  for (size_t i = 0; i < n.output_count(); ++i) wanted.push_back(i);
  if (body->outputs.size() < wanted.size()) return n.Fail("a body of {} outputs for {}", body->outputs.size(), wanted.size());
  std::vector<std::vector<Value>> results(wanted.size());
  for (size_t k = 0; k < first->size(); ++k) {
    std::vector<Value> inputs;
    for (size_t i = 0; i < n.input_count(); ++i) {
      const Value v = n.Input(i);
      if (!v.valid()) return;
      if (n.b.IsSequence(v) && n.b.info(v).items.size() != first->size()) {
        return n.Fail("sequences of {} and {} items", first->size(), n.b.info(v).items.size());
      }
      inputs.push_back(n.b.IsSequence(v) ? n.b.info(v).items[k] : v);
    }
    const std::vector<Value> out = ConvertBody(n, n.b, *body, "body", &n.scope(), inputs, wanted);
    if (!n.ok()) return;
    for (size_t i = 0; i < out.size(); ++i) results[i].push_back(out[i]);
  }
  for (size_t i = 0; i < results.size(); ++i) {
    const ElementType type = results[i].empty() ? n.b.type(n.Input(0)) : n.b.type(results[i][0]);
    n.SetOutput(i, n.b.MakeSequence(std::move(results[i]), type));
  }
}

void Optional(NodeContext& n) { n.SetOutput(0, n.HasInput(0) ? n.Input(0) : n.b.MakeNothing(ElementType::kFloat32)); }

void OptionalHasElement(NodeContext& n) {
  const bool has = n.HasInput(0) && !n.b.IsNothing(n.Input(0));
  n.SetOutput(0, n.b.ScalarInt(has ? 1 : 0, ElementType::kBool));
}

void OptionalGetElement(NodeContext& n) {
  const Value v = n.Input(0);
  if (n.b.IsNothing(v)) return n.Fail("the optional has no value");
  n.SetOutput(0, v);
}

constexpr std::string_view kKnown = "sequences that are known at conversion time";

constexpr OpRow kRows[] = {
    {"", "SequenceConstruct", 11, kNewest, SequenceConstruct, kKnown},
    {"", "SequenceEmpty", 11, kNewest, SequenceEmpty, kKnown},
    {"", "SequenceAt", 11, kNewest, SequenceAt, kKnown},
    {"", "SequenceInsert", 11, kNewest, SequenceInsert, kKnown},
    {"", "SequenceErase", 11, kNewest, SequenceErase, kKnown},
    {"", "SequenceLength", 11, kNewest, SequenceLength, kKnown},
    {"", "ConcatFromSequence", 11, kNewest, ConcatFromSequence, kKnown},
    {"", "SplitToSequence", 11, kNewest, SplitToSequence, kKnown},
    {"", "SequenceMap", 17, kNewest, SequenceMap, kKnown},
    {"", "Optional", 15, kNewest, Optional, "known at conversion time"},
    {"", "OptionalHasElement", 15, kNewest, OptionalHasElement, "known at conversion time"},
    {"", "OptionalGetElement", 15, kNewest, OptionalGetElement, "known at conversion time"},
};

}  // namespace

std::span<const OpRow> SequenceOps() { return kRows; }

}  // namespace quantpress::graph::onnx
