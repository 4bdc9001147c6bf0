#include "graph/export/int8_layer.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "dispatch/error_stats.h"
#include "kernels/quantize.h"

namespace quantpress::graph {
namespace {

constexpr size_t kChunk = 4096;
constexpr int kLowest = kernels::CodeMin(8);

mnn::QuantizeAlgo AlgorithmOf(dispatch::Int8Method method) {
  switch (method) {
    case dispatch::Int8Method::kOverflowAware:
      return mnn::QuantizeAlgo::OVERFLOW_AWARE;
    case dispatch::Int8Method::kWinogradAware:
      return mnn::QuantizeAlgo::WINOGRAD_AWARE;
    case dispatch::Int8Method::kDefault:
      break;
  }
  return mnn::QuantizeAlgo::DEFAULT;
}

void Describe(const dispatch::Activation& activation, int tensor, Graph* graph) {
  mnn::TensorDescribeT* describe = nullptr;
  for (const auto& known : graph->tensor_describes) {
    if (known->index != tensor) continue;
    if (known->quantInfo != nullptr) return;
    describe = known.get();
  }
  if (describe == nullptr) {
    graph->tensor_describes.push_back(std::make_unique<mnn::TensorDescribeT>());
    describe = graph->tensor_describes.back().get();
    describe->index = tensor;
  }
  describe->quantInfo = std::make_unique<mnn::TensorQuantInfoT>();
  describe->quantInfo->scale = activation.scale;
  describe->quantInfo->zero = static_cast<float>(activation.zero_point);
  describe->quantInfo->min = static_cast<float>(activation.clamp_min);
  describe->quantInfo->max = static_cast<float>(activation.clamp_max);
  describe->quantInfo->type = mnn::DataType::DT_INT8;
}

// Codes of one row. A scale whose inverse is beyond the floats (0, for a row of zeros) makes every weight the code of
// its sign.
void CodeRow(const dispatch::Int8Layer& layer, float scale, const float* weights, size_t count, uint8_t* indexes) {
  const float inverse = 1.0f / scale;
  if (std::isfinite(inverse)) {
    return kernels::QuantizeByInverse(weights, count, inverse, layer.clamp_min, layer.clamp_max, indexes);
  }
  const auto low = static_cast<uint8_t>(layer.clamp_min - kLowest),
             high = static_cast<uint8_t>(layer.clamp_max - kLowest);
  for (size_t i = 0; i < count; ++i) indexes[i] = weights[i] < 0 ? low : high;
}

// `next`: how many weights from `weights` on the next one is that the histograms count; moved on by count.
void AddRow(const float* weights, const uint8_t* indexes, size_t count, float scale, size_t* next, Measure* measure) {
  float decoded[kChunk];
  for (size_t i = 0; i < count; i += kChunk) {
    const size_t n = std::min(kChunk, count - i);
    for (size_t k = 0; k < n; ++k) decoded[k] = static_cast<float>(indexes[i + k] + kLowest) * scale;
    dispatch::AddRange(weights + i, n, &measure->errors);
    dispatch::AddErrorStats(weights + i, decoded, n, &measure->errors);
    if (*next < n) *next += measure->histograms->Add(weights + i + *next, decoded + *next, indexes + i + *next, n - *next);
    *next -= n;
  }
}

}  // namespace

void ComputeWithInt8(const dispatch::Int8Layer& layer, Op* op, Graph* graph) {
  mnn::Convolution2DT& conv = *op->main.AsConvolution2D();
  conv.quanParameter->scaleIn = layer.input.scale;
  conv.quanParameter->scaleOut = layer.output.scale;
  conv.symmetricQuan = std::make_unique<mnn::QuantizedFloatParamT>();
  mnn::QuantizedFloatParamT& quan = *conv.symmetricQuan;
  quan.method = AlgorithmOf(layer.method);
  quan.nbits = layer.output.bits;
  quan.zeroPoint = static_cast<int8_t>(layer.input.zero_point);
  quan.outputZeroPoint = static_cast<int8_t>(layer.output.zero_point);
  quan.clampMin = static_cast<int8_t>(layer.output.clamp_min);
  quan.clampMax = static_cast<int8_t>(layer.output.clamp_max);
  quan.winogradAttr = layer.winograd;
  quan.outputDataType = mnn::DataType::DT_INT8;
  Describe(layer.input, op->inputs.front(), graph);
  Describe(layer.output, op->outputs.front(), graph);
}

void CodeInt8(const dispatch::WeightPlan& plan, const float* weights, uint64_t first, uint64_t rows,
              std::span<uint8_t> indexes, std::span<std::byte> scales, Measure* measure) {
  const auto length = static_cast<size_t>(plan.group_size);
  std::memcpy(scales.data(), plan.int8->scales.data() + first, rows * sizeof(float));
  size_t next_sample = 0;
  for (size_t row = 0; row < rows; ++row) {
    const float scale = plan.int8->scales[first + row];
    CodeRow(*plan.int8, scale, weights + row * length, length, indexes.data() + row * length);
    if (measure != nullptr) AddRow(weights + row * length, indexes.data() + row * length, length, scale, &next_sample, measure);
  }
}

}  // namespace quantpress::graph
