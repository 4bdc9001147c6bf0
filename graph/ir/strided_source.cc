// A strided view. Three speeds: contiguous runs where the innermost stride is 1; tile-wise transposition where some other
// dimension has stride 1 (that is every weight transposition: [in, out] matrices, HWIO kernels); element by element.
#include <algorithm>

#include "graph/ir/coded_elements.h"
#include "graph/ir/tensor_source.h"
#include "kernels/transpose.h"

namespace quantpress::graph {
namespace {

// A transposition tile, kept in cache: source rows x columns.
constexpr uint64_t kTileRows = 64;
constexpr uint64_t kTileColumns = 64;

struct Dimension {
  uint64_t size;
  int64_t stride;
};

// Sizes of 1 dropped, neighbours that step through memory as one merged.
std::vector<Dimension> Simplify(const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
  std::vector<Dimension> dims;
  for (size_t i = 0; i < shape.size(); ++i) {
    const Dimension next = {static_cast<uint64_t>(shape[i]), strides[i]};
    if (next.size == 1) continue;
    if (!dims.empty() && dims.back().stride == next.stride * static_cast<int64_t>(next.size)) {
      dims.back() = {dims.back().size * next.size, next.stride};
    } else {
      dims.push_back(next);
    }
  }
  if (dims.empty()) dims.push_back({1, 1});
  return dims;
}

uint64_t Product(const std::vector<int64_t>& shape) {
  uint64_t product = 1;
  for (int64_t d : shape) product *= static_cast<uint64_t>(d);
  return product;
}

void ReadFrom(const TensorSource& source, uint64_t at, std::span<float> out) { source.ReadFloats(at, out); }
void ReadFrom(const TensorSource& source, uint64_t at, std::span<int64_t> out) { source.ReadInts(at, out); }

class Strided final : public TensorSource, public CodedElements {
 public:
  Strided(TensorSourcePtr base, uint64_t count, std::vector<Dimension> dims, int64_t offset)
      : TensorSource(base->type(), count), base_(std::move(base)), dims_(std::move(dims)), offset_(offset) {
    if (base_->type() == ElementType::kFloat32) {
      stored_ = base_->Stored();
      if (reinterpret_cast<uintptr_t>(stored_.data) % alignof(float) == 0) {
        floats_ = reinterpret_cast<const float*>(stored_.data);
      }
    }
    coded_ = CodedElementsOf(base_);
    one_scale_ = coded_ != nullptr && coded_->ScaleRun(0) == base_->count();
    inner_ = dims_.back().size;
    uint64_t row = 1;
    for (size_t i = dims_.size(); i-- > 0; row *= dims_[i].size) {
      if (count > 0 && i + 1 < dims_.size() && dims_[i].stride == 1 && dims_.back().stride != 1 && dims_.back().stride > 0) {
        unit_ = i;
        row_ = row;
        break;
      }
    }
  }

  void ReadFloats(uint64_t begin, std::span<float> out) const override { ReadAny(begin, out); }
  void ReadInts(uint64_t begin, std::span<int64_t> out) const override { ReadAny(begin, out); }

  Bytes Stored() const override {
    if (dims_.size() != 1 || dims_[0].stride != 1 || ElementBits(type()) < 8) return {};
    const Bytes all = base_->Stored();
    if (all.data == nullptr) return {};
    const uint64_t width = static_cast<uint64_t>(ElementBits(type())) / 8;
    return all.Slice(static_cast<uint64_t>(offset_) * width, count() * width);
  }

  uint64_t RowLength() const override { return row_; }

  int CodeBits() const override { return coded_ != nullptr ? coded_->CodeBits() : 0; }
  int64_t Center() const override { return coded_->Center(); }
  TensorSourcePtr Codes() const override {
    return std::make_shared<Strided>(coded_->Codes(), count(), dims_, offset_);
  }
  float ScaleOf(uint64_t element) const override { return coded_->ScaleOf(Locate(element)); }
  uint64_t ScaleRun(uint64_t element) const override { return one_scale_ ? count() - element : 1; }

 private:
  // Base index of element `index`.
  uint64_t Locate(uint64_t index) const {
    int64_t at = offset_;
    for (size_t i = dims_.size(); i-- > 0;) {
      at += static_cast<int64_t>(index % dims_[i].size) * dims_[i].stride;
      index /= dims_[i].size;
    }
    return static_cast<uint64_t>(at);
  }

  template <typename T>
  void ReadAny(uint64_t begin, std::span<T> out) const {
    if constexpr (std::is_same_v<T, float>) {
      if (row_ > 1) return ReadRows(begin, out);
    }
    ReadRuns(begin, out);
  }

