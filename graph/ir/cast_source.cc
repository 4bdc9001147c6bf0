// The same elements with another type.
#include <algorithm>

#include "graph/ir/tensor_source.h"
#include "graph/ir/truncate.h"
#include "kernels/half.h"

namespace quantpress::graph {
namespace {

constexpr size_t kChunk = 512;

int64_t Wrap(int64_t value, ElementType type) {
  switch (type) {
    case ElementType::kInt8: return static_cast<int8_t>(value);
    case ElementType::kUInt8: return static_cast<uint8_t>(value);
    case ElementType::kInt16: return static_cast<int16_t>(value);
    case ElementType::kUInt16: return static_cast<uint16_t>(value);
    case ElementType::kInt32: return static_cast<int32_t>(value);
    case ElementType::kUInt32: return static_cast<uint32_t>(value);
    case ElementType::kInt4: return static_cast<int64_t>(static_cast<uint64_t>(value) << 60) >> 60;
    case ElementType::kUInt4: return value & 0xF;
    default: return value;
  }
}

class Cast final : public TensorSource {
 public:
  Cast(TensorSourcePtr base, ElementType type) : TensorSource(type, base->count()), base_(std::move(base)) {}

  void ReadFloats(uint64_t begin, std::span<float> out) const override {
    if (!IsFloat(type())) {
      int64_t values[kChunk];
      for (size_t done = 0; done < out.size();) {
        const size_t n = std::min(kChunk, out.size() - done);
        ReadInts(begin + done, std::span<int64_t>(values, n));
        for (size_t i = 0; i < n; ++i) out[done + i] = static_cast<float>(values[i]);
        done += n;
      }
      return;
    }
    base_->ReadFloats(begin, out);
    if (type() == ElementType::kFloat16 && base_->type() != ElementType::kFloat16) {
      for (float& v : out) v = kernels::FloatFromHalf(kernels::HalfFromFloat(v, kernels::HalfOverflow::kInfinity));
    } else if (type() == ElementType::kBFloat16 && base_->type() != ElementType::kBFloat16) {
      for (float& v : out) v = RoundToBFloat16(v);
    }
  }

  void ReadInts(uint64_t begin, std::span<int64_t> out) const override {
    if (IsFloat(type()) || IsFloat(base_->type())) {
      float values[kChunk];
      for (size_t done = 0; done < out.size();) {
        const size_t n = std::min(kChunk, out.size() - done);
        const std::span<float> part(values, n);
        if (IsFloat(type())) {
          ReadFloats(begin + done, part);
        } else {
          base_->ReadFloats(begin + done, part);
        }
        for (size_t i = 0; i < n; ++i) {
          out[done + i] =
              type() == ElementType::kBool ? (values[i] != 0.0f ? 1 : 0) : Wrap(TruncateToInt(values[i]), type());
        }
        done += n;
      }
      return;
    }
    base_->ReadInts(begin, out);
    for (int64_t& v : out) v = type() == ElementType::kBool ? (v != 0 ? 1 : 0) : Wrap(v, type());
  }

  uint64_t RowLength() const override { return base_->RowLength(); }

 private:
  static float RoundToBFloat16(float value) {
    uint32_t bits = std::bit_cast<uint32_t>(value);
    if ((bits & 0x7FFFFFFF) <= 0x7F800000) bits += 0x7FFF + (bits >> 16 & 1);
    return std::bit_cast<float>(bits & 0xFFFF0000u);
  }

  TensorSourcePtr base_;
};

}  // namespace

TensorSourcePtr CastSource(TensorSourcePtr base, ElementType type) {
  if (base->type() == type) return base;
  return std::make_shared<Cast>(std::move(base), type);
}

}  // namespace quantpress::graph
