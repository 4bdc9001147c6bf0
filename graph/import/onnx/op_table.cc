#include "graph/import/onnx/op_table.h"

#include <map>
#include <string>

namespace quantpress::graph::onnx {
namespace {

constexpr std::span<const OpRow> (*kFamilies[])() = {
    EinsumOps, GridSampleOps, DeformConvOps, SignalOps, RoiOps, SpatialOps, TrainingOps, TextOps, EncoderOps,
    LogicOps,       SoftmaxOps,    LossOps,        RandomOps,
    QuantizeOps,    QLinearOps,    QLinearRealOps, LowBitOps,
    ElementwiseOps, ActivationOps, ConvolutionOps, ConvTransposeOps, PoolingOps, NormalizationOps,
    ScatterOps,     SelectionOps,  UniqueOps,
    ControlFlowOps, SequenceOps,   RecurrentOps,
    ShapeOps,       IndexingOps,   ReductionOps,   MatrixOps,  ResizeOps,
    StandardAttentionOps, LinearAttentionOps, FusedAttentionOps, GroupQueryAttentionOps, FusedNormOps, FusedLayerOps,
    ClassicalOps,   TreeOps,
};

using Index = std::multimap<std::pair<std::string_view, std::string_view>, const OpRow*>;

const Index& RowsByName() {
  static const Index index = [] {
    Index rows;
    for (auto family : kFamilies) {
      for (const OpRow& row : family()) rows.emplace(std::pair(row.domain, row.op), &row);
    }
    return rows;
  }();
  return index;
}

}  // namespace

std::vector<OpRow> AllOps() {
  std::vector<OpRow> rows;
  for (auto family : kFamilies) {
    const std::span<const OpRow> part = family();
    rows.insert(rows.end(), part.begin(), part.end());
  }
  return rows;
}

const OpRow* FindOp(std::string_view domain, std::string_view op, int64_t version) {
  const auto [begin, end] = RowsByName().equal_range(std::pair(domain, op));
  for (auto it = begin; it != end; ++it) {
    if (version >= it->second->first_version && version <= it->second->last_version) return it->second;
  }
  return nullptr;
}

}  // namespace quantpress::graph::onnx
