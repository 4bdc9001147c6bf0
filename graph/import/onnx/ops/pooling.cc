// Pooling.
#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/window.h"

namespace quantpress::graph::onnx {
namespace {

Dim PooledSize(NodeContext& n, Dim in, const Window& w, size_t axis, bool ceil_mode) {
  if (!IsKnown(in)) return n.b.symbols()->Fresh();
  const size_t axes = w.kernel.size();
  const int64_t span = in + w.pads[axis] + w.pads[axis + axes] - (w.dilation[axis] * (w.kernel[axis] - 1) + 1);
  if (span < 0) return n.b.symbols()->Fresh();
  int64_t out = span / w.stride[axis] + 1;
  // A window that would start in the padding behind the data is left out.
  if (ceil_mode && span % w.stride[axis] != 0 && out * w.stride[axis] < in + w.pads[axis]) ++out;
  return out;
}

void Pool2D(NodeContext& n, mnn::PoolType type) {
  const Value x = n.Input(0);
  const size_t rank = n.b.Rank(x);
  const std::vector<int64_t> kernel = n.Ints("kernel_shape");
  if (!n.ok()) return;
  if (rank < 3 || rank > 4 || kernel.size() + 2 != rank) return n.Fail("pooling of {} axes over a tensor of rank {}", kernel.size(), rank);
  const Window w = ReadWindow(n, kernel, n.b.shape(x));
  if (!n.ok()) return;
  for (int64_t d : w.dilation) {
    if (d != 1) return n.Fail("dilated pooling");
  }
  if (w.same_upper || w.same_lower) return n.Fail("auto_pad with a stride over an axis of unknown size");
  const bool ceil_mode = n.Int("ceil_mode", 0) != 0;
  Shape out = *n.b.shape(x);
  for (size_t i = 0; i < kernel.size(); ++i) out[i + 2] = PooledSize(n, out[i + 2], w, i, ceil_mode);
  const Window2D window = ToWindow2D(w);
  mnn::PoolT param;
  param.type = type;
  param.kernelY = static_cast<int32_t>(window.kernel[0]);
  param.kernelX = static_cast<int32_t>(window.kernel[1]);
  param.strideY = static_cast<int32_t>(window.stride[0]);
  param.strideX = static_cast<int32_t>(window.stride[1]);
  param.padY = static_cast<int32_t>(window.pads[0]);
  param.padX = static_cast<int32_t>(window.pads[1]);
  for (int64_t p : window.pads) param.pads.push_back(static_cast<int32_t>(p));
  param.padType = mnn::PoolPadType::CAFFE;
  param.ceilModel = ceil_mode;
  param.countType = n.Int("count_include_pad", 0) ? mnn::AvgPoolCountType::INCLUDE_PADDING : mnn::AvgPoolCountType::EXCLUDE_PADDING;
  n.SetOutput(0, n.b.Emit(mnn::OpType::Pooling, Param(std::move(param)), {x}, {n.b.type(x), out}));
}

void MaxPool(NodeContext& n) {
  if (n.OutputUsed(1)) return n.Fail("the indices of MaxPool");
  Pool2D(n, mnn::PoolType::MAXPOOL);
}
void AveragePool(NodeContext& n) { Pool2D(n, mnn::PoolType::AVEPOOL); }

// A reduction over the spatial axes: exact for every rank, and the runtime's global pooling is not.
void GlobalPool(NodeContext& n, mnn::ReductionType type) {
  const Value x = n.Input(0);
  const size_t rank = n.b.Rank(x);
  if (!n.ok()) return;
  if (rank < 3) return n.SetOutput(0, x);
  std::vector<int64_t> axes;
  for (size_t i = 2; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  n.SetOutput(0, n.b.Reduce(type, x, axes, true));
}
void GlobalAveragePool(NodeContext& n) { GlobalPool(n, mnn::ReductionType::MEAN); }
void GlobalMaxPool(NodeContext& n) { GlobalPool(n, mnn::ReductionType::MAXIMUM); }

constexpr OpRow kRows[] = {
    {"", "MaxPool", 1, kNewest, MaxPool, ""},
    {"", "AveragePool", 1, kNewest, AveragePool, ""},
    {"", "GlobalAveragePool", 1, kNewest, GlobalAveragePool, "as a reduction"},
    {"", "GlobalMaxPool", 1, kNewest, GlobalMaxPool, "as a reduction"},
};

}  // namespace

std::span<const OpRow> PoolingOps() { return kRows; }

}  // namespace quantpress::graph::onnx
