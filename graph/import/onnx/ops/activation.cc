// Activation functions.
#include <limits>

#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

using U = mnn::UnaryOpOperation;

template <U kOp>
void Unary(NodeContext& n) {
  n.SetOutput(0, n.b.Unary(kOp, n.Input(0)));
}

void Relu(NodeContext& n) {
  const Value x = n.Input(0);
  if (!n.ok()) return;
  // The runtime's ReLU works on floats only.
  n.SetOutput(0, IsFloat(n.b.type(x)) ? n.b.Relu(x) : n.b.Max(x, n.b.ScalarLike(0, x)));
}

void LeakyRelu(NodeContext& n) { n.SetOutput(0, n.b.Relu(n.Input(0), n.Float("alpha", 0.01f))); }

// slope * x where x is negative. The slope broadcasts to x.
void PRelu(NodeContext& n) {
  const Value x = n.Input(0);
  Value slope = n.Input(1);
  if (!n.ok()) return;
  if (n.opset() < 7 && n.b.Rank(slope) == 1 && n.b.Rank(x) > 2 && n.b.shape(slope) != Shape{1}) {
    // A list of slopes is one per channel.
    std::vector<int64_t> behind;
    for (size_t i = 2; i < n.b.Rank(x); ++i) behind.push_back(static_cast<int64_t>(i) - 1);
    slope = n.b.Unsqueeze(slope, behind);
  }
  if (!n.ok()) return;
  const auto slopes = n.b.ConstantFloats(slope);
  const bool floats = IsFloat(n.b.type(x));
  if (floats && slopes && slopes->size() == 1) return n.SetOutput(0, n.b.Relu(x, (*slopes)[0]));
  // One slope per channel of an image: the runtime's own operator.
  const auto& xs = n.b.shape(x);
  const auto& ss = n.b.shape(slope);
  const bool image = floats && slopes && xs && xs->size() == 4 && ss->size() >= 3 && ss->size() <= 4 &&
                     *(ss->end() - 3) == (*xs)[1] && static_cast<int64_t>(slopes->size()) == (*xs)[1];
  if (image) {
    mnn::PReluT param;
    param.slopeCount = static_cast<int32_t>(slopes->size());
    param.slope = *slopes;
    return n.SetOutput(0, n.b.Emit(mnn::OpType::PReLU, Param(std::move(param)), {x}, {n.b.type(x), xs}));
  }
  n.SetOutput(0, n.b.Select(n.b.Less(x, n.b.ScalarLike(0, x)), n.b.MulExact(x, slope), x));
}

// Before opset 11 the limits are attributes.
void Clip(NodeContext& n) {
  Value x = n.Input(0);
  Value low = n.OptionalInput(1), high = n.OptionalInput(2);
  if (n.Has("min")) low = n.b.ScalarFloat(n.Float("min", 0));
  if (n.Has("max")) high = n.b.ScalarFloat(n.Float("max", 0));
  if (!n.ok()) return;
  const auto lo = n.b.ConstantFloats(low), hi = n.b.ConstantFloats(high);
  const bool constant = (!low.valid() || (lo && lo->size() == 1)) && (!high.valid() || (hi && hi->size() == 1));
  if (constant && IsFloat(n.b.type(x)) && (low.valid() || high.valid())) {
    const float l = lo ? (*lo)[0] : -std::numeric_limits<float>::infinity();
    const float h = hi ? (*hi)[0] : std::numeric_limits<float>::infinity();
    // With crossed limits the upper one wins.
    return n.SetOutput(0, n.b.Clip(x, std::min(l, h), h));
  }
  if (low.valid()) x = n.b.Max(x, low);
  if (high.valid()) x = n.b.Min(x, high);
  n.SetOutput(0, x);
}

// alpha * (exp(x) - 1) where x is negative.
Value MakeElu(NodeContext& n, Value x, float alpha) {
  if (!n.ok()) return {};
  mnn::ELUT param;
  param.alpha = alpha;
  return n.b.Emit(mnn::OpType::ELU, Param(param), {x}, {n.b.type(x), n.b.shape(x)});
}

void Elu(NodeContext& n) { n.SetOutput(0, MakeElu(n, n.Input(0), n.Float("alpha", 1))); }

// The Elu of x / alpha, times alpha.
void Celu(NodeContext& n) {
  const Value x = n.Input(0);
  const float alpha = n.Float("alpha", 1);
  if (!n.ok()) return;
  if (alpha == 0) return n.Fail("attribute 'alpha' is 0");
  const Value scale = n.b.ScalarLike(alpha, x);
  n.SetOutput(0, alpha == 1 ? MakeElu(n, x, 1) : n.b.Mul(MakeElu(n, n.b.Div(x, scale), 1), scale));
}

