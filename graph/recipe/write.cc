// Both forms of a recipe, written.
#include <cstring>
#include <nlohmann/json.hpp>

#include "graph/recipe/forms.h"

namespace quantpress::graph::recipe {
namespace {

using Json = nlohmann::ordered_json;

// Fields that are absent, and empty lists, are left out.
class JsonWriter {
 public:
  template <typename T>
  static Json Write(const T& message) {
    JsonWriter writer;
    VisitFields(writer, const_cast<T&>(message));  // reads only
    return std::move(writer.json_);
  }

  template <typename T>
  void operator()(int, std::string_view name, const std::optional<T>& value, Accept) {
    if (value) json_[JsonName(name)] = Value(*value);
  }
  template <typename T>
  void operator()(int, std::string_view name, const std::vector<T>& values, Accept) {
    if (values.empty()) return;
    Json& list = json_[JsonName(name)] = Json::array();
    for (const T& value : values) list.push_back(Value(value));
  }
  void Enum(int, std::string_view name, const std::optional<int32_t>& value, EnumNames names) {
    if (value) json_[JsonName(name)] = names[static_cast<size_t>(*value)];
  }

 private:
  template <typename T>
  static Json Value(const T& value) {
    if constexpr (std::is_base_of_v<Located, T>) return Write(value);
    else return value;
  }

  Json json_ = Json::object();
};

class BinaryWriter {
 public:
  template <typename T>
  static std::string Write(const T& message) {
    BinaryWriter writer;
    VisitFields(writer, const_cast<T&>(message));  // reads only
    return std::move(writer.out_);
  }

  template <typename T>
  void operator()(int number, std::string_view, const std::optional<T>& value, Accept) {
    if (value) Value(number, *value);
  }
  template <typename T>
  void operator()(int number, std::string_view, const std::vector<T>& values, Accept) {
    for (const T& value : values) Value(number, value);
  }
  void Enum(int number, std::string_view, const std::optional<int32_t>& value, EnumNames) {
    if (value) Value(number, *value);
  }

 private:
  void Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) out_ += static_cast<char>((value & 0x7F) | 0x80);
    out_ += static_cast<char>(value);
  }
  void Tag(int number, int wire) { Varint(static_cast<uint64_t>(number) << 3 | static_cast<uint64_t>(wire)); }
  void Text(int number, std::string_view text) {
    Tag(number, 2);
    Varint(text.size());
    out_ += text;
  }

  void Value(int number, const std::string& text) { Text(number, text); }
  void Value(int number, bool value) {
    Tag(number, 0);
    Varint(value ? 1 : 0);
  }
  void Value(int number, int32_t value) {
    Tag(number, 0);
    Varint(static_cast<uint64_t>(int64_t{value}));
  }
  void Value(int number, float value) {
    Tag(number, 5);
    char bytes[sizeof value];
    std::memcpy(bytes, &value, sizeof value);
    out_.append(bytes, sizeof value);
  }
  template <typename T>
  void Value(int number, const T& message) {
    Text(number, Write(message));
  }

  std::string out_;
};

}  // namespace

StatusOr<std::string> WriteJson(const Pipeline& pipeline, const std::string& path) {
  try {
    return JsonWriter::Write(pipeline).dump(1, ' ') + "\n";
  } catch (const std::exception&) {
    return InvalidInput("'{}': the name of a layer is no UTF-8, which JSON cannot hold; give a path that does not end in .json, for the "
                        "binary form", path);
  }
}

std::string WriteBinary(const Pipeline& pipeline) { return BinaryWriter::Write(pipeline); }

}  // namespace quantpress::graph::recipe
