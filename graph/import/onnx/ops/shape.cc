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
  const auto outer = ElementCount({shape.begin(), shape.begin() + axis}), inner = ElementCount({shape.begin() + axis, shape.end()});
  if (axis == 0) return n.SetOutput(0, n.b.ReshapeTo(x, {1, -1}));
  if (axis == 1) return n.SetOutput(0, n.b.ReshapeTo(x, {0, inner && *inner > 0 ? *inner : -1}));
  if (inner && *inner > 0) return n.SetOutput(0, n.b.ReshapeTo(x, {-1, *inner}));
  if (outer && *outer > 0) return n.SetOutput(0, n.b.ReshapeTo(x, {*outer, -1}));
  mnn::FlattenT param;
  param.axis = static_cast<int32_t>(axis);
  n.SetOutput(0, n.b.Emit(mnn::OpType::Flatten, Param(param), {x},
                          {n.b.type(x), Shape{n.b.symbols()->Fresh(), n.b.symbols()->Fresh()}, n.b.info(x).stored}));
}

void Squeeze(NodeContext& n) {
  const Value x = n.Input(0);
  auto axes = n.AxesInputOrAttribute("axes", 1);
  if (!n.ok()) return;
  if (!axes) {
    const size_t rank = n.b.Rank(x);
    if (!n.ok()) return;
    axes.emplace();
    for (size_t i = 0; i < rank; ++i) {
      if (!IsKnown((*n.b.shape(x))[i])) return n.Fail("squeeze of all axes of size 1 of shape {}", ShapeText(n.b.shape(x)));
      if ((*n.b.shape(x))[i] == 1) axes->push_back(static_cast<int64_t>(i));
    }
  }
  n.SetOutput(0, n.b.Squeeze(x, *axes));
}

void Unsqueeze(NodeContext& n) {
  const Value x = n.Input(0);
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
  n.Fail("a constant without a numeric value");
}

void ConstantOfShape(NodeContext& n) {
  Value value = n.TensorAttribute("value");
  if (!value.valid()) value = n.b.ScalarFloat(0);
  n.SetOutput(0, n.b.Fill(n.Input(0), n.b.ReshapeTo(value, {})));
}

constexpr OpRow kRows[] = {
    {"", "Shape", 1, kNewest, ShapeOp, ""},
    {"", "Reshape", 1, kNewest, Reshape, ""},
    {"", "Flatten", 1, kNewest, Flatten, ""},
    {"", "Squeeze", 1, kNewest, Squeeze, ""},
    {"", "Unsqueeze", 1, kNewest, Unsqueeze, ""},
    {"", "Transpose", 1, kNewest, Transpose, ""},
    {"", "Concat", 1, kNewest, Concat, ""},
    {"", "Expand", 8, kNewest, Expand, ""},
    {"", "Constant", 1, kNewest, ConstantOp, ""},
    {"", "ConstantOfShape", 9, kNewest, ConstantOfShape, ""},
};

}  // namespace

std::span<const OpRow> ShapeOps() { return kRows; }

}  // namespace quantpress::graph::onnx
