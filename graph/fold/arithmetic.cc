// Folding of element-wise arithmetic.
#include <cmath>
#include <limits>

#include "graph/build/shape.h"
#include "graph/fold/fold.h"

namespace quantpress::graph::fold {
namespace {

using Op = mnn::BinaryOpOperation;

std::optional<uint64_t> Count(const std::vector<int64_t>& shape) {
  const std::optional<int64_t> n = ElementCount(shape);
  if (!n || static_cast<uint64_t>(*n) > kMaxEagerElements) return std::nullopt;
  return static_cast<uint64_t>(*n);
}

Constant FromFloats(std::vector<float> values, std::vector<int64_t> shape, ElementType type) {
  return {type, std::move(shape), FloatSource(std::move(values))};
}

Constant FromInts(std::vector<int64_t> values, std::vector<int64_t> shape, ElementType type) {
  return {type, std::move(shape), IntSource(std::move(values), type)};
}

// Two's-complement wrap-around without undefined behaviour.
int64_t WrapAdd(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) + static_cast<uint64_t>(b)); }
int64_t WrapSub(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b)); }
int64_t WrapMul(int64_t a, int64_t b) { return static_cast<int64_t>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b)); }

int64_t IntPow(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  int64_t result = 1;
  for (; exponent > 0; exponent /= 2, base = WrapMul(base, base)) {
    if (exponent % 2 != 0) result = WrapMul(result, base);
  }
  return result;
}

// nullopt: not an operation that is folded (or division by zero, which the device may decide).
std::optional<int64_t> IntOp(Op op, int64_t a, int64_t b) {
  const bool divides = op == Op::DIV || op == Op::REALDIV || op == Op::FLOORDIV || op == Op::MOD || op == Op::FLOORMOD;
  if (divides && (b == 0 || (a == std::numeric_limits<int64_t>::min() && b == -1))) return std::nullopt;
  switch (op) {
    case Op::ADD: return WrapAdd(a, b);
    case Op::SUB: return WrapSub(a, b);
    case Op::MUL: return WrapMul(a, b);
    case Op::DIV:
    case Op::REALDIV: return a / b;
    case Op::FLOORDIV: return a / b - (a % b != 0 && (a < 0) != (b < 0) ? 1 : 0);
    case Op::MOD: return a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0);  // the runtime's names, not C's
    case Op::FLOORMOD: return a % b;
    case Op::POW: return IntPow(a, b);
    case Op::MINIMUM: return std::min(a, b);
    case Op::MAXIMUM: return std::max(a, b);
    case Op::GREATER: return a > b;
    case Op::GREATER_EQUAL: return a >= b;
    case Op::LESS: return a < b;
    case Op::LESS_EQUAL: return a <= b;
    case Op::EQUAL: return a == b;
    case Op::NOTEQUAL: return a != b;
    case Op::LOGICALOR: return a != 0 || b != 0;
    case Op::LOGICALXOR: return (a != 0) != (b != 0);
    case Op::BITWISE_AND: return a & b;
    case Op::BITWISE_OR: return a | b;
    case Op::BITWISE_XOR: return a ^ b;
    default: return std::nullopt;
  }
}

std::optional<float> FloatOp(Op op, float a, float b) {
  switch (op) {
    case Op::ADD: return a + b;
    case Op::SUB: return a - b;
    case Op::MUL: return a * b;
    case Op::DIV:
    case Op::REALDIV: return a / b;
    case Op::POW: return std::pow(a, b);
    case Op::MINIMUM: return std::fmin(a, b);
    case Op::MAXIMUM: return std::fmax(a, b);
    case Op::SquaredDifference: return (a - b) * (a - b);
    case Op::MOD: return std::fmod(a, b);
    case Op::FLOORMOD: return a - std::floor(a / b) * b;
    case Op::FLOORDIV: return std::floor(a / b);
    case Op::ATAN2: return std::atan2(a, b);
    default: return std::nullopt;
  }
}

std::optional<bool> FloatCompare(Op op, float a, float b) {
  switch (op) {
    case Op::GREATER: return a > b;
    case Op::GREATER_EQUAL: return a >= b;
    case Op::LESS: return a < b;
    case Op::LESS_EQUAL: return a <= b;
    case Op::EQUAL: return a == b;
    case Op::NOTEQUAL: return a != b;
    default: return std::nullopt;
  }
}

