// Which ONNX operators can be converted, and by which function. The table is data: `quantpress ops` prints it and
// docs/operators.md is generated from it.
#ifndef QUANTPRESS_GRAPH_IMPORT_ONNX_OP_TABLE_H_
#define QUANTPRESS_GRAPH_IMPORT_ONNX_OP_TABLE_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace quantpress::graph::onnx {

class NodeContext;

// Appends what one node means to the builder and sets its outputs. Errors go through node.Fail().
using ConvertFunction = void (*)(NodeContext& node);

inline constexpr int kNewest = 1 << 20;

struct OpRow {
  std::string_view domain;  // "" for the standard operators
  std::string_view op;
  int first_version;        // opset versions that the function understands, inclusive
  int last_version;
  ConvertFunction function;
  std::string_view note;    // limits, or how it is built; shown to users
};

// All rows, grouped by family.
std::vector<OpRow> AllOps();
// The row for an operator, or null.
const OpRow* FindOp(std::string_view domain, std::string_view op, int64_t version);

// One function per family file in ops/.
std::span<const OpRow> EinsumOps();
std::span<const OpRow> GridSampleOps();
std::span<const OpRow> DeformConvOps();
std::span<const OpRow> SignalOps();
std::span<const OpRow> RoiOps();
std::span<const OpRow> SpatialOps();
std::span<const OpRow> TrainingOps();
std::span<const OpRow> TextOps();
std::span<const OpRow> EncoderOps();
std::span<const OpRow> ElementwiseOps();
std::span<const OpRow> LogicOps();
std::span<const OpRow> ActivationOps();
std::span<const OpRow> SoftmaxOps();
std::span<const OpRow> LossOps();
std::span<const OpRow> RandomOps();
std::span<const OpRow> QuantizeOps();
std::span<const OpRow> QLinearOps();
std::span<const OpRow> QLinearRealOps();
std::span<const OpRow> LowBitOps();
std::span<const OpRow> ConvolutionOps();
std::span<const OpRow> ConvTransposeOps();
std::span<const OpRow> PoolingOps();
std::span<const OpRow> NormalizationOps();
std::span<const OpRow> ShapeOps();
std::span<const OpRow> IndexingOps();
std::span<const OpRow> ScatterOps();
std::span<const OpRow> SelectionOps();
std::span<const OpRow> ControlFlowOps();
std::span<const OpRow> SequenceOps();
std::span<const OpRow> UniqueOps();
std::span<const OpRow> ReductionOps();
std::span<const OpRow> MatrixOps();
std::span<const OpRow> ResizeOps();
std::span<const OpRow> RecurrentOps();
std::span<const OpRow> StandardAttentionOps();
std::span<const OpRow> LinearAttentionOps();
std::span<const OpRow> FusedAttentionOps();
std::span<const OpRow> GroupQueryAttentionOps();
std::span<const OpRow> FusedNormOps();
std::span<const OpRow> FusedLayerOps();
std::span<const OpRow> ClassicalOps();
std::span<const OpRow> TreeOps();

}  // namespace quantpress::graph::onnx

#endif  // QUANTPRESS_GRAPH_IMPORT_ONNX_OP_TABLE_H_