  // Along the innermost dimension.
  template <typename T>
  void ReadRuns(uint64_t begin, std::span<T> out) const {
    const int64_t stride = dims_.back().stride;
    for (size_t done = 0; done < out.size();) {
      const uint64_t index = begin + done;
      const size_t n = static_cast<size_t>(std::min<uint64_t>(inner_ - index % inner_, out.size() - done));
      ReadRun(Locate(index), stride, out.subspan(done, n));
      done += n;
    }
  }

  template <typename T>
  void ReadRun(uint64_t at, int64_t stride, std::span<T> out) const {
    if (stride == 1) return ReadFrom(*base_, at, out);
    if (stride == 0) {
      ReadFrom(*base_, at, out.first(1));
      std::fill(out.begin() + 1, out.end(), out.front());
      return;
    }
    if constexpr (std::is_same_v<T, float>) {
      if (floats_ != nullptr) {
        const float* from = floats_ + at;
        for (size_t i = 0; i < out.size(); ++i) out[i] = from[static_cast<int64_t>(i) * stride];
        return;
      }
    }
    for (size_t i = 0; i < out.size(); ++i) {
      ReadFrom(*base_, at + static_cast<uint64_t>(static_cast<int64_t>(i) * stride), out.subspan(i, 1));
    }
  }

  // Whole rows (everything inside the dimension of stride 1) by transposition, what is left and right of them by runs.
  void ReadRows(uint64_t begin, std::span<float> out) const {
    uint64_t head = std::min<uint64_t>((row_ - begin % row_) % row_, out.size());
    ReadRuns(begin, out.first(head));
    while (out.size() - head >= row_) {
      const uint64_t row = (begin + head) / row_;
      const uint64_t same = dims_[unit_].size - row % dims_[unit_].size;  // rows until the next outer step
      const uint64_t rows = std::min<uint64_t>(same, (out.size() - head) / row_);
      Transpose((begin + head), rows, out.data() + head);
      head += rows * row_;
    }
    ReadRuns(begin + head, out.subspan(head));
  }

  // `rows` rows from element `begin` on: runs of `rows` neighbours in the base become columns of the output.
  void Transpose(uint64_t begin, uint64_t rows, float* out) const {
    for (uint64_t column = 0; column < row_; column += inner_) {
      const uint64_t at = Locate(begin + column);
      for (uint64_t k = 0; k < inner_; k += kTileRows) {
        const uint64_t height = std::min(kTileRows, inner_ - k);
        for (uint64_t r = 0; r < rows; r += kTileColumns) {
          const uint64_t width = std::min(kTileColumns, rows - r);
          TransposeOne(at + k * static_cast<uint64_t>(dims_.back().stride) + r, height, width,
                       out + r * row_ + column + k);
        }
      }
    }
  }

  void TransposeOne(uint64_t at, uint64_t height, uint64_t width, float* out) const {
    const auto stride = static_cast<uint64_t>(dims_.back().stride);
    if (floats_ != nullptr && stride >= width) {
      return kernels::TransposeTile(floats_ + at, stride, height, width, out, row_);
    }
    float tile[kTileRows * kTileColumns];
    for (uint64_t y = 0; y < height; ++y) base_->ReadFloats(at + y * stride, std::span<float>(tile + y * width, width));
    kernels::TransposeTile(tile, width, height, width, out, row_);
  }

  TensorSourcePtr base_;
  std::vector<Dimension> dims_;
  int64_t offset_;
  Bytes stored_;
  const CodedElements* coded_ = nullptr;  // the base's face, if it has one
  bool one_scale_ = false;                // the whole base has one scale
  const float* floats_ = nullptr;  // the base's elements, where they lie in memory as aligned float32
  uint64_t inner_ = 1;             // size of the innermost dimension
  size_t unit_ = 0;                // the dimension of stride 1 that rows are counted along, if row_ > 1
  uint64_t row_ = 1;               // elements inside of it
};

}  // namespace

TensorSourcePtr StridedSource(TensorSourcePtr base, std::vector<int64_t> shape, std::vector<int64_t> strides,
                              int64_t offset) {
  const uint64_t count = Product(shape);
  std::vector<Dimension> dims = Simplify(shape, strides);
  if (dims.size() == 1 && dims[0].stride == 1 && offset == 0 && count == base->count()) return base;
  return std::make_shared<Strided>(std::move(base), count, std::move(dims), offset);
}

}  // namespace quantpress::graph
