// Operators on quantized tensors that have no integer form of their own: dequantize, compute in float32, quantize.
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/quantize.h"

namespace quantpress::graph::onnx {
namespace {

using R = mnn::ReductionType;
using U = mnn::UnaryOpOperation;

// Input i with scale i + 1 and zero point i + 2, as real numbers.
Value RealInput(NodeContext& n, size_t i) {
  const Value codes = n.Input(i);
  return Dequantize(n, codes, QuantizationAt(n, i + 1));
}

// Output 0 from real numbers; scale and zero point are inputs i and i + 1. Without a zero point the codes have the type of `like`.
void SetCodes(NodeContext& n, Value real, size_t i, Value like) {
  const Quantization q = QuantizationAt(n, i);
  if (!n.ok()) return;
  n.SetOutput(0, Quantize(n, real, q, n.b.type(q.zero.valid() ? q.zero : like)));
}

template <mnn::BinaryOpOperation kOp>
void Binary(NodeContext& n) {
  const Value a = RealInput(n, 0), b = RealInput(n, 3);
  SetCodes(n, n.b.Binary(kOp, a, b), 6, n.Input(0));
}

void Sigmoid(NodeContext& n) { SetCodes(n, n.b.Unary(U::SIGMOID, RealInput(n, 0)), 3, n.Input(0)); }
void LeakyRelu(NodeContext& n) { SetCodes(n, n.b.Relu(RealInput(n, 0), n.Float("alpha", 0.01f)), 3, n.Input(0)); }

void Softmax(NodeContext& n) {
  const Value x = RealInput(n, 0);
  const size_t rank = n.b.Rank(x);
  const int64_t opset = n.Int("opset", 13);
  const auto axis = NormalizeAxis(n.Int("axis", -1), rank);
  if (!n.ok()) return;
  if (!axis) return n.Fail("axis {} lies outside a tensor of rank {}", n.Int("axis", -1), rank);
  if (opset < 13 && *axis + 1 != rank) return n.Fail("axis {} of a tensor of rank {} in the sense of opset {}", *axis, rank, opset);
  SetCodes(n, n.b.Softmax(x, static_cast<int64_t>(*axis)), 3, n.Input(0));
}

void GlobalAveragePool(NodeContext& n) {
  const Value x = RealInput(n, 0);
  const size_t rank = n.b.Rank(x);
  if (!n.ok()) return;
  const bool last = n.Int("channels_last", 0) != 0;
  std::vector<int64_t> axes;
  for (size_t i = last ? 1 : 2; i < (last ? rank - 1 : rank); ++i) axes.push_back(static_cast<int64_t>(i));
  if (axes.empty()) return n.Fail("a tensor of rank {}; expected [N, C, ...]", rank);
  SetCodes(n, n.b.Reduce(R::MEAN, x, axes, true), 3, n.Input(0));
}

void ReduceMean(NodeContext& n) {
  const Value x = RealInput(n, 0);
  SetCodes(n, n.b.Reduce(R::MEAN, x, n.Ints("axes"), n.Int("keepdims", 1) != 0), 3, n.Input(0));
}

// The result's scale and zero point come first, then codes, scale, zero point of every part.
void Concat(NodeContext& n) {
  std::vector<Value> parts;
  for (size_t i = 2; i < n.input_count(); i += 3) parts.push_back(RealInput(n, i));
  if (!n.ok()) return;
  if (parts.empty()) return n.Fail("no parts; expected one or more");
  SetCodes(n, n.b.Concat(std::move(parts), n.Int("axis", 0)), 0, n.Input(2));
}

void Where(NodeContext& n) {
  const Value condition = n.Input(0), a = RealInput(n, 1), b = RealInput(n, 4);
  SetCodes(n, n.b.Select(condition, a, b), 7, n.Input(1));
}

constexpr std::string_view kNote = "dequantized, computed in float32, quantized";

constexpr OpRow kRows[] = {
    {"com.microsoft", "QLinearAdd", 1, kNewest, Binary<mnn::BinaryOpOperation::ADD>, kNote},
    {"com.microsoft", "QLinearMul", 1, kNewest, Binary<mnn::BinaryOpOperation::MUL>, kNote},
    {"com.microsoft", "QLinearSigmoid", 1, kNewest, Sigmoid, kNote},
    {"com.microsoft", "QLinearLeakyRelu", 1, kNewest, LeakyRelu, kNote},
    {"com.microsoft", "QLinearSoftmax", 1, kNewest, Softmax, kNote},
    {"com.microsoft", "QLinearGlobalAveragePool", 1, kNewest, GlobalAveragePool, kNote},
    {"com.microsoft", "QLinearReduceMean", 1, kNewest, ReduceMean, kNote},
    {"com.microsoft", "QLinearConcat", 1, kNewest, Concat, kNote},
    {"com.microsoft", "QLinearWhere", 1, kNewest, Where, kNote},
};

}  // namespace

std::span<const OpRow> QLinearRealOps() { return kRows; }

}  // namespace quantpress::graph::onnx
