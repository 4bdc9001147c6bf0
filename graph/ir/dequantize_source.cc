// (value - zero_point) * scale, per tensor, per channel or per block.
#include <algorithm>

#include "graph/ir/coded_elements.h"
#include "graph/ir/quantize_layout.h"
#include "graph/ir/tensor_source.h"
#include "graph/ir/truncate.h"
#include "kernels/integers.h"

namespace quantpress::graph {
namespace {

constexpr size_t kChunk = 512;

class Dequantize final : public TensorSource, public CodedElements {
 public:
  Dequantize(TensorSourcePtr base, std::vector<float> scale, std::vector<int64_t> zero_point, DequantizeLayout layout)
      : TensorSource(ElementType::kFloat32, base->count()),
        base_(std::move(base)),
        scale_(std::move(scale)),
        zero_point_(std::move(zero_point)),
        scales_(layout, base_->count(), scale_.size()) {
    zero_point_.resize(scale_.size(), 0);
    stored_ = base_->Stored();
    if (const int bits = ElementBits(base_->type()); IsInteger(base_->type()) && bits <= 8) {
      center_ = IsUnsigned(base_->type()) ? int64_t{1} << (bits - 1) : 0;
      const bool centered = std::all_of(zero_point_.begin(), zero_point_.end(), [this](int64_t z) { return z == center_; });
      const bool finite = std::all_of(scale_.begin(), scale_.end(), [](float s) { return std::isfinite(s); });
      if (centered && finite) code_bits_ = bits;
    }
  }

  int CodeBits() const override { return code_bits_; }
  int64_t Center() const override { return center_; }
  TensorSourcePtr Codes() const override { return base_; }
  float ScaleOf(uint64_t element) const override { return scale_[scales_.IndexOf(element)]; }
  uint64_t ScaleRun(uint64_t element) const override { return scales_.RunLength(element); }

  void ReadFloats(uint64_t begin, std::span<float> out) const override {
    for (size_t done = 0; done < out.size();) {
      const uint64_t index = begin + done;
      const size_t run = static_cast<size_t>(std::min<uint64_t>(scales_.RunLength(index), out.size() - done));
      ReadRun(index, scales_.IndexOf(index), out.subspan(done, run));
      done += run;
    }
  }

  void ReadInts(uint64_t begin, std::span<int64_t> out) const override { ReadTruncated(*this, begin, out); }

  uint64_t RowLength() const override { return base_->RowLength(); }

 private:
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
  ScaleIndexer scales_;
  Bytes stored_;
  int code_bits_ = 0;
  int64_t center_ = 0;
};

}  // namespace

TensorSourcePtr DequantizeSource(TensorSourcePtr base, std::vector<float> scale, std::vector<int64_t> zero_point,
                                 DequantizeLayout layout) {
  return std::make_shared<Dequantize>(std::move(base), std::move(scale), std::move(zero_point), layout);
}

}  // namespace quantpress::graph
