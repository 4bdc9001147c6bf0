// Random numbers: another stream than the source framework's, of the same distribution.
#include <algorithm>

#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/tensor.h"

namespace quantpress::graph::onnx {
namespace {

Value Draw(NodeContext& n, mnn::OpType op, Value shape, float low, float high, std::optional<Shape> out) {
  if (!n.ok()) return {};
  mnn::RandomUniformT param;
  param.low = low;
  param.high = high;
  // The attribute is a float; any of its bits will do as a seed.
  const float seed = n.Float("seed", 0);
  param.seed = static_cast<int32_t>(std::clamp(seed, -1e9f, 1e9f));
  param.type = mnn::DataType::DT_FLOAT;
  return n.b.Emit(op, Param(param), {n.b.Cast(shape, ElementType::kInt32)}, {ElementType::kFloat32, std::move(out)});
}

// The type that the node asks for; `fallback` without one.
ElementType ResultType(NodeContext& n, ElementType fallback) {
  if (!n.Has("dtype")) return fallback;
  const int64_t code = n.Int("dtype", 1);
  const ElementType type = code > 0 && code < 64 ? FromOnnxType(static_cast<int>(code)) : ElementType::kUnknown;
  if (type == ElementType::kUnknown || type == ElementType::kString) n.Fail("attribute 'dtype' is {}", code);
  return type;
}

template <bool kNormal, bool kLike>
void Random(NodeContext& n) {
  Value shape;
  std::optional<Shape> out;
  ElementType type = ElementType::kFloat32;
  if (kLike) {
    const Value x = n.Input(0);
    if (!n.ok()) return;
    shape = n.b.ShapeOf(x);
    out = n.b.shape(x);
    type = IsFloat(n.b.type(x)) ? n.b.type(x) : type;
  } else {
    const std::vector<int64_t> dims = n.Ints("shape");
    for (int64_t d : dims) {
      if (d < 0) return n.Fail("a size of {} in attribute 'shape'", d);
    }
    shape = n.b.IntList(dims);
    out = Shape(dims);
  }
  const float low = kNormal ? n.Float("mean", 0) : n.Float("low", 0);
  const float high = kNormal ? n.Float("scale", 1) : n.Float("high", 1);
  const Value drawn = Draw(n, kNormal ? mnn::OpType::RandomNormal : mnn::OpType::RandomUniform, shape, low, high, out);
  n.SetOutput(0, n.b.Cast(drawn, ResultType(n, type)));
}

// 1 with the probability that the input says.
void Bernoulli(NodeContext& n) {
  const Value x = n.Input(0);
  if (!n.ok()) return;
  const Value drawn = Draw(n, mnn::OpType::RandomUniform, n.b.ShapeOf(x), 0, 1, n.b.shape(x));
  n.SetOutput(0, n.b.Cast(n.b.Greater(x, drawn), ResultType(n, n.b.type(x))));
}

constexpr std::string_view kNote = "its own random stream";

constexpr OpRow kRows[] = {
    {"", "RandomUniform", 1, kNewest, Random<false, false>, kNote},
    {"", "RandomUniformLike", 1, kNewest, Random<false, true>, kNote},
    {"", "RandomNormal", 1, kNewest, Random<true, false>, kNote},
    {"", "RandomNormalLike", 1, kNewest, Random<true, true>, kNote},
    {"", "Bernoulli", 15, kNewest, Bernoulli, kNote},
};

}  // namespace

std::span<const OpRow> RandomOps() { return kRows; }

}  // namespace quantpress::graph::onnx