std::optional<float> UnaryOp(mnn::UnaryOpOperation op, float x) {
  using U = mnn::UnaryOpOperation;
  switch (op) {
    case U::ABS: return std::fabs(x);
    case U::NEG: return -x;
    case U::FLOOR: return std::floor(x);
    case U::CEIL: return std::ceil(x);
    case U::SQUARE: return x * x;
    case U::SQRT: return std::sqrt(x);
    case U::RSQRT: return 1.0f / std::sqrt(x);
    case U::EXP: return std::exp(x);
    case U::LOG: return std::log(x);
    case U::SIN: return std::sin(x);
    case U::COS: return std::cos(x);
    case U::TAN: return std::tan(x);
    case U::RECIPROCAL: return 1.0f / x;
    case U::SIGN: return x > 0 ? 1.0f : x < 0 ? -1.0f : x;
    case U::TANH: return std::tanh(x);
    case U::SIGMOID: return 1.0f / (1.0f + std::exp(-x));
    case U::ERF: return std::erf(x);
    case U::ROUND: return std::nearbyint(x);
    default: return std::nullopt;
  }
}

// `op` of every pair; nothing where it has no result.
template <typename Result, typename T, typename Function>
std::optional<std::vector<Result>> Each(const std::vector<T>& x, const std::vector<T>& y, const Function& op) {
  std::vector<Result> out(x.size());
  for (size_t i = 0; i < out.size(); ++i) {
    const auto result = op(x[i], y[i]);
    if (!result) return std::nullopt;
    out[i] = *result;
  }
  return out;
}

}  // namespace

std::optional<Constant> Binary(Op op, const Constant& a, const Constant& b, ElementType type) {
  SymbolTable unused;
  const std::optional<Shape> shape = BroadcastShapes(a.shape, b.shape, &unused);
  if (!shape) return std::nullopt;
  if (!Count(*shape)) return std::nullopt;
  const Constant x = Broadcast(a, *shape), y = Broadcast(b, *shape);
  if (!IsFloat(a.type)) {
    auto out = Each<int64_t>(x.Ints(), y.Ints(), [op](int64_t u, int64_t v) { return IntOp(op, u, v); });
    if (!out) return std::nullopt;
    return FromInts(*std::move(out), *shape, type);
  }
  if (!IsFloat(type)) {
    auto out = Each<int64_t>(x.Floats(), y.Floats(), [op](float u, float v) { return FloatCompare(op, u, v); });
    if (!out) return std::nullopt;
    return FromInts(*std::move(out), *shape, type);
  }
  auto out = Each<float>(x.Floats(), y.Floats(), [op](float u, float v) { return FloatOp(op, u, v); });
  if (!out) return std::nullopt;
  return FromFloats(*std::move(out), *shape, type);
}

std::optional<Constant> Unary(mnn::UnaryOpOperation op, const Constant& a) {
  const std::optional<uint64_t> n = Count(a.shape);
  if (!n) return std::nullopt;
  if (!IsFloat(a.type)) {
    if (op != mnn::UnaryOpOperation::NEG && op != mnn::UnaryOpOperation::ABS) return std::nullopt;
    std::vector<int64_t> out = a.Ints();
    for (int64_t& x : out) {
      if (op == mnn::UnaryOpOperation::NEG || x < 0) x = WrapSub(0, x);
    }
    return FromInts(std::move(out), a.shape, a.type);
  }
  std::vector<float> out = a.Floats();
  for (float& x : out) {
    const std::optional<float> r = UnaryOp(op, x);
    if (!r) return std::nullopt;
    x = *r;
  }
  return FromFloats(std::move(out), a.shape, a.type);
}

std::optional<Constant> Select(const Constant& condition, const Constant& a, const Constant& b) {
  SymbolTable unused;
  std::optional<Shape> shape = BroadcastShapes(a.shape, b.shape, &unused);
  if (shape) shape = BroadcastShapes(*shape, condition.shape, &unused);
  if (!shape) return std::nullopt;
  const std::optional<uint64_t> n = Count(*shape);
  if (!n) return std::nullopt;
  const std::vector<int64_t> c = Broadcast(condition, *shape).Ints();
  const Constant x = Broadcast(a, *shape), y = Broadcast(b, *shape);
  if (IsFloat(a.type)) {
    std::vector<float> u = x.Floats();
    const std::vector<float> v = y.Floats();
    for (size_t i = 0; i < *n; ++i) {
      if (c[i] == 0) u[i] = v[i];
    }
    return FromFloats(std::move(u), *shape, a.type);
  }
  std::vector<int64_t> u = x.Ints();
  const std::vector<int64_t> v = y.Ints();
  for (size_t i = 0; i < *n; ++i) {
    if (c[i] == 0) u[i] = v[i];
  }
  return FromInts(std::move(u), *shape, a.type);
}

}  // namespace quantpress::graph::fold
