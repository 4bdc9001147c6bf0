// Arithmetic and mathematical functions.
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/broadcast.h"

namespace quantpress::graph::onnx {

Value SecondOperand(NodeContext& n, Value a) {
  const Value b = n.Input(1);
  if (!n.ok() || n.opset() >= 7 || n.Int("broadcast", 0) == 0 || !n.Has("axis")) return b;
  const size_t rank = n.b.Rank(a), own = n.b.Rank(b);
  const auto axis = NormalizeAxis(n.Int("axis", 0), rank);
  if (!n.ok()) return {};
  if (!axis || *axis + own > rank) {
    n.Fail("axis {} for operands of rank {} and {}", n.Int("axis", 0), rank, own);
    return {};
  }
  std::vector<int64_t> added;
  for (size_t i = *axis + own; i < rank; ++i) added.push_back(static_cast<int64_t>(i - *axis));
  return n.b.Unsqueeze(b, added);
}

namespace {

using B = mnn::BinaryOpOperation;
using U = mnn::UnaryOpOperation;

template <B kOp>
void Arithmetic(NodeContext& n) {
  const Value a = n.Input(0), b = SecondOperand(n, a);
  if (!n.ok()) return;
  const ElementType type = n.b.type(a);
  const Value out = kOp == B::MUL ? n.b.MulExact(a, b) : n.b.Binary(kOp, a, b);
  n.SetOutput(0, kOp == B::REALDIV ? out : n.b.Wrap(out, type));
}

// Max, Min, Sum: one input or more.
template <B kOp>
void Variadic(NodeContext& n) {
  if (n.input_count() == 0) return n.Fail("no inputs; expected one or more");
  Value out = n.Input(0);
  for (size_t i = 1; i < n.input_count(); ++i) out = n.b.Binary(kOp, out, n.Input(i));
  n.SetOutput(0, out);
}

void Mean(NodeContext& n) {
  if (n.input_count() == 0) return n.Fail("no inputs; expected one or more");
  Value out = n.Input(0);
  for (size_t i = 1; i < n.input_count(); ++i) out = n.b.Add(out, n.Input(i));
  if (!n.ok()) return;
  const auto count = static_cast<double>(n.input_count());
  n.SetOutput(0, n.input_count() == 1 ? out : n.b.Div(out, n.b.ScalarLike(count, out)));
}

template <U kOp>
void Unary(NodeContext& n) {
  const Value x = n.Input(0);
  if (!n.ok()) return;
  n.SetOutput(0, n.b.Wrap(n.b.Unary(kOp, x), n.b.type(x)));
}

// An integer power is computed in float32, as the runtime has no other. powf may miss a whole number by one unit in the last place,
// so integer exponents round and fractional ones truncate a little later.
Value IntegerPow(NodeContext& n, Value a, Value e) {
  const ElementType type = n.b.type(a);
  const bool whole = !IsFloat(n.b.type(e));
  const Value power = n.b.Binary(B::POW, n.b.Cast(a, ElementType::kFloat32), n.b.Cast(e, ElementType::kFloat32));
  const Value exact = whole ? n.b.RoundHalfEven(power) : n.b.Mul(power, n.b.ScalarFloat(1 + 0x1p-21f));
  return n.b.Cast(exact, type);
}

void Pow(NodeContext& n) {
  const Value a = n.Input(0);
  const Value e = SecondOperand(n, a);
  if (!n.ok()) return;
  const ElementType type = n.b.type(a);
  const auto exponent = n.b.ConstantFloats(e);
  const bool scalar = exponent && exponent->size() == 1 &&
                      (n.b.shape(e)->empty() || (n.b.HasRank(a) && n.b.shape(e)->size() <= n.b.shape(a)->size()));
  const float x = scalar ? (*exponent)[0] : 0;
  if (!IsFloat(type)) {
    if (scalar && x == 1) return n.SetOutput(0, a);
    if (scalar && (x == 2 || x == 3) && !n.b.IsConstant(a)) {
      const Value square = n.b.MulExact(a, a);
      return n.SetOutput(0, n.b.Wrap(x == 2 ? square : n.b.MulExact(square, a), type));
    }
    if (n.b.IsConstant(a) && n.b.IsConstant(e) && !IsFloat(n.b.type(e))) {
      return n.SetOutput(0, n.b.Wrap(n.b.Binary(B::POW, a, n.b.Cast(e, type)), type));
    }
    return n.SetOutput(0, IntegerPow(n, a, e));
  }
  if (scalar && x == 1) return n.SetOutput(0, a);
  if (scalar && x == 2) return n.SetOutput(0, n.b.Unary(U::SQUARE, a));
  if (scalar && x == 0.5f) return n.SetOutput(0, n.b.Unary(U::SQRT, a));
  if (scalar && x == -0.5f) return n.SetOutput(0, n.b.Unary(U::RSQRT, a));
  n.SetOutput(0, n.b.Binary(B::POW, a, n.b.Cast(e, type)));
}

// The runtime's names: for integers MOD takes the sign of the divisor and FLOORMOD that of the dividend. For floats MOD is C's fmod,
// and FLOORMOD gives NaN with infinities, so the sign is corrected here.
void Mod(NodeContext& n) {
  const Value a = n.Input(0), b = n.Input(1);
  if (!n.ok()) return;
  const bool c_style = n.Int("fmod", 0) != 0;
  if (!IsFloat(n.b.type(a))) return n.SetOutput(0, n.b.Binary(c_style ? B::FLOORMOD : B::MOD, a, b));
  const Value rest = n.b.Binary(B::MOD, a, b);
  if (c_style) return n.SetOutput(0, rest);
  const Value signs = n.b.Mul(n.b.Unary(U::SIGN, rest), n.b.Unary(U::SIGN, b));
  n.SetOutput(0, n.b.Select(n.b.Less(signs, n.b.ScalarLike(0, signs)), n.b.Add(rest, b), rest));
}

void Where(NodeContext& n) { n.SetOutput(0, n.b.Select(n.Input(0), n.Input(1), n.Input(2))); }
void Identity(NodeContext& n) { n.SetOutput(0, n.Input(0)); }

// Inference only: nothing is dropped, and the mask says so.
void Dropout(NodeContext& n) {
  const Value x = n.Input(0);
  if (!n.ok()) return;
  if (n.HasInput(2)) {
    const auto training = n.b.ConstantInts(n.Input(2));
    const auto ratio = n.b.ConstantFloats(n.OptionalInput(1));
    const bool zero = ratio && ratio->size() == 1 && (*ratio)[0] == 0;
    if (training && training->size() == 1 && (*training)[0] != 0 && !zero) {
      return n.Fail("training_mode is true; export the model for inference");
    }
    if (!training) n.Note("training_mode is computed at run time; nothing is dropped");
  }
  const bool keep = n.options().for_training;
  n.SetOutput(0, keep ? n.b.Emit(mnn::OpType::Dropout, {}, {x}, {n.b.type(x), n.b.shape(x), n.b.info(x).stored}) : x);
  if (!n.OutputUsed(1)) return;
  const Value one = n.opset() >= 10 ? n.b.ScalarInt(1, ElementType::kBool) : n.b.ScalarLike(1, x);
  n.SetOutput(1, n.b.Fill(n.b.ShapeOf(x), one));
}

constexpr OpRow kRows[] = {
    {"", "Add", 1, kNewest, Arithmetic<B::ADD>, ""},
    {"", "Sub", 1, kNewest, Arithmetic<B::SUB>, ""},
    {"", "Mul", 1, kNewest, Arithmetic<B::MUL>, "integers exact modulo 2^32"},
    {"", "Div", 1, kNewest, Arithmetic<B::REALDIV>, "integers truncated"},
    {"", "Pow", 1, kNewest, Pow, "integers in float32"},
    {"", "Mod", 10, kNewest, Mod, ""},
    {"", "Max", 1, kNewest, Variadic<B::MAXIMUM>, "of a number and NaN: the number"},
    {"", "Min", 1, kNewest, Variadic<B::MINIMUM>, "of a number and NaN: the number"},
    {"", "Sum", 1, kNewest, Variadic<B::ADD>, ""},
    {"", "Mean", 1, kNewest, Mean, ""},
    {"", "Abs", 1, kNewest, Unary<U::ABS>, ""},
    {"", "Neg", 1, kNewest, Unary<U::NEG>, ""},
    {"", "Sign", 9, kNewest, Unary<U::SIGN>, ""},
    {"", "Exp", 1, kNewest, Unary<U::EXP>, "saturates near 6e37"},
    {"", "Log", 1, kNewest, Unary<U::LOG>, ""},
    {"", "Sqrt", 1, kNewest, Unary<U::SQRT>, ""},
    {"", "Reciprocal", 1, kNewest, Unary<U::RECIPROCAL>, ""},
    {"", "Erf", 9, kNewest, Unary<U::ERF>, ""},
    {"", "Floor", 1, kNewest, Unary<U::FLOOR>, ""},
    {"", "Ceil", 1, kNewest, Unary<U::CEIL>, ""},
    {"", "Round", 11, kNewest, Unary<U::ROUND>, "half to even"},
    {"", "Sin", 7, kNewest, Unary<U::SIN>, ""},
    {"", "Cos", 7, kNewest, Unary<U::COS>, ""},
    {"", "Tan", 7, kNewest, Unary<U::TAN>, ""},
    {"", "Asin", 7, kNewest, Unary<U::ASIN>, ""},
    {"", "Acos", 7, kNewest, Unary<U::ACOS>, ""},
    {"", "Atan", 7, kNewest, Unary<U::ATAN>, ""},
    {"", "Sinh", 9, kNewest, Unary<U::SINH>, ""},
    {"", "Cosh", 9, kNewest, Unary<U::COSH>, ""},
    {"", "Asinh", 9, kNewest, Unary<U::ASINH>, ""},
    {"", "Acosh", 9, kNewest, Unary<U::ACOSH>, ""},
    {"", "Atanh", 9, kNewest, Unary<U::ATANH>, ""},
    {"", "Where", 9, kNewest, Where, ""},
    {"", "Identity", 1, kNewest, Identity, ""},
    {"", "Dropout", 1, kNewest, Dropout, "inference"},
};

}  // namespace

std::span<const OpRow> ElementwiseOps() { return kRows; }

}  // namespace quantpress::graph::onnx
