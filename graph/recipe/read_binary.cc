// The binary form: protobuf's wire format.
#include <cstring>

#include "graph/import/wire.h"
#include "graph/recipe/forms.h"

namespace quantpress::graph::recipe {
namespace {

using protozero::pbf_wire_type;

// One field as it stands in the file.
struct RawField {
  uint32_t number = 0;
  pbf_wire_type type = pbf_wire_type::unknown;
  uint64_t value = 0;      // varint, or 32 fixed bits
  std::string_view bytes;  // length-delimited
  bool used = false;
};

std::string_view WhatIsDamaged(const std::exception& error) {
  if (dynamic_cast<const protozero::end_of_buffer_exception*>(&error) != nullptr) return "it ends in the middle of a field";
  if (dynamic_cast<const protozero::unknown_pbf_wire_type_exception*>(&error) != nullptr) return "it has a field of an unknown kind";
  if (dynamic_cast<const protozero::varint_too_long_exception*>(&error) != nullptr) return "a number has more than 64 bits";
  if (dynamic_cast<const protozero::invalid_tag_exception*>(&error) != nullptr) return "it has a field with an impossible number";
  return error.what();
}

std::vector<RawField> Split(std::string_view message) {
  std::vector<RawField> fields;
  protozero::pbf_reader reader(message.data(), message.size());
  while (reader.next()) {
    RawField field;
    field.number = reader.tag();
    field.type = reader.wire_type();
    switch (field.type) {
      case pbf_wire_type::varint: field.value = reader.get_uint64(); break;
      case pbf_wire_type::fixed32: field.value = reader.get_fixed32(); break;
      case pbf_wire_type::length_delimited: {
        const protozero::data_view view = reader.get_view();
        field.bytes = {view.data(), view.size()};
        break;
      }
      default: reader.skip();
    }
    fields.push_back(field);
  }
  return fields;
}

class BinaryReader {
 public:
  template <typename T>
  static void Read(std::string_view bytes, const std::string& path, ReadState* state, T* message) {
    BinaryReader reader(path, state);
    try {
      reader.fields_ = Split(bytes);
    } catch (const std::exception& error) {
      state->Fail(0, path, fmt::format("no binary Pipeline message, or damaged: {}", WhatIsDamaged(error)));
      return;
    }
    VisitFields(reader, *message);
    reader.ReportUnknown();
  }

  // The last one counts; pieces of a message are joined.
  template <typename T>
  void operator()(int number, std::string_view name, std::optional<T>& value, Accept accept) {
    std::string joined;
    for (RawField& field : fields_) {
      if (!Take(number, &field)) continue;
      if constexpr (std::is_base_of_v<Located, T>) {
        if (!Check(field, name, pbf_wire_type::length_delimited)) return;
        joined.append(field.bytes);
        value.emplace();
      } else {
        ReadValue(field, Join(path_, name), accept, &value.emplace());
      }
    }
    if constexpr (std::is_base_of_v<Located, T>) {
      if (value) Read(joined, Join(path_, name), &state_, &*value);
    }
    if (!value && IsRequired(accept)) {
      state_.Fail(0, path_, fmt::format("the required field \"{}\" is missing", JsonName(name)));
    }
  }

  template <typename T>
  void operator()(int number, std::string_view name, std::vector<T>& values, Accept accept) {
    for (RawField& field : fields_) {
      if (!Take(number, &field) || !state_.status.ok()) continue;
      const std::string path = fmt::format("{}[{}]", Join(path_, name), values.size());
      if constexpr (std::is_base_of_v<Located, T>) {
        if (Check(field, name, pbf_wire_type::length_delimited)) Read(field.bytes, path, &state_, &values.emplace_back());
      } else if constexpr (std::is_arithmetic_v<T>) {
        if (field.type == pbf_wire_type::length_delimited) {
          ReadPacked(field, name, accept, &values);
        } else {
          ReadValue(field, path, accept, &values.emplace_back());
        }
      } else {
        ReadValue(field, path, accept, &values.emplace_back());
      }
    }
  }

