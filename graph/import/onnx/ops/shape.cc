// Shapes and layout.
#include <numeric>

#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

void ShapeOp(NodeContext& n) {
  const Value x = n.Input(0);
  Value shape = n.b.ShapeOf(x);
  if (n.Has("start") || n.Has("end")) {
    const size_t rank = n.b.Rank(x);
    if (!n.ok()) return;
    shape = n.b.Slice(shape, {n.Int("start", 0)}, {n.Int("end", static_cast<int64_t>(rank))}, {0});
  }
  n.SetOutput(0, shape);
}

void Size(NodeContext& n) {
  const Value x = n.Input(0);
  if (!n.ok()) return;
  std::vector<Dim> count;
  if (n.b.HasRank(x)) {
    count = {n.b.symbols()->Product(*n.b.shape(x))};
    if (!IsSymbol(count[0])) return n.SetOutput(0, n.b.ScalarInt(count[0]));
  }
  n.SetOutput(0, n.b.SizeOf(x));
}

void Reshape(NodeContext& n) {
  if (n.opset() < 5) return n.SetOutput(0, n.b.ReshapeTo(n.Input(0), n.Ints("shape")));
  n.SetOutput(0, n.b.Reshape(n.Input(0), n.Input(1), n.Int("allowzero", 0) != 0));
}

void Flatten(NodeContext& n) {
  const Value x = n.Input(0);
  const size_t rank = n.b.Rank(x);
  int64_t axis = n.Int("axis", 1);
  if (!n.ok()) return;
  if (axis < 0) axis += static_cast<int64_t>(rank);
  if (axis < 0 || axis > static_cast<int64_t>(rank)) return n.Fail("axis {} lies outside a tensor of rank {}", axis, rank);
  const Shape shape = *n.b.shape(x);
  const Shape front(shape.begin(), shape.begin() + axis), back(shape.begin() + axis, shape.end());
  const Dim outer = n.b.symbols()->Product(front), inner = n.b.symbols()->Product(back);
  if (IsKnown(outer) && IsKnown(inner)) return n.SetOutput(0, n.b.ReshapeLike(x, {outer, inner}, {}));
  if (inner > 0) return n.SetOutput(0, n.b.ReshapeTo(x, {-1, inner}));
  if (outer > 0) return n.SetOutput(0, n.b.ReshapeTo(x, {outer, -1}));
  if (axis == 1) return n.SetOutput(0, n.b.ReshapeTo(x, {0, -1}));
  mnn::FlattenT param;
  param.axis = static_cast<int32_t>(axis);
  n.SetOutput(0, n.b.Emit(mnn::OpType::Flatten, Param(param), {x}, {n.b.type(x), Shape{outer, inner}, n.b.info(x).stored}));
}

void Squeeze(NodeContext& n) {
  const Value x = n.Input(0);
  if (n.HasInput(1) && !n.b.IsConstant(n.Input(1))) return n.SetOutput(0, n.b.SqueezeComputed(x, n.Input(1)));
  auto axes = n.AxesInputOrAttribute("axes", 1);
  if (!n.ok()) return;
  if (!axes) {
    axes.emplace();
    const std::optional<Shape> shape = n.b.shape(x);
    if (!shape || !IsStatic(*shape)) {
      // Which axes go is known at run time only, and with it the rank.
      return n.SetOutput(0, n.b.Emit(mnn::OpType::Squeeze, Param(mnn::SqueezeParamT{}), {x}, {n.b.type(x), std::nullopt, n.b.info(x).stored}));
    }
    for (size_t i = 0; i < shape->size(); ++i) {
      if ((*n.b.shape(x))[i] == 1) axes->push_back(static_cast<int64_t>(i));
    }
  }
  n.SetOutput(0, n.b.Squeeze(x, *axes));
}

void Unsqueeze(NodeContext& n) {
  const Value x = n.Input(0);
  if (n.HasInput(1) && !n.b.IsConstant(n.Input(1))) return n.SetOutput(0, n.b.UnsqueezeComputed(x, n.Input(1)));
  const auto axes = n.AxesInputOrAttribute("axes", 1);
  if (!n.ok()) return;
  n.SetOutput(0, n.b.Unsqueeze(x, axes.value_or(std::vector<int64_t>{})));
}

void Transpose(NodeContext& n) {
  const Value x = n.Input(0);
  std::vector<int64_t> perm = n.Ints("perm");
  if (!n.Has("perm")) {
    perm.resize(n.b.Rank(x));
    std::iota(perm.rbegin(), perm.rend(), 0);
  }
  n.SetOutput(0, n.b.Transpose(x, perm));
}

void Concat(NodeContext& n) {
  std::vector<Value> parts;
  for (size_t i = 0; i < n.input_count(); ++i) parts.push_back(n.Input(i));
  n.SetOutput(0, n.b.Concat(parts, n.Int("axis", n.opset() < 4 ? 1 : 0)));
}

