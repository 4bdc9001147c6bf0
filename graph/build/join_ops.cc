// Building larger tensors from smaller ones.
#include <algorithm>
#include <limits>

#include "graph/build/graph_builder.h"
#include "graph/build/params.h"
#include "graph/fold/fold.h"

namespace quantpress::graph {

Value GraphBuilder::Concat(std::vector<Value> parts, int64_t axis) {
  if (!ok() || parts.empty()) return {};
  bool all_constant = true, all_elements = true;
  std::optional<Shape> out;
  std::vector<Dim> elements;
  std::vector<Value> used;
  std::optional<size_t> a;
  for (Value part : parts) {
    if (!part.valid()) return {};
    if (!out && HasRank(part)) {
      out = *shape(part);
      a = NormalizeAxis(axis, out->size());
      if (!a) return Fail(InvalidInput("concat axis {} lies outside rank {}", axis, out->size()));
      (*out)[*a] = 0;
    }
  }
  for (Value part : parts) {
    if (out && HasRank(part)) {
      const Shape& s = *shape(part);
      if (s.size() != out->size()) {
        return Fail(InvalidInput("concat of tensors of rank {} and {}", out->size(), s.size()));
      }
      for (size_t i = 0; i < s.size(); ++i) {
        Dim& d = (*out)[i];
        if (i == *a) {
          d = symbols_->Add(d, s[i]);
        } else if (IsKnown(s[i])) {
          if (IsKnown(d) && d != s[i]) return Fail(InvalidInput("concat along axis {} of shapes that differ in axis {}", axis, i));
          d = s[i];
        }
      }
      // Empty parts spoil their neighbours in some kernels and add nothing.
      if (IsKnown(s[*a]) && s[*a] == 0 && parts.size() > 1) continue;
    } else if (out) {
      (*out)[*a] = symbols_->Fresh();
    }
    used.push_back(part);
    all_constant = all_constant && IsConstant(part);
    const auto e = Elements(part);
    all_elements = all_elements && e.has_value();
    if (e) elements.insert(elements.end(), e->begin(), e->end());
  }
  if (used.empty()) return parts[0];
  if (used.size() == 1) return used[0];
  const ElementType type = info(used[0]).type;
  if (all_constant && out) {
    std::vector<const Constant*> constants;
    for (Value part : used) constants.push_back(constant(part));
    if (auto folded = fold::Concat(constants, *a)) return MakeConstant(std::move(*folded));
  }
  all_elements = all_elements && out && out->size() == 1;
  if (all_elements && HasNumbersOnly(elements)) return Ints(elements, {static_cast<int64_t>(elements.size())}, type);
  ElementType stored = info(used[0]).stored;
  for (Value part : used) {
    if (info(part).stored != stored) stored = ElementType::kInt32;
  }
  for (Value& part : used) {
    if (info(part).stored != stored) part = Widen(part);
  }
  mnn::AxisT param;
  param.axis = a ? static_cast<int32_t>(*a) : static_cast<int32_t>(axis);
  const Value v = Emit(mnn::OpType::Concat, Param(param), used, {type, out, stored});
  if (v.valid() && all_elements) values_[static_cast<size_t>(v.id)].elements = std::move(elements);
  return v;
}

Status GraphBuilder::CheckSize(const std::optional<Shape>& s) {
  if (!s || !IsStatic(*s)) return absl::OkStatus();
  const std::optional<int64_t> count = ElementCount(*s);
  if (count && *count <= std::numeric_limits<int32_t>::max()) return absl::OkStatus();
  return InvalidInput("a tensor of shape {} has more elements than the runtime can hold", ShapeText(s));
}

Value GraphBuilder::Expand(Value x, Value target) {
  if (!x.valid() || !target.valid() || !ok()) return {};
  const ValueInfo from = info(x);
  std::optional<Shape> out;
  if (const auto elements = Elements(target)) {
    for (Dim d : *elements) {
      if (!IsSymbol(d) && d < 0) return Fail(InvalidInput("an expansion to size {}", d));
    }
    if (from.shape) {
      out = BroadcastShapes(*from.shape, *elements, symbols_);
      if (!out) {
        return Fail(InvalidInput("shape {} does not broadcast to {}", ShapeText(from.shape), ShapeText(*elements)));
      }
      if (*out == *from.shape) return x;
      if (Status status = CheckSize(out); !status.ok()) return Fail(std::move(status));
      if (from.constant && IsStatic(*out)) return MakeConstant(fold::Broadcast(*from.constant, *out));
    }
  } else if (from.shape && HasRank(target) && shape(target)->size() == 1 && IsKnown((*shape(target))[0])) {
    const auto rank = std::max(from.shape->size(), static_cast<size_t>((*shape(target))[0]));
    out.emplace();
    for (size_t i = 0; i < rank; ++i) {
      const Dim d = i + from.shape->size() < rank ? 1 : (*from.shape)[i + from.shape->size() - rank];
      out->push_back(IsKnown(d) && d > 1 ? d : symbols_->Fresh());
    }
  }
  return Emit(mnn::OpType::BroadcastTo, {}, {x, Cast(target, ElementType::kInt32)}, {from.type, out, from.stored});
}

Value GraphBuilder::Tile(Value x, Value repeats) {
  if (!x.valid() || !repeats.valid() || !ok()) return {};
  const ValueInfo from = info(x);
  const auto times = Elements(repeats);
  std::optional<Shape> out = from.shape;
  if (!out && times) {
    out.emplace();
    for (size_t i = 0; i < times->size(); ++i) out->push_back(symbols_->Fresh());
  } else if (out) {
    if (times && times->size() != out->size()) {
      return Fail(InvalidInput("{} repeats for a tensor of rank {}", times->size(), out->size()));
    }
    for (size_t i = 0; i < out->size(); ++i) {
      if (times && !IsSymbol((*times)[i]) && (*times)[i] < 0) return Fail(InvalidInput("a tensor repeated {} times", (*times)[i]));
      (*out)[i] = times ? symbols_->Mul((*out)[i], (*times)[i]) : symbols_->Fresh();
    }
    if (*out == *from.shape) return x;
    if (Status status = CheckSize(out); !status.ok()) return Fail(std::move(status));
  }
  if (from.constant && out && IsStatic(*out) && *ElementCount(*out) <= kMaxStoredBroadcast) {
    // Every repeat as an axis of its own, of stride 0: [3, 4] x [2, 5] is [2, 3, 5, 4] reshaped.
    std::vector<int64_t> split, spread;
    for (size_t i = 0; i < out->size(); ++i) {
      split.insert(split.end(), {1, (*from.shape)[i]});
      spread.insert(spread.end(), {(*times)[i], (*from.shape)[i]});
    }
    return MakeConstant(fold::Reshape(fold::Broadcast(fold::Reshape(*from.constant, split), spread), *out));
  }
  return Emit(mnn::OpType::Tile, {}, {x, Cast(repeats, ElementType::kInt32)}, {from.type, out, from.stored});
}

Value GraphBuilder::Fill(Value target, Value scalar) {
  if (!target.valid() || !scalar.valid() || !ok()) return {};
  const ElementType type = info(scalar).type;
  const auto elements = Elements(target);
  std::optional<Shape> out;
  if (elements) {
    for (Dim d : *elements) {
      if (!IsSymbol(d) && d < 0) return Fail(InvalidInput("a tensor with a dimension of {}", d));
    }
    out = elements;
    if (Status status = CheckSize(out); !status.ok()) return Fail(std::move(status));
    if (IsStatic(*out) && IsConstant(scalar) && info(scalar).constant->count() == 1) {
      return MakeConstant(fold::Broadcast(fold::Reshape(*constant(scalar), {}), *out));
    }
  } else if (HasRank(target) && shape(target)->size() == 1 && IsKnown((*shape(target))[0])) {
    out.emplace();
    for (int64_t i = 0; i < (*shape(target))[0]; ++i) out->push_back(symbols_->Fresh());
  }
  const bool known_list = elements && elements->size() == 1 && out;
  const Value v = Emit(mnn::OpType::Fill, Param(mnn::FillT{}), {Cast(target, ElementType::kInt32), Widen(scalar)}, {type, out});
  if (v.valid()) last_op().default_format = mnn::MNN_DATA_FORMAT::NCHW;
  // A list of equal numbers of known length takes part in shape arithmetic.
  if (const auto value = Elements(scalar); v.valid() && known_list && value && value->size() == 1 && IsKnown((*out)[0]) && (*out)[0] <= 4096) {
    values_[static_cast<size_t>(v.id)].elements = std::vector<Dim>(static_cast<size_t>((*out)[0]), (*value)[0]);
  }
  return v;
}

}  // namespace quantpress::graph
