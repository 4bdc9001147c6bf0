// Integers from floats: round(value / scale) + zero_point, per tensor, per channel or per block.
#include <algorithm>
#include <cmath>

#include "graph/ir/quantize_layout.h"
#include "graph/ir/tensor_source.h"

namespace quantpress::graph {
namespace {

constexpr size_t kChunk = 512;

class Quantize final : public TensorSource {
 public:
  Quantize(TensorSourcePtr base, std::vector<float> scale, std::vector<int64_t> zero_point, DequantizeLayout layout,
           ElementType type)
      : TensorSource(type, base->count()),
        base_(std::move(base)),
        scale_(std::move(scale)),
        zero_point_(std::move(zero_point)),
        scales_(layout, base_->count(), scale_.size()) {
    zero_point_.resize(scale_.size(), 0);
    const int bits = std::min(ElementBits(type), 32);
    low_ = IsUnsigned(type) ? 0 : -(int64_t{1} << (bits - 1));
    high_ = IsUnsigned(type) ? (int64_t{1} << bits) - 1 : (int64_t{1} << (bits - 1)) - 1;
  }

  void ReadInts(uint64_t begin, std::span<int64_t> out) const override {
    float values[kChunk];
    for (size_t done = 0; done < out.size();) {
      const uint64_t index = begin + done;
      const auto run = static_cast<size_t>(std::min<uint64_t>({scales_.RunLength(index), out.size() - done, kChunk}));
      base_->ReadFloats(index, std::span(values, run));
      const uint64_t s = scales_.IndexOf(index);
      for (size_t i = 0; i < run; ++i) out[done + i] = Code(values[i], scale_[s], zero_point_[s]);
      done += run;
    }
  }

  void ReadFloats(uint64_t begin, std::span<float> out) const override {
    int64_t values[kChunk];
    for (size_t done = 0; done < out.size();) {
      const size_t n = std::min(kChunk, out.size() - done);
      ReadInts(begin + done, std::span(values, n));
      for (size_t i = 0; i < n; ++i) out[done + i] = static_cast<float>(values[i]);
      done += n;
    }
  }

  uint64_t RowLength() const override { return base_->RowLength(); }

 private:
  int64_t Code(float value, float scale, int64_t zero_point) const {
    const float whole = std::nearbyint(value / scale);
    if (std::isnan(whole)) return std::clamp(zero_point, low_, high_);
    // Far outside of every range; the conversion below must not overflow.
    const float bounded = std::clamp(whole, -0x1p40f, 0x1p40f);
    return std::clamp(static_cast<int64_t>(bounded) + zero_point, low_, high_);
  }

  TensorSourcePtr base_;
  std::vector<float> scale_;
  std::vector<int64_t> zero_point_;
  ScaleIndexer scales_;
  int64_t low_, high_;
};

}  // namespace

TensorSourcePtr QuantizeSource(TensorSourcePtr base, std::vector<float> scale, std::vector<int64_t> zero_point,
                               DequantizeLayout layout, ElementType type) {
  return std::make_shared<Quantize>(std::move(base), std::move(scale), std::move(zero_point), layout, type);
}

}  // namespace quantpress::graph
