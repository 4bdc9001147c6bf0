// Matrix products and convolutions of quantized tensors: whole numbers in float32, exact while sums stay below 2^24.
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/quantize.h"
#include "graph/import/onnx/ops/window.h"

namespace quantpress::graph::onnx {
namespace {

using R = mnn::ReductionType;

// y [uint8], y_scale, y_zero_point: the range of x, widened to hold 0, in 255 steps.
struct Dynamic {
  Value codes, scale, zero;
};

Dynamic QuantizeDynamically(NodeContext& n, Value x) {
  GraphBuilder& b = n.b;
  const Value zero = b.ScalarFloat(0);
  const Value top = b.Max(b.Reduce(R::MAXIMUM, x, {}, false), zero);
  const Value bottom = b.Min(b.Reduce(R::MINIMUM, x, {}, false), zero);
  const Value range = b.Sub(top, bottom);
  Dynamic d;
  // A tensor of zeros has no range: any scale will do.
  d.scale = b.Div(b.Select(b.Greater(range, zero), range, b.ScalarFloat(1)), b.ScalarFloat(255));
  const Value shift = b.Clip(RoundSmall(b, b.Div(b.Sub(zero, bottom), d.scale)), 0, 255);
  d.zero = b.CastIntegral(shift, ElementType::kUInt8);
  Quantization q;
  q.scale = d.scale;
  q.zero = d.zero;
  d.codes = Quantize(n, x, q, ElementType::kUInt8);
  return d;
}

void DynamicQuantizeLinear(NodeContext& n) {
  const Value x = n.Input(0);
  if (!n.ok()) return;
  const Dynamic d = QuantizeDynamically(n, x);
  n.SetOutput(0, d.codes);
  n.SetOutput(1, d.scale);
  n.SetOutput(2, d.zero);
}

// A list of one number per row of the left operand, as a column.
Value PerRow(NodeContext& n, Value v) {
  if (!v.valid() || !n.b.HasRank(v) || n.b.shape(v)->size() != 1 || IsSingle(n.b, v)) return v;
  return n.b.Unsqueeze(v, {1});
}

// left - zero (per row) times right - zero (per column), in float32.
Value IntegerMatMul(NodeContext& n, Value a, Value a_zero, Value b, Value b_zero) {
  if (!n.ok()) return {};
  Quantization left, right;
  left.zero = a_zero;
  left.axis = -2;
  right.zero = b_zero;
  right.axis = -1;
  return n.b.MatMul(Centered(n, a, left), Centered(n, b, right));
}

void MatMulInteger(NodeContext& n) {
  const Value product = IntegerMatMul(n, n.Input(0), n.OptionalInput(2), n.Input(1), n.OptionalInput(3));
  n.SetOutput(0, n.b.CastIntegral(product, ElementType::kInt32));
}

// accumulator * multiplier, as codes.
Value Requantize(NodeContext& n, Value accumulator, Value multiplier, const Quantization& y, Value like) {
  if (!n.ok()) return {};
  return RoundToCodes(n, n.b.Mul(accumulator, multiplier), y, y.zero.valid() ? n.b.type(y.zero) : n.b.type(like));
}

void QLinearMatMul(NodeContext& n) {
  const Value a = n.Input(0), b = n.Input(3);
  const Quantization qa = QuantizationAt(n, 1), qb = QuantizationAt(n, 4), qy = QuantizationAt(n, 6);
  const Value product = IntegerMatMul(n, a, qa.zero, b, qb.zero);
  if (!n.ok()) return;
  const auto f = [&](Value v) { return n.b.Cast(v, ElementType::kFloat32); };
  const Value multiplier = n.b.Div(n.b.Mul(f(PerRow(n, qa.scale)), f(qb.scale)), f(qy.scale));
  n.SetOutput(0, Requantize(n, product, multiplier, qy, a));
}

// Convolution of x - zero and weight - zero. Padding is zero there, which is the zero point in codes.
Value IntegerConvolution(NodeContext& n, Value x, Value x_zero, Value weight, Value weight_zero, Value bias) {
  if (!n.ok()) return {};
  Quantization qx, qw;
  qx.zero = x_zero;
  qw.zero = weight_zero;
  qw.axis = 0;
  return Convolution(n, Centered(n, x, qx), Centered(n, weight, qw), bias.valid() ? n.b.Cast(bias, ElementType::kFloat32) : bias);
}

void ConvInteger(NodeContext& n) {
  const Value sum = IntegerConvolution(n, n.Input(0), n.OptionalInput(2), n.Input(1), n.OptionalInput(3), {});
  n.SetOutput(0, n.b.CastIntegral(sum, ElementType::kInt32));
}

void QLinearConv(NodeContext& n) {
  const Value x = n.Input(0), weight = n.Input(3);
  const Quantization qx = QuantizationAt(n, 1), qw = QuantizationAt(n, 4), qy = QuantizationAt(n, 6);
  const Value sum = IntegerConvolution(n, x, qx.zero, weight, qw.zero, n.OptionalInput(8));
  if (!n.ok()) return;
  // One scale per output channel lies along axis 1.
  Value weight_scale = qw.scale;
  if (!IsSingle(n.b, weight_scale)) {
    std::vector<int64_t> behind;
    for (size_t i = 2; i < n.b.Rank(sum); ++i) behind.push_back(static_cast<int64_t>(i) - 1);
    weight_scale = n.b.Unsqueeze(weight_scale, behind);
  } else if (n.b.IsConstant(weight_scale)) {
    weight_scale = n.b.ReshapeTo(weight_scale, {});
  }
  const Value multiplier = n.b.Div(n.b.Mul(qx.scale, weight_scale), qy.scale);
  n.SetOutput(0, Requantize(n, sum, multiplier, qy, x));
}

// ---- com.microsoft

// (a - a_zero)(b - b_zero) a_scale b_scale + bias, in float32.
void FloatMatMul(NodeContext& n, Value product, Value a_scale, Value b_scale, Value bias) {
  if (!n.ok()) return;
  const Value real = n.b.Mul(product, n.b.Mul(PerRow(n, a_scale), b_scale));
  n.SetOutput(0, bias.valid() ? n.b.Add(real, bias) : real);
}

void MatMulIntegerToFloat(NodeContext& n) {
  const Value product = IntegerMatMul(n, n.Input(0), n.OptionalInput(4), n.Input(1), n.OptionalInput(5));
  FloatMatMul(n, product, n.Input(2), n.Input(3), n.OptionalInput(6));
}

void DynamicQuantizeMatMul(NodeContext& n) {
  const Value a = n.Input(0);
  if (!n.ok()) return;
  const Dynamic d = QuantizeDynamically(n, a);
  FloatMatMul(n, IntegerMatMul(n, d.codes, d.zero, n.Input(1), n.OptionalInput(3)), d.scale, n.Input(2), n.OptionalInput(4));
}

// alpha * A' * B' + C, with C in the scale of the product; real numbers without a scale of the result.
void QGemm(NodeContext& n) {
  Value a = n.Input(0), b = n.Input(3);
  const Quantization qa = QuantizationAt(n, 1);
  Quantization qb = QuantizationAt(n, 4);
  if (!n.ok()) return;
  qb.axis = n.Int("transB", 0) != 0 ? 0 : 1;
  Value sum = n.b.MatMul(Centered(n, a, qa), Centered(n, b, qb), n.Int("transA", 0) != 0, qb.axis == 0);
  const Value c = n.OptionalInput(6);
  if (c.valid()) sum = n.b.Add(sum, n.b.Cast(c, ElementType::kFloat32));
  if (!n.ok()) return;
  Value multiplier = n.b.Mul(qa.scale, qb.scale);
  const float alpha = n.Float("alpha", 1);
  if (alpha != 1) multiplier = n.b.Mul(multiplier, n.b.ScalarFloat(alpha));
  if (!n.HasInput(7)) return n.SetOutput(0, n.b.Mul(sum, multiplier));
  const Quantization qy = QuantizationAt(n, 7);
  n.SetOutput(0, Requantize(n, sum, n.b.Div(multiplier, qy.scale), qy, a));
}

constexpr std::string_view kNote = "in float32: exact while sums stay below 2^24";

constexpr OpRow kRows[] = {
    {"", "DynamicQuantizeLinear", 11, kNewest, DynamicQuantizeLinear, ""},
    {"", "MatMulInteger", 10, kNewest, MatMulInteger, kNote},
    {"", "ConvInteger", 10, kNewest, ConvInteger, kNote},
    {"", "QLinearMatMul", 10, kNewest, QLinearMatMul, kNote},
    {"", "QLinearConv", 10, kNewest, QLinearConv, kNote},
    {"com.microsoft", "MatMulIntegerToFloat", 1, kNewest, MatMulIntegerToFloat, kNote},
    {"com.microsoft", "DynamicQuantizeMatMul", 1, kNewest, DynamicQuantizeMatMul, kNote},
    {"com.microsoft", "QGemm", 1, kNewest, QGemm, kNote},
};

}  // namespace

std::span<const OpRow> QLinearOps() { return kRows; }

}  // namespace quantpress::graph::onnx
