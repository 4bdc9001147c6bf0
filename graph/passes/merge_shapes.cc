// Shape arithmetic that gives the same numbers becomes one op, also where it starts from different tensors: a tensor and its
// element-wise function have the same shape, and every product with a constant matrix asks for its leading part. Sizes are
// compared as the importer's symbols.
#include <algorithm>
#include <cstring>
#include <map>
#include <vector>

#include "graph/passes/match.h"
#include "graph/passes/passes.h"

namespace quantpress::graph {
namespace {

using mnn::OpType;

// An integer tensor of rank 0 or 1 whose elements are sizes: numbers or symbols (negative).
struct Sizes {
  bool scalar = false;
  std::vector<int64_t> elements;
  auto operator<=>(const Sizes&) const = default;
};

class ShapeMerger {
 public:
  explicit ShapeMerger(Graph* graph) : graph_(*graph), index_(graph), known_(graph->tensors.size()) {}

  void Run() {
    for (Op& op : graph_.ops) {
      if (op.outputs.size() != 1) continue;
      std::optional<Sizes> sizes = Evaluate(op);
      if (!sizes) continue;
      const int out = op.outputs[0];
      known_[static_cast<size_t>(out)] = *sizes;
      if (op.type == OpType::Const) continue;
      const auto [first, is_new] = first_.emplace(std::move(*sizes), out);
      if (is_new || index_.IsOutput(out)) continue;
      index_.ReplaceUses(out, first->second);
      index_.Remove(&op);
    }
    index_.Commit();
  }

 private:
  const std::optional<Sizes>& Known(int t) const {
    static const std::optional<Sizes> kNone;
    return t >= 0 ? known_[static_cast<size_t>(t)] : kNone;
  }

  // The elements of an int32 constant of at most 16.
  static std::optional<Sizes> Integers(const Op& op) {
    const auto* blob = op.main.type == mnn::OpParameter::Blob ? TableOf<mnn::BlobT>(op.main) : nullptr;
    const Bulk* bulk = op.FindBulk(BulkField::kBlobInt32s);
    const Bytes* bytes = bulk != nullptr ? std::get_if<Bytes>(&bulk->data) : nullptr;
    if (blob == nullptr || bytes == nullptr || blob->dims.size() > 1 || bytes->size % 4 != 0 || bytes->size > 64) return std::nullopt;
    Sizes out{blob->dims.empty(), {}};
    for (uint64_t i = 0; i < bytes->size; i += 4) {
      int32_t value = 0;
      std::memcpy(&value, bytes->data + i, 4);
      out.elements.push_back(value);
    }
    return out;
  }

  // One number of a constant.
  std::optional<int64_t> Number(int t) const {
    const auto& sizes = Known(t);
    if (!sizes || sizes->elements.size() != 1 || !is_constant_[static_cast<size_t>(t)]) return std::nullopt;
    return sizes->elements[0];
  }

  std::optional<Sizes> Evaluate(const Op& op) {
    is_constant_.resize(graph_.tensors.size(), false);
    switch (op.type) {
      case OpType::Const: {
        auto sizes = Integers(op);
        is_constant_[static_cast<size_t>(op.outputs[0])] = sizes.has_value();
        return sizes;
      }
      case OpType::Shape: {
        const auto* shape = index_.ShapeOf(op.inputs[0]);
        return shape != nullptr ? std::optional(Sizes{false, *shape}) : std::nullopt;
      }
      case OpType::Concat: {
        Sizes out;
        for (int t : op.inputs) {
          const auto& part = Known(t);
          if (!part || part->scalar || HasNegativeNumber(t)) return std::nullopt;
          out.elements.insert(out.elements.end(), part->elements.begin(), part->elements.end());
        }
        return out;
      }
      case OpType::StridedSlice: return Slice(op);
      case OpType::GatherV2: {
        const auto position = op.inputs.size() >= 2 ? Number(op.inputs[1]) : std::nullopt;
        const auto& from = Known(op.inputs[0]);
        if (!position || !from || from->scalar || HasNegativeNumber(op.inputs[0])) return std::nullopt;
        if (*position < 0 || *position >= static_cast<int64_t>(from->elements.size())) return std::nullopt;
        return Sizes{Known(op.inputs[1])->scalar, {from->elements[static_cast<size_t>(*position)]}};
      }
      case OpType::Unsqueeze: {
        const auto& from = Known(op.inputs[0]);
        if (op.inputs.size() != 1 || !from || !from->scalar || HasNegativeNumber(op.inputs[0])) return std::nullopt;
        return Sizes{false, from->elements};
      }
      default: return std::nullopt;
    }
  }

  // Elements begin, begin + 1, ... of a list: constant bounds, step 1, no masks.
  std::optional<Sizes> Slice(const Op& op) {
    const auto* param = TableOf<mnn::StridedSliceParamT>(op.main);
    if (op.main.type != mnn::OpParameter::StridedSliceParam || param->fromType != 1 || op.inputs.size() != 5) return std::nullopt;
    const auto& from = Known(op.inputs[0]);
    const auto begin = Number(op.inputs[1]), end = Number(op.inputs[2]), axis = Number(op.inputs[3]), step = Number(op.inputs[4]);
    if (!from || from->scalar || HasNegativeNumber(op.inputs[0]) || !begin || !end || axis != 0 || step != 1) return std::nullopt;
    const auto count = static_cast<int64_t>(from->elements.size());
    if (*begin < 0 || *begin > count || *end < *begin) return std::nullopt;
    return Sizes{false, {from->elements.begin() + *begin, from->elements.begin() + std::min(*end, count)}};
  }

  // Constants may hold negative numbers, which are no symbols.
  bool HasNegativeNumber(int t) const {
    if (!is_constant_[static_cast<size_t>(t)]) return false;
    const auto& elements = Known(t)->elements;
    return std::any_of(elements.begin(), elements.end(), [](int64_t e) { return e < 0; });
  }

  Graph& graph_;
  GraphIndex index_;
  std::vector<std::optional<Sizes>> known_;
  std::vector<bool> is_constant_;
  std::map<Sizes, int> first_;
};

}  // namespace

Status MergeShapes(Graph& graph, const ImportOptions&) {
  ShapeMerger(&graph).Run();
  return absl::OkStatus();
}

}  // namespace quantpress::graph