void Selu(NodeContext& n) {
  const Value x = n.Input(0);
  mnn::SeluT param;
  param.alpha = n.Float("alpha", n.opset() < 6 ? 1.6732f : 1.67326319217681884765625f);
  param.scale = n.Float("gamma", n.opset() < 6 ? 1.0507f : 1.05070102214813232421875f);
  if (!n.ok()) return;
  n.SetOutput(0, n.b.Emit(mnn::OpType::Selu, Param(param), {x}, {n.b.type(x), n.b.shape(x)}));
}

void ThresholdedRelu(NodeContext& n) {
  const Value x = n.Input(0);
  if (!n.ok()) return;
  n.SetOutput(0, n.b.Select(n.b.Greater(x, n.b.ScalarLike(n.Float("alpha", 1), x)), x, n.b.ScalarLike(0, x)));
}

void Shrink(NodeContext& n) {
  const Value x = n.Input(0);
  const float limit = n.Float("lambd", 0.5f), bias = n.Float("bias", 0);
  if (!n.ok()) return;
  // Integers are compared and moved as floats, as the attributes are.
  const ElementType type = n.b.type(x);
  const Value f = n.b.Cast(x, IsFloat(type) ? type : ElementType::kFloat32);
  const Value upper = n.b.Select(n.b.Greater(f, n.b.ScalarLike(limit, f)), n.b.Sub(f, n.b.ScalarLike(bias, f)), n.b.ScalarLike(0, f));
  n.SetOutput(0, n.b.Cast(n.b.Select(n.b.Less(f, n.b.ScalarLike(-limit, f)), n.b.Add(f, n.b.ScalarLike(bias, f)), upper), type));
}

void HardSigmoid(NodeContext& n) {
  const Value x = n.Input(0);
  if (!n.ok()) return;
  const Value line = n.b.Add(n.b.Mul(x, n.b.ScalarLike(n.Float("alpha", 0.2f), x)), n.b.ScalarLike(n.Float("beta", 0.5f), x));
  n.SetOutput(0, n.b.Clip(line, 0, 1));
}

void Softsign(NodeContext& n) {
  const Value x = n.Input(0);
  if (!n.ok()) return;
  n.SetOutput(0, n.b.Div(x, n.b.Add(n.b.Unary(U::ABS, x), n.b.ScalarLike(1, x))));
}

void Mish(NodeContext& n) {
  const Value x = n.Input(0);
  n.SetOutput(0, n.b.Mul(x, n.b.Unary(U::TANH, n.b.Unary(U::BNLL, x))));
}

void Swish(NodeContext& n) {
  const Value x = n.Input(0);
  const float alpha = n.Float("alpha", 1);
  if (!n.ok()) return;
  if (alpha == 1) return n.SetOutput(0, n.b.Unary(U::SILU, x));
  n.SetOutput(0, n.b.Mul(x, n.b.Unary(U::SIGMOID, n.b.Mul(x, n.b.ScalarLike(alpha, x)))));
}

void Gelu(NodeContext& n) {
  const std::string form = n.String("approximate", "none");
  if (form != "none" && form != "tanh") return n.Fail("approximate '{}'; expected none or tanh", form);
  n.SetOutput(0, n.b.Unary(form == "tanh" ? U::GELU : U::GELU_STANDARD, n.Input(0)));
}

constexpr OpRow kRows[] = {
    {"", "Relu", 1, kNewest, Relu, "of NaN: 0"},
    {"", "LeakyRelu", 1, kNewest, LeakyRelu, ""},
    {"", "PRelu", 1, kNewest, PRelu, ""},
    {"", "Sigmoid", 1, kNewest, Unary<U::SIGMOID>, ""},
    {"", "Tanh", 1, kNewest, Unary<U::TANH>, ""},
    {"", "Clip", 1, kNewest, Clip, ""},
    {"", "Elu", 1, kNewest, Elu, ""},
    {"", "Celu", 12, kNewest, Celu, ""},
    {"", "Selu", 1, kNewest, Selu, ""},
    {"", "ThresholdedRelu", 1, kNewest, ThresholdedRelu, ""},
    {"", "Shrink", 9, kNewest, Shrink, ""},
    {"", "HardSigmoid", 1, kNewest, HardSigmoid, ""},
    {"", "HardSwish", 14, kNewest, Unary<U::HARDSWISH>, ""},
    {"", "Softplus", 1, kNewest, Unary<U::BNLL>, ""},
    {"", "Softsign", 1, kNewest, Softsign, ""},
    {"", "Mish", 18, kNewest, Mish, ""},
    {"", "Swish", 24, kNewest, Swish, ""},
    {"", "Gelu", 20, kNewest, Gelu, ""},
};

}  // namespace

std::span<const OpRow> ActivationOps() { return kRows; }

}  // namespace quantpress::graph::onnx
