// Small questions that the pattern passes ask about an op.
#ifndef QUANTPRESS_GRAPH_PASSES_MATCH_H_
#define QUANTPRESS_GRAPH_PASSES_MATCH_H_

#include <cmath>
#include <optional>

#include "graph/build/params.h"
#include "graph/passes/graph_index.h"

namespace quantpress::graph {

// A BinaryOp of this kind without an activation of its own.
inline bool IsBinary(const Op* op, mnn::BinaryOpOperation kind) {
  if (op == nullptr || op->type != mnn::OpType::BinaryOp || op->inputs.size() != 2) return false;
  const auto* param = TableOf<mnn::BinaryOpT>(op->main);
  return param != nullptr && param->opType == kind && param->activationType == 0;
}

inline bool IsUnary(const Op* op, mnn::UnaryOpOperation kind) {
  if (op == nullptr || op->type != mnn::OpType::UnaryOp || op->inputs.size() != 1) return false;
  const auto* param = TableOf<mnn::UnaryOpT>(op->main);
  return param != nullptr && param->opType == kind;
}

inline mnn::OpParameterUnion UnaryParam(mnn::UnaryOpOperation kind) {
  mnn::UnaryOpT param;
  param.opType = kind;
  param.T = mnn::DataType::DT_FLOAT;
  return Param(std::move(param));
}

// The value of tensor t if it is a float constant of one element.
inline std::optional<float> ScalarOf(GraphIndex& index, int t) {
  const auto constant = FloatsOf(index.ConstProducer(t));
  if (!constant || constant->data->count() != 1) return std::nullopt;
  float value = 0;
  constant->data->ReadFloats(0, {&value, 1});
  return value;
}

// Exporters write constants such as sqrt(2) with 5 to 9 digits.
inline bool IsNear(std::optional<float> value, double expected) {
  return value && std::abs(*value - expected) <= 1e-5 * std::abs(expected);
}

// The other operand of a two-operand op if one is a scalar near `expected` (commutative ops).
inline std::optional<int> BesideScalar(GraphIndex& index, const Op& op, double expected) {
  for (size_t side = 0; side < 2; ++side) {
    if (IsNear(ScalarOf(index, op.inputs[side]), expected)) return op.inputs[1 - side];
  }
  return std::nullopt;
}

// x where t = x * factor (a product, or a quotient by 1 / factor).
inline std::optional<int> ScaledBy(GraphIndex& index, int t, double factor) {
  const Op* op = index.Producer(t);
  if (IsBinary(op, mnn::BinaryOpOperation::MUL)) return BesideScalar(index, *op, factor);
  if (IsBinary(op, mnn::BinaryOpOperation::REALDIV) && IsNear(ScalarOf(index, op->inputs[1]), 1 / factor)) return op->inputs[0];
  return std::nullopt;
}

// x where t = x * x.
inline std::optional<int> SquareOf(GraphIndex& index, int t) {
  const Op* op = index.Producer(t);
  if (IsUnary(op, mnn::UnaryOpOperation::SQUARE)) return op->inputs[0];
  if (IsBinary(op, mnn::BinaryOpOperation::MUL) && op->inputs[0] == op->inputs[1]) return op->inputs[0];
  if (IsBinary(op, mnn::BinaryOpOperation::POW) && IsNear(ScalarOf(index, op->inputs[1]), 2)) return op->inputs[0];
  return std::nullopt;
}

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_PASSES_MATCH_H_
