// Coded weights as a source of floats, decoded piece by piece.
#include <algorithm>
#include <cmath>
#include <tuple>

#include "dispatch/dequantize_run.h"
#include "graph/import/mnn/bit_reader.h"
#include "graph/import/mnn/coded_weight.h"
#include "graph/ir/truncate.h"
#include "kernels/half.h"
#include "kernels/types.h"

namespace quantpress::graph {
namespace {

constexpr size_t kChunk = 4096;

// Scale entries as floats in aligned memory: few, next to the weights.
std::vector<float> Alphas(const CodedWeight& weight) {
  if (weight.half_alpha) {
    std::vector<uint16_t> halves(weight.alpha.size / sizeof(uint16_t));
    if (!halves.empty()) std::memcpy(halves.data(), weight.alpha.data, halves.size() * sizeof(uint16_t));
    std::vector<float> alphas(halves.size());
    kernels::HalfToFloat(halves.data(), halves.size(), alphas.data());
    return alphas;
  }
  std::vector<float> alphas(weight.alpha.size / sizeof(float));
  if (!alphas.empty()) std::memcpy(alphas.data(), weight.alpha.data, alphas.size() * sizeof(float));
  return alphas;
}

class Decoded : public TensorSource {
 public:
  explicit Decoded(const CodedWeight& weight)
      : TensorSource(ElementType::kFloat32, weight.elements),
        weight_(weight),
        alphas_(Alphas(weight)),
        group_(weight.groups == 0 ? weight.elements : weight.elements / weight.groups) {
    spec_.bits = weight.bits;
    spec_.asymmetric = weight.asymmetric;
    spec_.min_code = weight.min_code;
    spec_.quant_scale = weight.quant_scale;
    spec_.table = weight_.table.empty() ? nullptr : weight_.table.data();
  }

  void ReadFloats(uint64_t begin, std::span<float> out) const override {
    for (size_t done = 0; done < out.size();) {
      const uint64_t index = begin + done;
      const uint64_t in_group = index % group_;
      size_t n = static_cast<size_t>(std::min<uint64_t>(group_ - in_group, out.size() - done));
      size_t groups = 1;
      if (in_group == 0 && n == group_) groups = (out.size() - done) / n;
      const uint64_t g = index / group_;
      ReadGroups(index, groups, n, {alphas_.data() + g * (spec_.asymmetric ? 2 : 1), nullptr}, out.data() + done);
      done += groups * n;
    }
  }

  void ReadInts(uint64_t begin, std::span<int64_t> out) const override { ReadTruncated(*this, begin, out); }

 protected:
  virtual void ReadGroups(uint64_t index, size_t groups, size_t size, dispatch::AlphaView alpha, float* out) const = 0;

  CodedWeight weight_;
  dispatch::DecodeSpec spec_;
  std::vector<float> alphas_;
  uint64_t group_;
};

class TableDecoded final : public Decoded {
 public:
  using Decoded::Decoded;

 protected:
  void ReadGroups(uint64_t index, size_t groups, size_t size, dispatch::AlphaView alpha, float* out) const override {
    dispatch::DequantizeRun(spec_, weight_.payload.data, index, groups, size, alpha, out);
  }
};

class RawDecoded final : public Decoded {
 public:
  using Decoded::Decoded;

 protected:
  void ReadGroups(uint64_t index, size_t groups, size_t size, dispatch::AlphaView alpha, float* out) const override {
    dispatch::DequantizeCodes(spec_, reinterpret_cast<const int8_t*>(weight_.payload.data) + index, groups, size, alpha, out);
  }
};

// The entries of a list of type 2, in order, from any entry on.
class ListReader {
 public:
  // `before`: the position of the entry before `entry`; 0 for the first.
  ListReader(const CodedWeight& weight, uint64_t entry, uint64_t before)
      : weight_(weight),
        entry_(entry),
        position_(before),
        steps_(weight.payload, entry * static_cast<uint64_t>(weight.step_bits)),
        values_(weight.values, entry * static_cast<uint64_t>(weight.bits)) {}

  // False behind the last entry.
  bool Next() {
    if (entry_ == weight_.listed) return false;
    ++entry_;
    position_ += steps_.Take(weight_.step_bits);
    index_ = values_.Take(weight_.bits);
    return true;
  }
  uint64_t position() const { return position_; }
  int8_t code() const {
    if (!weight_.table.empty()) return weight_.table[index_];
    return static_cast<int8_t>(static_cast<int>(index_) + kernels::CodeMin(weight_.bits));
  }

 private:
  const CodedWeight& weight_;
  uint64_t entry_, position_;
  uint32_t index_ = 0;
  BitReader steps_, values_;
};

// Type 2: elements that are not listed have the code that decodes to about zero. The list stays in the file; what is kept of it is where
// every kStride-th entry is.
class SparseDecoded final : public Decoded {
 public:
  static constexpr uint64_t kStride = 256;

  // befores[i]: position of the entry before number i * kStride; 0 for the first.
  SparseDecoded(const CodedWeight& weight, std::vector<uint64_t> befores) : Decoded(weight), befores_(std::move(befores)) {
    const int lowest = -(1 << (weight.bits - 1));
    if (weight.asymmetric && weight.groups == weight.rows) {
      fill_.resize(weight.rows);
      for (size_t r = 0; r < fill_.size(); ++r) {
        const float min = alphas_[2 * r], scale = alphas_[2 * r + 1];
        const float code = scale > 1e-6f ? std::round(-min / scale) + static_cast<float>(lowest) : static_cast<float>(lowest);
        const bool fits = std::isfinite(code) && std::fabs(code) < 1e9f;
        fill_[r] = static_cast<int8_t>(fits ? static_cast<int64_t>(code) : 0);
      }
    }
  }

