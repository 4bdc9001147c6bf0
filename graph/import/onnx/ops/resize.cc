// Resize and Upsample.
#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

using Ctm = mnn::CoordinateTransformationMode;

void Resize(NodeContext& n) {
  const Value x = n.Input(0);
  const size_t rank = n.b.Rank(x);
  if (!n.ok()) return;
  if (rank != 4) return n.Fail("a resize of a tensor of rank {}", rank);
  const std::string mode = n.String("mode", "nearest");
  const std::string ctm = n.String("coordinate_transformation_mode", n.opset() < 11 ? "asymmetric" : "half_pixel");
  const std::string nearest = n.String("nearest_mode", n.opset() < 11 ? "floor" : "round_prefer_floor");
  mnn::InterpT param;
  if (ctm == "align_corners") param.ctm = Ctm::AlignCorners;
  else if (ctm == "half_pixel") param.ctm = Ctm::HalfPixels;
  else if (ctm == "pytorch_half_pixel") param.ctm = Ctm::PytorchHalfPixels;
  else if (ctm == "asymmetric") param.ctm = Ctm::Asymmetric;
  else return n.Fail("coordinate_transformation_mode '{}'", ctm);
  param.alignCorners = param.ctm == Ctm::AlignCorners;
  param.halfPixelCenters = param.ctm == Ctm::HalfPixels;
  param.cubicCoeffA = n.Float("cubic_coeff_a", -0.75f);
  if (mode == "nearest" && (nearest == "floor" || nearest == "round_prefer_floor")) param.resizeType = nearest == "floor" ? 1 : 4;
  else if (mode == "linear") param.resizeType = 2;
  else return n.Fail("mode '{}' with nearest_mode '{}'", mode, nearest);
  // X, scales before opset 11; X, roi, scales, sizes from then on.
  const size_t scales_at = n.opset() < 11 ? 1 : 2;
  Value sizes = n.OptionalInput(3);
  Shape out = *n.b.shape(x);
  Value second;
  if (sizes.valid()) {
    const auto elements = n.b.Elements(sizes);
    for (size_t i = 2; i < 4; ++i) out[i] = elements && elements->size() == 4 ? (*elements)[i] : n.b.symbols()->Fresh();
    second = n.b.Cast(sizes, ElementType::kInt32);
  } else {
    const Value scales = n.Input(scales_at);
    const auto factors = n.b.ConstantFloats(scales);
    for (size_t i = 2; i < 4; ++i) {
      out[i] = factors && factors->size() == 4 && IsKnown(out[i])
                   ? static_cast<int64_t>(static_cast<float>(out[i]) * (*factors)[i])
                   : n.b.symbols()->Fresh();
    }
    second = scales;
  }
  if (!n.ok()) return;
  const Value v = n.b.Emit(mnn::OpType::Interp, Param(param), {x, second}, {n.b.type(x), out});
  if (v.valid()) n.b.last_op().default_format = mnn::MNN_DATA_FORMAT::NCHW;
  n.SetOutput(0, v);
}

constexpr OpRow kRows[] = {
    {"", "Resize", 10, kNewest, Resize, ""},
};

}  // namespace

std::span<const OpRow> ResizeOps() { return kRows; }

}  // namespace quantpress::graph::onnx
