// (value - zero_point) * scale, per tensor, per channel or per block.
//
// Element i sits at axis position a = i / inner % axis_length, outer index o = i / (inner * axis_length).
//   block == 0: scale index = a, or 0 where there is one scale
//   block > 0:  the scale tensor has the shape of the data with the axis cut down to blocks = ceil(axis_length / block):
//               scale index = (o * blocks + a / block) * inner + i % inner
#include <algorithm>
#include <cmath>

#include "graph/ir/tensor_source.h"
#include "kernels/integers.h"

namespace quantpress::graph {
namespace {

constexpr size_t kChunk = 512;

class Dequantize final : public TensorSource {
 public:
  Dequantize(TensorSourcePtr base, std::vector<float> scale, std::vector<int64_t> zero_point, DequantizeLayout layout)
      : TensorSource(ElementType::kFloat32, base->count()),
        base_(std::move(base)),
        scale_(std::move(scale)),
        zero_point_(std::move(zero_point)),
        layout_(layout) {
    layout_.axis_length = std::max<uint64_t>(1, layout_.axis_length);
    layout_.inner = std::max<uint64_t>(1, layout_.inner);
    zero_point_.resize(scale_.size(), 0);
    stored_ = base_->Stored();
  }

  void ReadFloats(uint64_t begin, std::span<float> out) const override {
    for (size_t done = 0; done < out.size();) {
      const uint64_t index = begin + done;
      const size_t run = static_cast<size_t>(std::min<uint64_t>(RunLength(index), out.size() - done));
      ReadRun(index, ScaleIndex(index), out.subspan(done, run));
      done += run;
    }
  }

  void ReadInts(uint64_t begin, std::span<int64_t> out) const override {
    for (size_t i = 0; i < out.size(); ++i) {
      float value;
      ReadFloats(begin + i, std::span<float>(&value, 1));
      out[i] = std::isfinite(value) && std::fabs(value) < 0x1p63f ? static_cast<int64_t>(value) : 0;
    }
  }

  uint64_t RowLength() const override { return base_->RowLength(); }

 private:
  uint64_t ScaleIndex(uint64_t index) const {
    if (scale_.size() == 1) return 0;
    const uint64_t a = index / layout_.inner % layout_.axis_length;
    if (layout_.block == 0) return a;
    const uint64_t blocks = (layout_.axis_length + layout_.block - 1) / layout_.block;
    const uint64_t o = index / layout_.inner / layout_.axis_length;
    return (o * blocks + a / layout_.block) * layout_.inner + index % layout_.inner;
  }

  // Elements from `index` on that share one scale.
  uint64_t RunLength(uint64_t index) const {
    if (scale_.size() == 1) return count() - index;
    if (layout_.block == 0) return layout_.inner - index % layout_.inner;
    if (layout_.inner > 1) return 1;
    const uint64_t a = index % layout_.axis_length;
    return std::min(layout_.block - a % layout_.block, layout_.axis_length - a);
  }

  void ReadRun(uint64_t begin, uint64_t scale_index, std::span<float> out) const {
    const float scale = scale_[scale_index];
    const int64_t zero = zero_point_[scale_index];
    const bool small_zero = zero >= -(1 << 23) && zero <= (1 << 23);
    if (stored_.data != nullptr && small_zero && base_->type() == ElementType::kInt8) {
      return kernels::Int8ToFloat(reinterpret_cast<const int8_t*>(stored_.data) + begin, out.size(), scale,
                                  static_cast<int32_t>(zero), out.data());
    }
    if (stored_.data != nullptr && small_zero && base_->type() == ElementType::kUInt8) {
      return kernels::UInt8ToFloat(stored_.data + begin, out.size(), scale, static_cast<int32_t>(zero), out.data());
    }
    int64_t values[kChunk];
    for (size_t done = 0; done < out.size();) {
      const size_t n = std::min(kChunk, out.size() - done);
      base_->ReadInts(begin + done, std::span<int64_t>(values, n));
      for (size_t i = 0; i < n; ++i) out[done + i] = static_cast<float>(values[i] - zero) * scale;
      done += n;
    }
  }

  TensorSourcePtr base_;
  std::vector<float> scale_;
  std::vector<int64_t> zero_point_;
  DequantizeLayout layout_;
  Bytes stored_;
};

}  // namespace

TensorSourcePtr DequantizeSource(TensorSourcePtr base, std::vector<float> scale, std::vector<int64_t> zero_point,
                                 DequantizeLayout layout) {
  return std::make_shared<Dequantize>(std::move(base), std::move(scale), std::move(zero_point), layout);
}

}  // namespace quantpress::graph