 protected:
  void ReadGroups(uint64_t index, size_t groups, size_t size, dispatch::AlphaView alpha, float* out) const override {
    int8_t codes[kChunk];
    ListReader list = From(index);
    bool more = list.Next();
    while (more && list.position() < index) more = list.Next();
    for (size_t g = 0; g < groups; ++g) {
      const float* entry = alpha.floats + g * (spec_.asymmetric ? 2 : 1);
      for (size_t done = 0; done < size;) {
        const size_t n = std::min(kChunk, size - done);
        const uint64_t at = index + g * size + done;
        std::fill_n(codes, n, fill_.empty() ? int8_t{0} : fill_[at / group_]);
        for (; more && list.position() < at + n; more = list.Next()) codes[list.position() - at] = list.code();
        dispatch::DequantizeCodes(spec_, codes, 1, n, {entry, nullptr}, out + g * size + done);
        done += n;
      }
    }
  }

 private:
  // A reader in front of the first entry at `index` or behind it, by less than a stride.
  ListReader From(uint64_t index) const {
    const auto behind = std::lower_bound(befores_.begin(), befores_.end(), index);
    const auto stride = static_cast<size_t>(std::max<ptrdiff_t>(behind - befores_.begin(), 1) - 1);
    return {weight_, stride * kStride, befores_.empty() ? 0 : befores_[stride]};
  }

  std::vector<uint64_t> befores_;  // ascending
  std::vector<int8_t> fill_;  // per row
};

template <typename T>
T At(const Bytes& list, uint64_t index) {
  T value;
  std::memcpy(&value, list.data + index * sizeof(T), sizeof(T));
  return value;
}

// Type 0: listed floats, zero elsewhere.
class FloatSparse final : public TensorSource {
 public:
  // Positions ascend.
  FloatSparse(uint64_t count, Bytes positions, Bytes values)
      : TensorSource(ElementType::kFloat32, count), positions_(std::move(positions)), values_(std::move(values)) {}

  void ReadFloats(uint64_t begin, std::span<float> out) const override {
    std::fill(out.begin(), out.end(), 0.0f);
    const uint64_t listed = positions_.size / sizeof(uint32_t);
    uint64_t entry = 0;
    for (uint64_t end = listed; entry < end;) {  // the first that is not in front of `begin`
      const uint64_t middle = entry + (end - entry) / 2;
      if (At<uint32_t>(positions_, middle) < begin) {
        entry = middle + 1;
      } else {
        end = middle;
      }
    }
    for (; entry < listed; ++entry) {
      const uint64_t position = At<uint32_t>(positions_, entry);
      if (position >= begin + out.size()) break;
      out[position - begin] = At<float>(values_, entry);
    }
  }

  void ReadInts(uint64_t begin, std::span<int64_t> out) const override { ReadTruncated(*this, begin, out); }

 private:
  Bytes positions_, values_;
};

Status BeyondTheEnd(const Op& op, uint64_t position, const CodedWeight& weight) {
  return InvalidInput("layer '{}': sparse weights list element {} of {}", op.name, position, weight.elements);
}

StatusOr<TensorSourcePtr> DecodeSparse(const Op& op, const CodedWeight& weight) {
  std::vector<uint64_t> befores;
  befores.reserve(weight.listed / SparseDecoded::kStride + 1);
  ListReader list(weight, 0, 0);
  for (uint64_t i = 0; i < weight.listed; ++i) {
    if (i % SparseDecoded::kStride == 0) befores.push_back(list.position());
    list.Next();
    if (list.position() >= weight.elements) return BeyondTheEnd(op, list.position(), weight);
  }
  return std::make_shared<SparseDecoded>(weight, std::move(befores));
}

StatusOr<TensorSourcePtr> DecodeFloatSparse(const Op& op, const CodedWeight& weight) {
  bool ascend = true;
  for (uint64_t i = 0, before = 0; i < weight.listed; ++i) {
    const uint64_t position = At<uint32_t>(weight.values, i);
    if (position >= weight.elements) return BeyondTheEnd(op, position, weight);
    ascend &= position >= before;
    before = position;
  }
  if (ascend) return std::make_shared<FloatSparse>(weight.elements, weight.values, weight.alpha);
  std::vector<std::pair<uint32_t, float>> sorted(weight.listed);
  for (size_t i = 0; i < sorted.size(); ++i) sorted[i] = {At<uint32_t>(weight.values, i), At<float>(weight.alpha, i)};
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<uint32_t> positions(sorted.size());
  std::vector<float> values(sorted.size());
  for (size_t i = 0; i < sorted.size(); ++i) std::tie(positions[i], values[i]) = sorted[i];
  return std::make_shared<FloatSparse>(weight.elements, Bytes::Own(std::move(positions)), Bytes::Own(std::move(values)));
}

}  // namespace

StatusOr<TensorSourcePtr> DecodeWeight(const Op& op) {
  QP_ASSIGN_OR_RETURN(const CodedWeight weight, ParseCodedWeight(op));
  switch (weight.type) {
    case 0: return DecodeFloatSparse(op, weight);
    case 1: return std::make_shared<TableDecoded>(weight);
    case 2: return DecodeSparse(op, weight);
    default: return std::make_shared<RawDecoded>(weight);
  }
}

}  // namespace quantpress::graph