  void Enum(int number, std::string_view name, std::optional<int32_t>& value, EnumNames names) {
    for (RawField& field : fields_) {
      if (!Take(number, &field) || !Check(field, name, pbf_wire_type::varint)) continue;
      if (field.value >= names.size()) {
        state_.Fail(0, Join(path_, name),
                    fmt::format("{} found; expected {}", static_cast<int64_t>(field.value), NamesOf(names)));
        return;
      }
      value = static_cast<int32_t>(field.value);
    }
  }

 private:
  BinaryReader(std::string path, ReadState* state) : path_(std::move(path)), state_(*state) {}

  static bool Take(int number, RawField* field) {
    if (field->number != static_cast<uint32_t>(number)) return false;
    return field->used = true;
  }

  bool Check(const RawField& field, std::string_view name, pbf_wire_type type) {
    if (field.type == type) return true;
    WrongType(Join(path_, name));
    return false;
  }

  void WrongType(std::string_view path) { state_.Fail(0, path, "stored with another type than this field has; the file is damaged"); }

  void ReportUnknown() {
    for (const RawField& field : fields_) {
      if (!field.used) state_.Note(0, path_, fmt::format("unknown field {} has no effect", field.number));
    }
  }

  template <typename T>
  void ReadPacked(const RawField& field, std::string_view name, Accept accept, std::vector<T>* values) {
    RawField one;
    try {
      const char* at = field.bytes.data();
      const char* const end = at + field.bytes.size();
      while (at != end && state_.status.ok()) {
        if constexpr (std::is_same_v<T, float>) {
          if (end - at < 4) {
            return state_.Fail(0, Join(path_, name), fmt::format("{} bytes found; expected 4 for every number", field.bytes.size()));
          }
          uint32_t bits = 0;
          std::memcpy(&bits, at, sizeof bits);
          one.value = bits;
          one.type = pbf_wire_type::fixed32;
          at += 4;
        } else {
          one.value = protozero::decode_varint(&at, end);
          one.type = pbf_wire_type::varint;
        }
        ReadValue(one, fmt::format("{}[{}]", Join(path_, name), values->size()), accept, &values->emplace_back());
      }
    } catch (const std::exception&) {
      WrongType(Join(path_, name));
    }
  }

  void ReadValue(const RawField& field, const std::string& path, Accept accept, std::string* value) {
    if (field.type != pbf_wire_type::length_delimited) return WrongType(path);
    if (IsRequired(accept) && field.bytes.empty()) return state_.Fail(0, path, "\"\" found; expected text that is not empty");
    *value = std::string(field.bytes);
  }

  void ReadValue(const RawField& field, const std::string& path, Accept, bool* value) {
    if (field.type != pbf_wire_type::varint) return WrongType(path);
    *value = field.value != 0;
  }

  void ReadValue(const RawField& field, const std::string& path, Accept accept, int32_t* value) {
    if (field.type != pbf_wire_type::varint) return WrongType(path);
    *value = static_cast<int32_t>(static_cast<uint32_t>(field.value));
    const std::string_view possible = WhatIsPossible(accept, int64_t{*value});
    if (!possible.empty()) state_.Fail(0, path, fmt::format("{} found; expected {}", *value, possible));
  }

  void ReadValue(const RawField& field, const std::string& path, Accept accept, float* value) {
    if (field.type != pbf_wire_type::fixed32) return WrongType(path);
    const auto bits = static_cast<uint32_t>(field.value);
    std::memcpy(value, &bits, sizeof bits);
    const std::string_view possible = WhatIsPossible(accept, double{*value});
    if (!possible.empty()) state_.Fail(0, path, fmt::format("{} found; expected {}", *value, possible));
  }

  std::string path_;
  ReadState& state_;
  std::vector<RawField> fields_;
};

}  // namespace

StatusOr<Pipeline> ReadBinary(std::string_view bytes, ReadState* state) {
  Pipeline pipeline;
  BinaryReader::Read(bytes, "", state, &pipeline);
  QP_RETURN_IF_ERROR(state->status);
  return pipeline;
}

}  // namespace quantpress::graph::recipe
