#include "graph/import/onnx/tensor.h"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include "graph/build/shape.h"

namespace quantpress::graph::onnx {
namespace {

constexpr ElementType kTypes[] = {
    ElementType::kUnknown, ElementType::kFloat32, ElementType::kUInt8,   ElementType::kInt8,    ElementType::kUInt16,
    ElementType::kInt16,   ElementType::kInt32,   ElementType::kInt64,   ElementType::kString,  ElementType::kBool,
    ElementType::kFloat16, ElementType::kFloat64, ElementType::kUInt32,  ElementType::kUInt64,  ElementType::kUnknown,
    ElementType::kUnknown, ElementType::kBFloat16, ElementType::kUnknown, ElementType::kUnknown, ElementType::kUnknown,
    ElementType::kUnknown, ElementType::kUInt4,   ElementType::kInt4,
};

// Bytes that `count` elements take; nullopt on overflow.
std::optional<uint64_t> StoredBytes(ElementType type, uint64_t count) {
  uint64_t bits = 0;
  if (__builtin_mul_overflow(count, static_cast<uint64_t>(ElementBits(type)), &bits)) return std::nullopt;
  return bits / 8 + (bits % 8 != 0);
}

Bytes ViewOf(std::string_view text, const Bytes& file) {
  return {file.owner, reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

template <typename To, typename From>
Bytes Convert(const std::vector<From>& values) {
  std::vector<To> out;
  out.reserve(values.size());
  for (From v : values) out.push_back(static_cast<To>(v));
  return Bytes::Own(std::move(out));
}

// The typed fields, in the layout of raw_data.
StatusOr<Bytes> TypedData(const TensorView& t, ElementType type, const Bytes& file) {
  switch (type) {
    case ElementType::kFloat32:
      return t.float_data.empty() ? Bytes::Own(t.unpacked_floats) : ViewOf(t.float_data, file);
    case ElementType::kFloat64: return Bytes::Own(t.double_data);
    case ElementType::kInt64: return Bytes::Own(t.int64_data);
    case ElementType::kUInt64: return Bytes::Own(t.uint64_data);
    case ElementType::kUInt32: return Convert<uint32_t>(t.uint64_data);
    case ElementType::kInt32: return Bytes::Own(t.int32_data);
    case ElementType::kFloat16:
    case ElementType::kBFloat16:
    case ElementType::kUInt16:
    case ElementType::kInt16: return Convert<uint16_t>(t.int32_data);
    case ElementType::kInt8:
    case ElementType::kUInt8:
    case ElementType::kBool:
    case ElementType::kInt4:
    case ElementType::kUInt4: return Convert<uint8_t>(t.int32_data);
    default: return InvalidInput("elements of type {}", ElementTypeName(type));
  }
}

StatusOr<uint64_t> ParseSize(std::string_view key, std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) {
    return InvalidInput("external data with {} '{}'; a number of bytes was expected", key, text);
  }
  return value;
}

StatusOr<Bytes> ExternalData(const TensorView& t, uint64_t wanted, ExternalFiles* external) {
  std::string_view location;
  uint64_t offset = 0, length = wanted;
  for (const auto& [key, value] : t.external_data) {
    if (key == "location") location = value;
    if (key == "offset") {
      QP_ASSIGN_OR_RETURN(offset, ParseSize(key, value));
    }
    if (key == "length") {
      QP_ASSIGN_OR_RETURN(length, ParseSize(key, value));
    }
  }
  if (location.empty()) return InvalidInput("external data without a location");
  QP_ASSIGN_OR_RETURN(const Bytes file, external->Open(location));
  if (length < wanted) {
    return InvalidInput("external data of {} bytes in '{}'; its shape needs {}", length, location, wanted);
  }
  if (offset > file.size || file.size - offset < wanted) {
    return InvalidInput("external data at bytes {} to {} of '{}', which has {} bytes", offset, offset + wanted, location,
                        file.size);
  }
  return file.Slice(offset, wanted);
}

StatusOr<Constant> ToConstantUnnamed(const TensorView& t, const Bytes& file, ExternalFiles* external) {
  const ElementType type = FromOnnxType(t.data_type);
  if (type == ElementType::kUnknown || type == ElementType::kString) {
    return Unsupported("elements of type {}; the runtime has no such tensors", OnnxTypeName(t.data_type));
  }
  for (int64_t d : t.dims) {
    if (d < 0) return InvalidInput("a dimension of {}", d);
  }
  const std::optional<int64_t> count = ElementCount(t.dims);
  const std::optional<uint64_t> wanted =
      count ? StoredBytes(type, static_cast<uint64_t>(*count)) : std::optional<uint64_t>();
  if (!wanted) return InvalidInput("a shape with more elements than can be counted");
  Bytes data;
  if (t.external) {
    QP_ASSIGN_OR_RETURN(data, ExternalData(t, *wanted, external));
  } else if (!t.raw_data.empty()) {
    data = ViewOf(t.raw_data, file);
  } else {
    QP_ASSIGN_OR_RETURN(data, TypedData(t, type, file));
  }
  if (data.size != *wanted) {
    return InvalidInput("{} bytes of data; {} elements of type {} take {}", data.size, *count, ElementTypeName(type), *wanted);
  }
  QP_ASSIGN_OR_RETURN(TensorSourcePtr source, DenseSource(std::move(data), type, static_cast<uint64_t>(*count)));
  return Constant{type, t.dims, std::move(source)};
}

}  // namespace

ElementType FromOnnxType(int data_type) {
  return data_type >= 0 && data_type < static_cast<int>(std::size(kTypes)) ? kTypes[data_type] : ElementType::kUnknown;
}

std::string OnnxTypeName(int data_type) {
  static constexpr std::string_view kOthers[] = {"complex64",      "complex128", "",          "float8e4m3fn",
                                                 "float8e4m3fnuz", "float8e5m2", "float8e5m2fnuz"};
  const ElementType type = FromOnnxType(data_type);
  if (type != ElementType::kUnknown) return std::string(ElementTypeName(type));
  if (data_type >= 14 && data_type <= 20) return std::string(kOthers[data_type - 14]);
  if (data_type == 23) return "float4e2m1";
  return fmt::format("number {}", data_type);
}

ExternalFiles::ExternalFiles(std::string model_path) {
  std::error_code ignored;
  const std::filesystem::path parent = std::filesystem::path(model_path).parent_path();
  folder_ = std::filesystem::weakly_canonical(parent.empty() ? "." : parent, ignored).string();
}

StatusOr<Bytes> ExternalFiles::Open(std::string_view location) {
  if (const auto it = open_.find(location); it != open_.end()) return it->second.bytes;
  const std::filesystem::path relative{std::string(location)};
  std::error_code error;
  const std::filesystem::path path = std::filesystem::weakly_canonical(folder_ / relative, error);
  const std::filesystem::path inside = path.lexically_relative(folder_);
  if (relative.is_absolute() || error || inside.empty() || *inside.begin() == "..") {
    return InvalidInput("external data in '{}', which lies outside the model's folder; move the file beside the model",
                        location);
  }
  auto file = MapFile(path.string());
  if (!file.ok()) return Annotate(file.status(), "external data");
  open_.emplace(std::string(location), File{path.string(), *file});
  return *file;
}

std::vector<std::string> ExternalFiles::paths() const {
  std::vector<std::string> paths;
  for (const auto& [location, file] : open_) {
    // Two locations can name one file.
    if (std::find(paths.begin(), paths.end(), file.path) == paths.end()) paths.push_back(file.path);
  }
  return paths;
}

StatusOr<Constant> ToConstant(const TensorView& tensor, const Bytes& file, ExternalFiles* external) {
  auto constant = ToConstantUnnamed(tensor, file, external);
  if (!constant.ok()) return Annotate(constant.status(), fmt::format("tensor '{}'", tensor.name));
  return constant;
}

StatusOr<Constant> ToConstant(const SparseTensorView& tensor, const Bytes& file, ExternalFiles* external) {
  QP_ASSIGN_OR_RETURN(const Constant values, ToConstant(tensor.values, file, external));
  QP_ASSIGN_OR_RETURN(const Constant indices, ToConstant(tensor.indices, file, external));
  const std::string name(tensor.values.name);
  for (int64_t d : tensor.dims) {
    if (d < 0) return InvalidInput("sparse tensor '{}' has a dimension of {}", name, d);
  }
  const std::optional<int64_t> count = ElementCount(tensor.dims);
  // A sparse tensor is made dense on the heap, so its size must be reasonable.
  if (!count || *count > (int64_t{1} << 28)) return InvalidInput("sparse tensor '{}' is too large", name);
  const size_t rank = tensor.dims.size();
  const bool flat = indices.shape.size() == 1;
  if (indices.count() != values.count() * (flat ? 1 : rank)) {
    return InvalidInput("sparse tensor '{}' has {} indices for {} values", name, indices.count(), values.count());
  }
  const std::vector<int64_t> where = indices.Ints();
  std::vector<float> floats(IsFloat(values.type) ? static_cast<size_t>(*count) : 0);
  std::vector<int64_t> ints(IsFloat(values.type) ? 0 : static_cast<size_t>(*count));
  const std::vector<float> v = IsFloat(values.type) ? values.Floats() : std::vector<float>();
  const std::vector<int64_t> w = IsFloat(values.type) ? std::vector<int64_t>() : values.Ints();
  for (size_t i = 0; i < values.count(); ++i) {
    int64_t at = flat ? where[i] : 0;
    for (size_t d = 0; !flat && d < rank; ++d) {
      const int64_t x = where[i * rank + d];
      if (x < 0 || x >= tensor.dims[d]) return InvalidInput("sparse tensor '{}' has an index of {}", name, x);
      at = at * tensor.dims[d] + x;
    }
    if (at < 0 || at >= *count) return InvalidInput("sparse tensor '{}' has an index of {}", name, at);
    if (IsFloat(values.type)) floats[static_cast<size_t>(at)] = v[i];
    else ints[static_cast<size_t>(at)] = w[i];
  }
  if (IsFloat(values.type)) return Constant{values.type, tensor.dims, FloatSource(std::move(floats))};
  return Constant{values.type, tensor.dims, IntSource(std::move(ints), values.type)};
}

}  // namespace quantpress::graph::onnx
