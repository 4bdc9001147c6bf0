// value * scale[c] + shift[c].
#include <algorithm>

#include "graph/ir/tensor_source.h"
#include "graph/ir/truncate.h"

namespace quantpress::graph {
namespace {

class Affine final : public TensorSource {
 public:
  Affine(TensorSourcePtr base, std::vector<float> scale, std::vector<float> shift, uint64_t inner)
      : TensorSource(ElementType::kFloat32, base->count()),
        base_(std::move(base)),
        scale_(std::move(scale)),
        shift_(std::move(shift)),
        inner_(std::max<uint64_t>(1, inner)) {}

  void ReadFloats(uint64_t begin, std::span<float> out) const override {
    base_->ReadFloats(begin, out);
    for (size_t done = 0; done < out.size();) {
      const uint64_t index = begin + done;
      const uint64_t c = index / inner_ % scale_.size();
      const size_t run = static_cast<size_t>(std::min<uint64_t>(inner_ - index % inner_, out.size() - done));
      const float scale = scale_[c];
      float* const values = out.data() + done;
      if (shift_.empty()) {
        for (size_t i = 0; i < run; ++i) values[i] = values[i] * scale;
      } else {
        const float shift = shift_[c];
        for (size_t i = 0; i < run; ++i) values[i] = values[i] * scale + shift;
      }
      done += run;
    }
  }

  void ReadInts(uint64_t begin, std::span<int64_t> out) const override { ReadTruncated(*this, begin, out); }

  uint64_t RowLength() const override { return base_->RowLength(); }

 private:
  TensorSourcePtr base_;
  std::vector<float> scale_, shift_;
  uint64_t inner_;
};

}  // namespace

TensorSourcePtr AffineSource(TensorSourcePtr base, std::vector<float> scale, std::vector<float> shift,
                             uint64_t inner) {
  return std::make_shared<Affine>(std::move(base), std::move(scale), std::move(shift), inner);
}

}  // namespace quantpress::graph
