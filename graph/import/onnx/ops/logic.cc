// Comparisons, boolean and bitwise logic, casts.
#include <algorithm>
#include <limits>

#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/broadcast.h"
#include "graph/import/onnx/tensor.h"

namespace quantpress::graph::onnx {
namespace {

using B = mnn::BinaryOpOperation;

template <B kOp>
void Binary(NodeContext& n) {
  const Value a = n.Input(0);
  n.SetOutput(0, n.b.Binary(kOp, a, SecondOperand(n, a)));
}

void Not(NodeContext& n) { n.SetOutput(0, n.b.LogicalNot(n.Input(0))); }

void BitwiseNot(NodeContext& n) {
  const Value x = n.Input(0);
  if (!n.ok()) return;
  n.SetOutput(0, n.b.Wrap(n.b.Sub(n.b.ScalarLike(-1, x), x), n.b.type(x)));
}

// Shifts by the width and more, or by a negative amount, leave copies of the sign; the runtime takes the amount modulo 32.
void BitShift(NodeContext& n) {
  const Value x = n.Input(0), amount = n.Input(1);
  const std::string direction = n.String("direction", "");
  if (!n.ok()) return;
  const bool left = direction == "LEFT";
  if (!left && direction != "RIGHT") return n.Fail("direction '{}'; expected LEFT or RIGHT", direction);
  const ElementType type = n.b.type(x);
  Value out = n.b.Binary(left ? B::LEFTSHIFT : B::RIGHTSHIFT, x, amount);
  if (left) out = n.b.Wrap(out, type);
  const int64_t width = std::min(ElementBits(type), 32);
  const auto known = n.b.ConstantInts(amount);
  bool inside = known.has_value();
  for (int64_t a : known.value_or(std::vector<int64_t>{})) inside = inside && a >= 0 && a < width;
  if (inside) return n.SetOutput(0, out);
  Value valid = n.b.Less(amount, n.b.ScalarLike(static_cast<double>(width), amount));
  if (!IsUnsigned(n.b.type(amount))) valid = n.b.LogicalAnd(valid, n.b.Greater(amount, n.b.ScalarLike(-1, amount)));
  const bool fill = !left && !IsUnsigned(type);
  const Value rest = fill ? n.b.Binary(B::RIGHTSHIFT, x, n.b.ScalarLike(31, x)) : n.b.ScalarLike(0, x);
  n.SetOutput(0, n.b.Select(valid, out, rest));
}

void IsNaN(NodeContext& n) {
  const Value x = n.Input(0);
  n.SetOutput(0, n.b.Binary(B::NOTEQUAL, x, x));
}

void IsInf(NodeContext& n) {
  const Value x = n.Input(0);
  if (!n.ok()) return;
  constexpr double kMax = std::numeric_limits<float>::max();
  const bool positive = n.Int("detect_positive", 1) != 0, negative = n.Int("detect_negative", 1) != 0;
  Value above, below;
  if (positive) above = n.b.Greater(x, n.b.ScalarLike(kMax, x));
  if (negative) below = n.b.Less(x, n.b.ScalarLike(-kMax, x));
  if (positive && negative) return n.SetOutput(0, n.b.LogicalOr(above, below));
  if (!positive && !negative) {
    return n.SetOutput(0, n.b.Fill(n.b.ShapeOf(x), n.b.ScalarInt(0, ElementType::kBool)));
  }
  n.SetOutput(0, positive ? above : below);
}

// Opset 1 to 5 name the type in a string.
int64_t TargetType(NodeContext& n) {
  if (n.opset() >= 6) return n.Int("to", 0);
  static constexpr std::string_view kNames[] = {"UNDEFINED", "FLOAT", "UINT8",  "INT8",    "UINT16", "INT16",  "INT32",
                                                "INT64",     "STRING", "BOOL",  "FLOAT16", "DOUBLE", "UINT32", "UINT64"};
  const std::string name = n.String("to", "");
  for (size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<int64_t>(i);
  }
  return 0;
}

void Cast(NodeContext& n) {
  const Value x = n.Input(0);
  const int64_t to = TargetType(n);
  if (!n.ok()) return;
  const ElementType type = to > 0 && to < 64 ? FromOnnxType(static_cast<int>(to)) : ElementType::kUnknown;
  if (type == ElementType::kUnknown || type == ElementType::kString) {
    return n.Fail("attribute 'to' is {} ({}); the runtime holds floats, integers and bools only", to,
                  OnnxTypeName(static_cast<int>(to)));
  }
  n.SetOutput(0, n.b.Cast(x, type));
}

void CastLike(NodeContext& n) {
  const Value x = n.Input(0), like = n.Input(1);
  if (n.ok()) n.SetOutput(0, n.b.Cast(x, n.b.type(like)));
}

void BitCast(NodeContext& n) {
  const Value x = n.Input(0);
  const int64_t to = n.Int("to", 0);
  if (!n.ok()) return;
  const ElementType from = n.b.type(x), type = to > 0 && to < 64 ? FromOnnxType(static_cast<int>(to)) : ElementType::kUnknown;
  if (type == from) return n.SetOutput(0, x);
  const bool integers = !IsFloat(from) && !IsFloat(type) && type != ElementType::kBool;
  if (!integers || ElementBits(from) != ElementBits(type)) {
    return n.Fail("from {} to {}; the runtime can only do it between integers of one width", ElementTypeName(from),
                  OnnxTypeName(static_cast<int>(to)));
  }
  n.SetOutput(0, n.b.Cast(x, type));
}

constexpr OpRow kRows[] = {
    {"", "Equal", 1, kNewest, Binary<B::EQUAL>, ""},
    {"", "Greater", 1, kNewest, Binary<B::GREATER>, ""},
    {"", "GreaterOrEqual", 12, kNewest, Binary<B::GREATER_EQUAL>, ""},
    {"", "Less", 1, kNewest, Binary<B::LESS>, ""},
    {"", "LessOrEqual", 12, kNewest, Binary<B::LESS_EQUAL>, ""},
    {"", "And", 1, kNewest, Binary<B::MUL>, ""},
    {"", "Or", 1, kNewest, Binary<B::LOGICALOR>, ""},
    {"", "Xor", 1, kNewest, Binary<B::LOGICALXOR>, ""},
    {"", "Not", 1, kNewest, Not, ""},
    {"", "BitwiseAnd", 18, kNewest, Binary<B::BITWISE_AND>, ""},
    {"", "BitwiseOr", 18, kNewest, Binary<B::BITWISE_OR>, ""},
    {"", "BitwiseXor", 18, kNewest, Binary<B::BITWISE_XOR>, ""},
    {"", "BitwiseNot", 18, kNewest, BitwiseNot, "32-bit and wider unsigned results read as signed"},
    {"", "BitShift", 11, kNewest, BitShift, "values below 2^31"},
    {"", "IsNaN", 9, kNewest, IsNaN, ""},
    {"", "IsInf", 10, kNewest, IsInf, ""},
    {"", "Cast", 1, kNewest, Cast, "integers wrap around in narrower types"},
    {"", "CastLike", 15, kNewest, CastLike, ""},
    {"", "BitCast", 26, kNewest, BitCast, "between integers of one width"},
};

}  // namespace

std::span<const OpRow> LogicOps() { return kRows; }

}  // namespace quantpress::graph::onnx
