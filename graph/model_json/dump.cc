#include "graph/model_json/dump.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "graph/import/mnn/unpacked_size.h"
#include "graph/model_json/float_text.h"
#include "graph/schema/mnn_types_generated.h"

// The library's own walk over type descriptions (flatbuffers/minireflect.h) follows a union whose kind is missing, so
// it is not for files that strangers made; and the library prints floats with six decimals.

namespace quantpress::graph {
namespace {

using flatbuffers::ElementaryType;
using flatbuffers::TypeTable;

constexpr size_t kPiece = 1 << 20;  // text that is given away at once
constexpr size_t kWidth = 110;      // where lists of numbers are broken

const uint8_t* Follow(const uint8_t* offset) {
  return offset + flatbuffers::ReadScalar<flatbuffers::uoffset_t>(offset);
}

const char* EnumName(int64_t value, const TypeTable* types) {
  if (types == nullptr || types->names == nullptr) return nullptr;
  if (types->values == nullptr) {
    return value >= 0 && static_cast<size_t>(value) < types->num_elems ? types->names[value] : nullptr;
  }
  for (size_t i = 0; i < types->num_elems; ++i) {
    if (types->values[i] == value) return types->names[i];
  }
  return nullptr;
}

class Dumper {
 public:
  explicit Dumper(const TextSink& sink) : sink_(sink) {}

  StatusOr<DumpFacts> Root(const uint8_t* net) {
    Table(net, mnn_types::NetTypeTable());
    text_ += '\n';
    Flush();
    if (!status_.ok()) return status_;
    return facts_;
  }

 private:
  struct Place {
    const char* field;
    int64_t index;  // -1: none
  };

  void Table(const uint8_t* data, const TypeTable* types) {
    const auto* table = reinterpret_cast<const flatbuffers::Table*>(data);
    if (!CheckFields(*table, types->num_elems)) return;
    text_ += '{';
    ++depth_;
    bool first = true;
    const uint8_t* previous = nullptr;  // the field before: a union's kind
    for (size_t i = 0; i < types->num_elems && status_.ok(); ++i) {
      const uint8_t* const field =
          table->GetAddressOf(flatbuffers::FieldIndexToOffset(static_cast<flatbuffers::voffset_t>(i)));
      const flatbuffers::TypeCode code = types->type_codes[i];
      const TypeTable* inner = code.sequence_ref >= 0 ? types->type_refs[code.sequence_ref]() : nullptr;
      places_.push_back({types->names[i], -1});
      if (field != nullptr && (!IsUnion(code, inner) || UnionHasContent(previous))) {
        if (!first) text_ += ',';
        first = false;
        Newline();
        text_ += '"';
        text_ += types->names[i];
        text_ += "\": ";
        Field(field, previous, code, inner);
      }
      places_.pop_back();
      previous = field;
    }
    --depth_;
    if (!first) Newline();
    text_ += '}';
    if (text_.size() >= kPiece) Flush();
  }

  static bool IsUnion(flatbuffers::TypeCode code, const TypeTable* inner) {
    return code.base_type == flatbuffers::ET_SEQUENCE && inner->st == flatbuffers::ST_UNION;
  }
  // What lies behind a union without a kind is not part of the model: nobody can read it, and the verifier does not
  // look at it.
  static bool UnionHasContent(const uint8_t* kind) { return kind != nullptr && *kind != 0; }

  void Field(const uint8_t* field, const uint8_t* previous, flatbuffers::TypeCode code, const TypeTable* inner) {
    const auto type = static_cast<ElementaryType>(code.base_type);
    if (code.is_repeating) {
      // The runtime takes shorter ones as absent.
      const bool external = std::string_view(places_.back().field) == "external";
      facts_.external |= external && flatbuffers::ReadScalar<flatbuffers::uoffset_t>(Follow(field)) > 1;
      return Vector(Follow(field), type, inner);
    }
    if (type == flatbuffers::ET_STRING) return Text(Follow(field));
    if (type != flatbuffers::ET_SEQUENCE) return Scalar(field, type, inner);
    if (inner->st != flatbuffers::ST_UNION) return Table(Follow(field), inner);
    if (*previous >= inner->num_elems || inner->type_codes[*previous].sequence_ref < 0) {
      return Fail(fmt::format("parameters of kind {}, which MNN 3.6 does not have", *previous));
    }
    Table(Follow(field), inner->type_refs[inner->type_codes[*previous].sequence_ref]());
  }

  void Vector(const uint8_t* vector, ElementaryType type, const TypeTable* inner) {
    const auto count = flatbuffers::ReadScalar<flatbuffers::uoffset_t>(vector);
    const uint8_t* const first = vector + sizeof(flatbuffers::uoffset_t);
    const bool tables = type == flatbuffers::ET_SEQUENCE;
    const bool texts = type == flatbuffers::ET_STRING;
    const size_t width = WidthOf(type);
    text_ += '[';
    ++depth_;
    size_t line_end = text_.size() + kWidth;
    for (flatbuffers::uoffset_t i = 0; i < count && status_.ok(); ++i) {
      const uint8_t* const element = first + i * width;
      if (i > 0) text_ += ',';
      if (tables) {
        Newline();
        places_.back().index = i;
        Table(Follow(element), inner);
        continue;
      }
      if (text_.size() >= line_end) {
        if (text_.size() >= kPiece) Flush();
        Newline();
        line_end = text_.size() + kWidth;
      } else if (i > 0) {
        text_ += ' ';
      }
      if (texts) {
        Text(Follow(element));
      } else {
        Scalar(element, type, inner);
      }
    }
    places_.back().index = -1;
    --depth_;
    if (tables && count > 0) Newline();
    text_ += ']';
  }

