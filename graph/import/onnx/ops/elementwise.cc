// Arithmetic, comparison, logic, casts.
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

using B = mnn::BinaryOpOperation;
using U = mnn::UnaryOpOperation;

// Before opset 7 the second operand's axes start at attribute `axis`.
Value LegacyBroadcast(NodeContext& n, Value a, Value b) {
  if (n.opset() >= 7 || n.Int("broadcast", 0) == 0 || !n.Has("axis")) return b;
  const size_t rank = n.b.Rank(a), own = n.b.Rank(b);
  const auto axis = NormalizeAxis(n.Int("axis", 0), rank);
  if (!axis || *axis + own > rank) return b;
  std::vector<int64_t> added;
  for (size_t i = *axis + own; i < rank; ++i) added.push_back(static_cast<int64_t>(i - *axis));
  return n.b.Unsqueeze(b, added);
}

template <B kOp>
void Binary(NodeContext& n) {
  const Value a = n.Input(0);
  n.SetOutput(0, n.b.Binary(kOp, a, LegacyBroadcast(n, a, n.Input(1))));
}

template <U kOp>
void Unary(NodeContext& n) {
  n.SetOutput(0, n.b.Unary(kOp, n.Input(0)));
}

void Pow(NodeContext& n) {
  const Value a = n.Input(0);
  Value e = LegacyBroadcast(n, a, n.Input(1));
  if (!n.ok()) return;
  const ElementType type = n.b.type(a);
  if (const auto exponent = n.b.ConstantFloats(e); exponent && exponent->size() == 1 && IsFloat(type)) {
    const bool scalar = n.b.shape(e)->empty() || (n.b.HasRank(a) && n.b.shape(e)->size() <= n.b.shape(a)->size());
    const float x = (*exponent)[0];
    if (scalar && x == 2.0f) return n.SetOutput(0, n.b.Unary(U::SQUARE, a));
    if (scalar && x == 0.5f) return n.SetOutput(0, n.b.Unary(U::SQRT, a));
    if (scalar && x == -0.5f) return n.SetOutput(0, n.b.Unary(U::RSQRT, a));
  }
  // The runtime has no power of mixed types and none of integers.
  const Value result = n.b.Binary(B::POW, n.b.Cast(a, ElementType::kFloat32), n.b.Cast(e, ElementType::kFloat32));
  n.SetOutput(0, n.b.Cast(result, type));
}

void Cast(NodeContext& n) {
  const Value x = n.Input(0);
  // Opset 1 to 5 name the type in a string.
  const int64_t to = n.Int("to", 0);
  static constexpr ElementType kTypes[] = {ElementType::kUnknown, ElementType::kFloat32, ElementType::kUInt8, ElementType::kInt8,
      ElementType::kUInt16, ElementType::kInt16, ElementType::kInt32, ElementType::kInt64, ElementType::kUnknown, ElementType::kBool,
      ElementType::kFloat16, ElementType::kFloat64, ElementType::kUInt32, ElementType::kUInt64};
  if (to == 16) return n.SetOutput(0, n.b.Cast(x, ElementType::kBFloat16));
  if (to < 1 || to > 13 || kTypes[to] == ElementType::kUnknown) {
    return n.Fail("attribute 'to' is {}; the runtime holds floats, integers and bools only", to);
  }
  n.SetOutput(0, n.b.Cast(x, kTypes[to]));
}

void Where(NodeContext& n) { n.SetOutput(0, n.b.Select(n.Input(0), n.Input(1), n.Input(2))); }
void Not(NodeContext& n) { n.SetOutput(0, n.b.LogicalNot(n.Input(0))); }
void Identity(NodeContext& n) { n.SetOutput(0, n.Input(0)); }

constexpr OpRow kRows[] = {
    {"", "Add", 1, kNewest, Binary<B::ADD>, ""},
    {"", "Sub", 1, kNewest, Binary<B::SUB>, ""},
    {"", "Mul", 1, kNewest, Binary<B::MUL>, ""},
    {"", "Div", 1, kNewest, Binary<B::REALDIV>, ""},
    {"", "Pow", 1, kNewest, Pow, ""},
    {"", "Equal", 1, kNewest, Binary<B::EQUAL>, ""},
    {"", "Greater", 1, kNewest, Binary<B::GREATER>, ""},
    {"", "GreaterOrEqual", 12, kNewest, Binary<B::GREATER_EQUAL>, ""},
    {"", "Less", 1, kNewest, Binary<B::LESS>, ""},
    {"", "LessOrEqual", 12, kNewest, Binary<B::LESS_EQUAL>, ""},
    {"", "And", 1, kNewest, Binary<B::MUL>, ""},
    {"", "Or", 1, kNewest, Binary<B::LOGICALOR>, ""},
    {"", "Xor", 1, kNewest, Binary<B::LOGICALXOR>, ""},
    {"", "Not", 1, kNewest, Not, ""},
    {"", "Abs", 1, kNewest, Unary<U::ABS>, ""},
    {"", "Neg", 1, kNewest, Unary<U::NEG>, ""},
    {"", "Exp", 1, kNewest, Unary<U::EXP>, ""},
    {"", "Log", 1, kNewest, Unary<U::LOG>, ""},
    {"", "Sqrt", 1, kNewest, Unary<U::SQRT>, ""},
    {"", "Reciprocal", 1, kNewest, Unary<U::RECIPROCAL>, ""},
    {"", "Erf", 9, kNewest, Unary<U::ERF>, ""},
    {"", "Floor", 1, kNewest, Unary<U::FLOOR>, ""},
    {"", "Ceil", 1, kNewest, Unary<U::CEIL>, ""},
    {"", "Cast", 6, kNewest, Cast, ""},
    {"", "Where", 9, kNewest, Where, ""},
    {"", "Identity", 1, kNewest, Identity, ""},
};

}  // namespace

std::span<const OpRow> ElementwiseOps() { return kRows; }

}  // namespace quantpress::graph::onnx