void Tile(NodeContext& n) {
  const Value x = n.Input(0);
  if (n.opset() >= 6) return n.SetOutput(0, n.b.Tile(x, n.Input(1)));
  // Opset 1: a count and an axis.
  const size_t rank = n.b.Rank(x);
  const std::vector<int64_t> times = n.ConstantInts(1, "tiles"), axis = n.ConstantInts(2, "axis");
  if (!n.ok()) return;
  const auto a = axis.size() == 1 ? NormalizeAxis(axis[0], rank) : std::nullopt;
  if (!a || times.size() != 1) return n.Fail("one count and one axis are needed");
  std::vector<int64_t> repeats(rank, 1);
  repeats[*a] = times[0];
  n.SetOutput(0, n.b.Tile(x, n.b.IntList(std::move(repeats))));
}

void Range(NodeContext& n) { n.SetOutput(0, n.b.Range(n.Input(0), n.Input(1), n.Input(2))); }

void EyeLike(NodeContext& n) {
  const Value x = n.Input(0);
  n.b.AssumeRank(x, 2);
  const size_t rank = n.b.Rank(x);
  const ElementType type = n.Has("dtype") ? n.ElementTypeAttribute("dtype") : n.b.type(x);
  const int64_t k = n.Int("k", 0);
  if (!n.ok()) return;
  if (rank != 2) return n.Fail("a tensor of rank {}; a matrix is needed", rank);
  const Shape shape = *n.b.shape(x);
  const auto count = ElementCount(shape);
  if (count && *count <= kMaxStoredBroadcast) {
    std::vector<int64_t> values(static_cast<size_t>(*count), 0);
    for (int64_t i = 0; i < shape[0]; ++i) {
      if (i + k >= 0 && i + k < shape[1]) values[static_cast<size_t>(i * shape[1] + i + k)] = 1;
    }
    return n.SetOutput(0, n.b.Cast(n.b.Ints(std::move(values), shape), type));
  }
  if (k != static_cast<int32_t>(k)) return n.Fail("a diagonal at {}", k);
  const Value wide = n.b.Widen(x);
  const Value eye = n.b.Emit(mnn::OpType::EyeLike, {}, {wide, n.b.ScalarInt(k, ElementType::kInt32)}, {n.b.type(x), shape});
  n.SetOutput(0, n.b.Cast(eye, type));
}

void Expand(NodeContext& n) { n.SetOutput(0, n.b.Expand(n.Input(0), n.Input(1))); }

void ConstantOp(NodeContext& n) {
  for (const char* name : {"value", "sparse_value"}) {
    if (n.Has(name)) return n.SetOutput(0, n.TensorAttribute(name));
  }
  if (n.Has("value_float")) return n.SetOutput(0, n.b.ScalarFloat(n.Float("value_float", 0)));
  if (n.Has("value_int")) return n.SetOutput(0, n.b.ScalarInt(n.Int("value_int", 0)));
  if (n.Has("value_ints")) return n.SetOutput(0, n.b.IntList(n.Ints("value_ints")));
  if (n.Has("value_floats")) {
    std::vector<float> values = n.Floats("value_floats");
    const auto count = static_cast<int64_t>(values.size());
    return n.SetOutput(0, n.b.Floats(std::move(values), {count}));
  }
  if (n.Has("value_string") || n.Has("value_strings")) return n.Fail("text; the runtime has tensors of numbers only");
  n.Fail("a constant without a value");
}

void ConstantOfShape(NodeContext& n) {
  Value value = n.TensorAttribute("value");
  if (!value.valid()) value = n.b.ScalarFloat(0);
  n.SetOutput(0, n.b.Fill(n.Input(0), n.b.ReshapeTo(value, {})));
}

constexpr OpRow kRows[] = {
    {"", "Shape", 1, kNewest, ShapeOp, ""},
    {"", "Size", 1, kNewest, Size, ""},
    {"", "Reshape", 1, kNewest, Reshape, ""},
    {"", "Flatten", 1, kNewest, Flatten, ""},
    {"", "Squeeze", 1, kNewest, Squeeze, ""},
    {"", "Unsqueeze", 1, kNewest, Unsqueeze, ""},
    {"", "Transpose", 1, kNewest, Transpose, ""},
    {"", "Concat", 1, kNewest, Concat, ""},
    {"", "Tile", 1, kNewest, Tile, ""},
    {"", "Range", 11, kNewest, Range, ""},
    {"", "EyeLike", 9, kNewest, EyeLike, ""},
    {"", "Expand", 8, kNewest, Expand, ""},
    {"", "Constant", 1, kNewest, ConstantOp, ""},
    {"", "ConstantOfShape", 9, kNewest, ConstantOfShape, ""},
};

}  // namespace

std::span<const OpRow> ShapeOps() { return kRows; }

}  // namespace quantpress::graph::onnx
