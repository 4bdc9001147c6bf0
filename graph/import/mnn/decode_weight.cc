// Coded weights as a source of floats, decoded piece by piece.
#include <algorithm>
#include <cmath>

#include "dispatch/dequantize_run.h"
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

class BitReader {
 public:
  explicit BitReader(const uint8_t* data) : data_(data) {}
  uint32_t Take(int bits) {
    uint32_t value = 0;
    for (int i = 0; i < bits; ++i, ++at_) value = value << 1 | ((data_[at_ / 8] >> (7 - at_ % 8)) & 1u);
    return value;
  }

 private:
  const uint8_t* data_;
  uint64_t at_ = 0;
};

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

// Type 2: elements that are not listed have the code that decodes to about zero.
class SparseDecoded final : public Decoded {
 public:
  SparseDecoded(const CodedWeight& weight, std::vector<uint64_t> positions, std::vector<int8_t> codes)
      : Decoded(weight), positions_(std::move(positions)), codes_(std::move(codes)) {
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
    for (size_t g = 0; g < groups; ++g) {
      const float* entry = alpha.floats + g * (spec_.asymmetric ? 2 : 1);
      for (size_t done = 0; done < size;) {
        const size_t n = std::min(kChunk, size - done);
        const uint64_t at = index + g * size + done;
        std::fill_n(codes, n, fill_.empty() ? int8_t{0} : fill_[at / group_]);
        auto listed = std::lower_bound(positions_.begin(), positions_.end(), at);
        for (; listed != positions_.end() && *listed < at + n; ++listed) {
          codes[*listed - at] = codes_[static_cast<size_t>(listed - positions_.begin())];
        }
        dispatch::DequantizeCodes(spec_, codes, 1, n, {entry, nullptr}, out + g * size + done);
        done += n;
      }
    }
  }

 private:
  std::vector<uint64_t> positions_;  // ascending
  std::vector<int8_t> codes_;
  std::vector<int8_t> fill_;  // per row
};

// Type 0: listed floats, zero elsewhere.
class FloatSparse final : public TensorSource {
 public:
  FloatSparse(uint64_t count, std::vector<std::pair<uint32_t, float>> listed)
      : TensorSource(ElementType::kFloat32, count), listed_(std::move(listed)) {}

  void ReadFloats(uint64_t begin, std::span<float> out) const override {
    std::fill(out.begin(), out.end(), 0.0f);
    auto it = std::lower_bound(listed_.begin(), listed_.end(), begin,
                               [](const auto& entry, uint64_t at) { return entry.first < at; });
    for (; it != listed_.end() && it->first < begin + out.size(); ++it) out[it->first - begin] = it->second;
  }

  void ReadInts(uint64_t begin, std::span<int64_t> out) const override { ReadTruncated(*this, begin, out); }

 private:
  std::vector<std::pair<uint32_t, float>> listed_;  // ascending positions
};

StatusOr<TensorSourcePtr> DecodeSparse(const Op& op, const CodedWeight& weight) {
  std::vector<uint64_t> positions(weight.listed);
  std::vector<int8_t> codes(weight.listed);
  BitReader steps(weight.payload.data), values(weight.values.data);
  uint64_t at = 0;
  for (size_t i = 0; i < positions.size(); ++i) {
    at += steps.Take(weight.step_bits);
    if (at >= weight.elements) {
      return InvalidInput("layer '{}': sparse weights list element {} of {}", op.name, at, weight.elements);
    }
    positions[i] = at;
    const uint32_t index = values.Take(weight.bits);
    codes[i] = weight.table.empty() ? static_cast<int8_t>(static_cast<int>(index) + kernels::CodeMin(weight.bits))
                                    : weight.table[index];
  }
  return std::make_shared<SparseDecoded>(weight, std::move(positions), std::move(codes));
}

StatusOr<TensorSourcePtr> DecodeFloatSparse(const Op& op, const CodedWeight& weight) {
  std::vector<std::pair<uint32_t, float>> listed(weight.listed);
  for (size_t i = 0; i < listed.size(); ++i) {
    std::memcpy(&listed[i].first, weight.values.data + i * sizeof(uint32_t), sizeof(uint32_t));
    std::memcpy(&listed[i].second, weight.alpha.data + i * sizeof(float), sizeof(float));
    if (listed[i].first >= weight.elements) {
      return InvalidInput("layer '{}': sparse weights list element {} of {}", op.name, listed[i].first, weight.elements);
    }
  }
  std::stable_sort(listed.begin(), listed.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  return std::make_shared<FloatSparse>(weight.elements, std::move(listed));
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
