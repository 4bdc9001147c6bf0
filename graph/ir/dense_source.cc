// Elements that lie one after another in memory, of any type.
#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/ir/tensor_source.h"
#include "kernels/half.h"

namespace quantpress::graph {
namespace {

// Unaligned 16-bit elements go through a small aligned buffer.
constexpr size_t kChunk = 1024;

template <typename T>
T Load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(T));
  return value;
}

int64_t Truncate(double value) {
  if (std::isnan(value)) return 0;
  if (value >= 0x1p63) return std::numeric_limits<int64_t>::max();
  if (value <= -0x1p63) return std::numeric_limits<int64_t>::min();
  return static_cast<int64_t>(value);
}

template <typename Out>
Out To(double value) {
  if constexpr (std::is_same_v<Out, float>) {
    return static_cast<float>(value);
  } else {
    return Truncate(value);
  }
}

template <typename T, typename Out>
void Convert(const uint8_t* data, uint64_t begin, std::span<Out> out) {
  const uint8_t* at = data + begin * sizeof(T);
  for (size_t i = 0; i < out.size(); ++i) {
    const T value = Load<T>(at + i * sizeof(T));
    if constexpr (std::is_floating_point_v<T>) {
      out[i] = To<Out>(static_cast<double>(value));
    } else {
      out[i] = static_cast<Out>(value);
    }
  }
}

template <typename Out>
void ConvertBool(const uint8_t* data, uint64_t begin, std::span<Out> out) {
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<Out>(data[begin + i] != 0 ? 1 : 0);
}

template <typename Out>
void ConvertNibbles(const uint8_t* data, uint64_t begin, bool is_signed, std::span<Out> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    const uint64_t index = begin + i;
    int value = (data[index / 2] >> (index % 2 * 4)) & 0xF;
    if (is_signed && value >= 8) value -= 16;
    out[i] = static_cast<Out>(value);
  }
}

class Dense final : public TensorSource {
 public:
  Dense(Bytes bytes, ElementType type, uint64_t count) : TensorSource(type, count), bytes_(std::move(bytes)) {}

  void ReadFloats(uint64_t begin, std::span<float> out) const override {
    if (out.empty()) return;
    if (type() == ElementType::kFloat32) {
      std::memcpy(out.data(), bytes_.data + begin * sizeof(float), out.size_bytes());
    } else if (type() == ElementType::kFloat16 || type() == ElementType::kBFloat16) {
      Read16(begin, out);
    } else {
      Read(begin, out);
    }
  }

  void ReadInts(uint64_t begin, std::span<int64_t> out) const override {
    if (out.empty()) return;
    if (type() == ElementType::kFloat16 || type() == ElementType::kBFloat16) {
      for (size_t i = 0; i < out.size(); ++i) {
        float value;
        Read16(begin + i, std::span<float>(&value, 1));
        out[i] = Truncate(static_cast<double>(value));
      }
    } else {
      Read(begin, out);
    }
  }

  Bytes Stored() const override { return bytes_; }

 private:
  void Read16(uint64_t begin, std::span<float> out) const {
    uint16_t buffer[kChunk];
    for (size_t done = 0; done < out.size();) {
      const size_t n = std::min(kChunk, out.size() - done);
      std::memcpy(buffer, bytes_.data + (begin + done) * 2, n * 2);
      if (type() == ElementType::kFloat16) {
        kernels::HalfToFloat(buffer, n, out.data() + done);
      } else {
        kernels::BFloat16ToFloat(buffer, n, out.data() + done);
      }
      done += n;
    }
  }

  template <typename Out>
  void Read(uint64_t begin, std::span<Out> out) const {
    const uint8_t* data = bytes_.data;
    switch (type()) {
      case ElementType::kFloat32: return Convert<float>(data, begin, out);
      case ElementType::kFloat64: return Convert<double>(data, begin, out);
      case ElementType::kInt8: return Convert<int8_t>(data, begin, out);
      case ElementType::kUInt8: return Convert<uint8_t>(data, begin, out);
      case ElementType::kInt16: return Convert<int16_t>(data, begin, out);
      case ElementType::kUInt16: return Convert<uint16_t>(data, begin, out);
      case ElementType::kInt32: return Convert<int32_t>(data, begin, out);
      case ElementType::kUInt32: return Convert<uint32_t>(data, begin, out);
      case ElementType::kInt64: return Convert<int64_t>(data, begin, out);
      case ElementType::kUInt64: return Convert<uint64_t>(data, begin, out);
      case ElementType::kBool: return ConvertBool(data, begin, out);
      case ElementType::kInt4: return ConvertNibbles(data, begin, true, out);
      case ElementType::kUInt4: return ConvertNibbles(data, begin, false, out);
      case ElementType::kFloat16:
      case ElementType::kBFloat16:
      case ElementType::kUnknown:
      case ElementType::kString: return;  // read elsewhere, or refused by DenseSource
    }
  }

  Bytes bytes_;
};

template <typename T>
TensorSourcePtr Narrow(const std::vector<int64_t>& values, ElementType type) {
  std::vector<T> narrow(values.size());
  for (size_t i = 0; i < values.size(); ++i) narrow[i] = static_cast<T>(values[i]);
  return std::make_shared<Dense>(Bytes::Own(std::move(narrow)), type, values.size());
}

}  // namespace

StatusOr<TensorSourcePtr> DenseSource(Bytes bytes, ElementType type, uint64_t count) {
  const uint64_t bits = static_cast<uint64_t>(ElementBits(type));
  if (bits == 0) return Unsupported("elements of type {} cannot be read as numbers", ElementTypeName(type));
  if (count > (UINT64_MAX - 7) / bits || (count * bits + 7) / 8 > bytes.size) {
    return InvalidInput("{} elements of type {} do not fit into {} bytes", count, ElementTypeName(type), bytes.size);
  }
  return std::make_shared<Dense>(bytes.Slice(0, (count * bits + 7) / 8), type, count);
}

TensorSourcePtr FloatSource(std::vector<float> values) {
  const uint64_t count = values.size();
  return std::make_shared<Dense>(Bytes::Own(std::move(values)), ElementType::kFloat32, count);
}

TensorSourcePtr IntSource(std::vector<int64_t> values, ElementType type) {
  switch (type) {
    case ElementType::kInt8: return Narrow<int8_t>(values, type);
    case ElementType::kUInt8:
    case ElementType::kBool: return Narrow<uint8_t>(values, type);
    case ElementType::kInt16: return Narrow<int16_t>(values, type);
    case ElementType::kUInt16: return Narrow<uint16_t>(values, type);
    case ElementType::kInt32: return Narrow<int32_t>(values, type);
    case ElementType::kUInt32: return Narrow<uint32_t>(values, type);
    default: break;
  }
  const uint64_t count = values.size();
  auto wide = std::make_shared<Dense>(Bytes::Own(std::move(values)), ElementType::kInt64, count);
  return type == ElementType::kInt64 ? TensorSourcePtr(wide) : CastSource(std::move(wide), type);
}

}  // namespace quantpress::graph
