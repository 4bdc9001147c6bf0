// Arithmetic on values written as formulas: `floor((x + 0.5) / scale)`. Everything is the builder's, so constants fold.
#ifndef QUANTPRESS_GRAPH_BUILD_EXPR_H_
#define QUANTPRESS_GRAPH_BUILD_EXPR_H_

#include "graph/build/graph_builder.h"

namespace quantpress::graph {

// A value with its builder. Numbers in a formula take the type of the value beside them; int / int truncates.
struct Expr {
  GraphBuilder* b = nullptr;
  Value v;

  operator Value() const { return v; }  // NOLINT: a formula is a value
};

namespace expr_internal {
inline Expr Apply(mnn::BinaryOpOperation op, Expr x, Expr y) { return {x.b, x.b->Binary(op, x.v, y.v)}; }
inline Expr Apply(mnn::UnaryOpOperation op, Expr x) { return {x.b, x.b->Unary(op, x.v)}; }
inline Expr Number(Expr like, double number) { return {like.b, like.b->ScalarLike(number, like.v)}; }
}  // namespace expr_internal

// The arithmetic operators, for two values and for a value and a number.
#define QP_EXPR_BINARY(name, kind)                                                                              \
  inline Expr name(Expr x, Expr y) { return expr_internal::Apply(mnn::BinaryOpOperation::kind, x, y); }         \
  inline Expr name(Expr x, double y) { return name(x, expr_internal::Number(x, y)); }                           \
  inline Expr name(double x, Expr y) { return name(expr_internal::Number(y, x), y); }
QP_EXPR_BINARY(operator+, ADD)
QP_EXPR_BINARY(operator-, SUB)
QP_EXPR_BINARY(operator*, MUL)
QP_EXPR_BINARY(operator/, REALDIV)
QP_EXPR_BINARY(Min, MINIMUM)
QP_EXPR_BINARY(Max, MAXIMUM)
QP_EXPR_BINARY(Power, POW)
QP_EXPR_BINARY(operator>, GREATER)
QP_EXPR_BINARY(operator>=, GREATER_EQUAL)
QP_EXPR_BINARY(IsEqual, EQUAL)
#undef QP_EXPR_BINARY
template <typename X, typename Y>
Expr operator<(X x, Y y) { return y > x; }
template <typename X, typename Y>
Expr operator<=(X x, Y y) { return y >= x; }

inline Expr Floor(Expr x) { return expr_internal::Apply(mnn::UnaryOpOperation::FLOOR, x); }
inline Expr Ceil(Expr x) { return expr_internal::Apply(mnn::UnaryOpOperation::CEIL, x); }
inline Expr RoundHalfEven(Expr x) { return {x.b, x.b->RoundHalfEven(x.v)}; }
inline Expr Abs(Expr x) { return expr_internal::Apply(mnn::UnaryOpOperation::ABS, x); }
inline Expr Cos(Expr x) { return expr_internal::Apply(mnn::UnaryOpOperation::COS, x); }
inline Expr Sin(Expr x) { return expr_internal::Apply(mnn::UnaryOpOperation::SIN, x); }
inline Expr Exp(Expr x) { return expr_internal::Apply(mnn::UnaryOpOperation::EXP, x); }
inline Expr Log(Expr x) { return expr_internal::Apply(mnn::UnaryOpOperation::LOG, x); }
inline Expr Clamp(Expr x, Expr low, Expr high) { return Min(Max(x, low), high); }
inline Expr Where(Expr condition, Expr x, Expr y) { return {x.b, x.b->Select(condition.v, x.v, y.v)}; }
inline Expr ToFloat(Expr x) { return {x.b, x.b->Cast(x.v, ElementType::kFloat32)}; }
inline Expr ToInt(Expr x) { return {x.b, x.b->Cast(x.v, ElementType::kInt64)}; }  // truncates
// 1.0 where the condition holds, else 0.0.
inline Expr Indicator(Expr condition) { return ToFloat(condition); }
// x with axes of size 1 inserted at these places of the result.
inline Expr WithAxes(Expr x, std::vector<int64_t> axes) { return {x.b, x.b->Unsqueeze(x.v, std::move(axes))}; }

// Integers 0, 1, ... count - 1.
inline Expr Iota(Expr count) {
  GraphBuilder& b = *count.b;
  return {&b, b.Range(b.ScalarInt(0), b.Cast(count.v, ElementType::kInt64), b.ScalarInt(1))};
}

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_BUILD_EXPR_H_