  static size_t WidthOf(ElementaryType type) {
    switch (type) {
      case flatbuffers::ET_UTYPE:
      case flatbuffers::ET_BOOL:
      case flatbuffers::ET_CHAR:
      case flatbuffers::ET_UCHAR:
        return 1;
      case flatbuffers::ET_SHORT:
      case flatbuffers::ET_USHORT:
        return 2;
      case flatbuffers::ET_LONG:
      case flatbuffers::ET_ULONG:
      case flatbuffers::ET_DOUBLE:
        return 8;
      default:
        return 4;  // numbers of that size, and offsets
    }
  }

  void Scalar(const uint8_t* value, ElementaryType type, const TypeTable* inner) {
    using flatbuffers::ReadScalar;
    switch (type) {
      case flatbuffers::ET_UTYPE:
      case flatbuffers::ET_UCHAR:
        return Integer(ReadScalar<uint8_t>(value), inner);
      // A byte other than 0 and 1 is true for every reader, but it is to come back.
      case flatbuffers::ET_BOOL:
        if (*value > 1) return Integer(*value, nullptr);
        text_ += *value != 0 ? "true" : "false";
        return;
      case flatbuffers::ET_CHAR:
        return Integer(ReadScalar<int8_t>(value), inner);
      case flatbuffers::ET_SHORT:
        return Integer(ReadScalar<int16_t>(value), inner);
      case flatbuffers::ET_USHORT:
        return Integer(ReadScalar<uint16_t>(value), inner);
      case flatbuffers::ET_INT:
        return Integer(ReadScalar<int32_t>(value), inner);
      case flatbuffers::ET_UINT:
        return Integer(ReadScalar<uint32_t>(value), inner);
      case flatbuffers::ET_LONG:
        return Integer(ReadScalar<int64_t>(value), inner);
      case flatbuffers::ET_ULONG:
        return Integer(ReadScalar<uint64_t>(value), nullptr);
      case flatbuffers::ET_FLOAT:
        return AppendFloat(ReadScalar<float>(value), &text_);
      case flatbuffers::ET_DOUBLE:
        return AppendFloat(ReadScalar<double>(value), &text_);
      default:
        return Fail("a type that the dump does not know");
    }
  }

  template <typename T>
  void Integer(T value, const TypeTable* names) {
    if (names != nullptr) {
      if (const char* name = EnumName(static_cast<int64_t>(value), names)) {
        text_ += '"';
        text_ += name;
        text_ += '"';
        return;
      }
    }
    char digits[24];
    text_.append(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
  }

  // Bytes that are no UTF-8 cannot stand in JSON: such a string is a list of its bytes.
  void Text(const uint8_t* string) {
    const auto& text = *reinterpret_cast<const flatbuffers::String*>(string);
    try {
      text_ += nlohmann::json(text.str()).dump();
    } catch (const nlohmann::json::exception&) {
      text_ += '[';
      for (flatbuffers::uoffset_t i = 0; i < text.size(); ++i) {
        if (i > 0) text_ += ", ";
        Integer(static_cast<uint8_t>(text.Get(i)), nullptr);
      }
      text_ += ']';
    }
  }

  void Newline() {
    text_ += '\n';
    text_.append(static_cast<size_t>(2 * depth_), ' ');
  }

  // A newer MNN may have fields that would be lost.
  bool CheckFields(const flatbuffers::Table& table, size_t known) {
    const uint8_t* const vtable = table.GetVTable();
    const auto size = flatbuffers::ReadScalar<flatbuffers::voffset_t>(vtable);
    for (size_t i = known; 4 + 2 * i + 2 <= size; ++i) {
      if (flatbuffers::ReadScalar<flatbuffers::voffset_t>(vtable + 4 + 2 * i) == 0) continue;
      Fail(fmt::format("field number {}, which MNN 3.6 does not have", i));
      return false;
    }
    return true;
  }

  void Fail(const std::string& text) {
    if (!status_.ok()) return;
    std::string where;
    for (const Place& place : places_) {
      where += where.empty() ? "" : ".";
      where += place.field;
      if (place.index >= 0) where += fmt::format("[{}]", place.index);
    }
    status_ = Unsupported("{} has {}; it would be lost", where.empty() ? "the model" : where, text);
  }

  void Flush() {
    if (status_.ok()) status_ = sink_(text_);
    text_.clear();
  }

  const TextSink& sink_;
  Status status_;
  DumpFacts facts_;
  std::string text_;
  std::vector<Place> places_;
  int depth_ = 0;
};

}  // namespace

StatusOr<DumpFacts> DumpMnn(const Bytes& file, const TextSink& sink) {
  QP_RETURN_IF_ERROR(CheckUnpackedSize(file));
  return Dumper(sink).Root(reinterpret_cast<const uint8_t*>(flatbuffers::GetRoot<flatbuffers::Table>(file.data)));
}

}  // namespace quantpress::graph
