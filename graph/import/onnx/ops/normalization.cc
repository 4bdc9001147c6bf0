// Normalisation.
#include <cmath>

#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

// x * scale[c] + shift[c] with scale = gamma / sqrt(var + epsilon), shift = beta - mean * scale.
void BatchNormalization(NodeContext& n) {
  const Value x = n.Input(0);
  const size_t rank = n.b.Rank(x);
  const auto gamma = n.b.ConstantFloats(n.Input(1)), beta = n.b.ConstantFloats(n.Input(2));
  const auto mean = n.b.ConstantFloats(n.Input(3)), var = n.b.ConstantFloats(n.Input(4));
  const float epsilon = n.Float("epsilon", 1e-5f);
  if (!n.ok()) return;
  if (!gamma || !beta || !mean || !var) return n.Fail("scale, bias, mean and variance must be constant");
  if (n.Int("training_mode", 0) != 0) return n.Fail("training_mode 1; export the model for inference");
  const size_t channels = gamma->size();
  if (rank < 2 || beta->size() != channels || mean->size() != channels || var->size() != channels ||
      (IsKnown((*n.b.shape(x))[1]) && (*n.b.shape(x))[1] != static_cast<int64_t>(channels))) {
    return n.Fail("scale, bias, mean and variance of {}, {}, {} and {} elements for a tensor of shape {}", channels, beta->size(),
                  mean->size(), var->size(), ShapeText(n.b.shape(x)));
  }
  mnn::ScaleT param;
  param.channels = static_cast<int32_t>(channels);
  for (size_t c = 0; c < channels; ++c) {
    const float scale = (*gamma)[c] / std::sqrt((*var)[c] + epsilon);
    param.scaleData.push_back(scale);
    param.biasData.push_back((*beta)[c] - (*mean)[c] * scale);
  }
  if (rank == 4) {
    return n.SetOutput(0, n.b.Emit(mnn::OpType::Scale, Param(std::move(param)), {x}, {n.b.type(x), n.b.shape(x)}));
  }
  std::vector<int64_t> shape(rank - 1, 1);
  shape[0] = static_cast<int64_t>(channels);
  n.SetOutput(0, n.b.Add(n.b.Mul(x, n.b.Floats(param.scaleData, shape)), n.b.Floats(param.biasData, shape)));
}

constexpr OpRow kRows[] = {
    {"", "BatchNormalization", 1, kNewest, BatchNormalization, "inference; constant statistics"},
};

}  // namespace

std::span<const OpRow> NormalizationOps() { return kRows; }

}  // namespace quantpress::graph::onnx
