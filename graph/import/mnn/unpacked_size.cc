#include "graph/import/mnn/unpacked_size.h"

#include "graph/schema/mnn_types_generated.h"

namespace quantpress::graph {
namespace {

using flatbuffers::TypeTable;

// Files that other tools wrote share a little: equal strings, for example.
constexpr uint64_t kFactor = 8;
constexpr uint64_t kAlways = 16 << 20;
constexpr uint64_t kObjectBytes = 64;  // of a table's object besides its vectors

// Walks a table by its type description.
class Walk {
 public:
  explicit Walk(uint64_t* left) : left_(*left) {}

  // The file is verified, so the depth is limited.
  bool Table(const uint8_t* data, const TypeTable* types) {
    if (!Spend(kObjectBytes)) return false;
    const auto* table = reinterpret_cast<const flatbuffers::Table*>(data);
    const uint8_t* previous = nullptr;  // the field before: a union's type
    for (size_t i = 0; i < types->num_elems; ++i) {
      const auto slot = static_cast<flatbuffers::voffset_t>(4 + 2 * i);
      const uint8_t* const field = table->GetAddressOf(slot);
      if (field != nullptr && !Field(field, previous, types->type_codes[i], types)) return false;
      previous = field;
    }
    return true;
  }

 private:
  bool Spend(uint64_t bytes) {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }

  static const uint8_t* Follow(const uint8_t* offset) { return offset + flatbuffers::ReadScalar<flatbuffers::uoffset_t>(offset); }

  static uint64_t WidthOf(unsigned type) {
    switch (type) {
      case flatbuffers::ET_SHORT:
      case flatbuffers::ET_USHORT: return 2;
      case flatbuffers::ET_INT:
      case flatbuffers::ET_UINT:
      case flatbuffers::ET_FLOAT: return 4;
      case flatbuffers::ET_LONG:
      case flatbuffers::ET_ULONG:
      case flatbuffers::ET_DOUBLE: return 8;
      default: return 1;
    }
  }

  bool Field(const uint8_t* field, const uint8_t* previous, flatbuffers::TypeCode code, const TypeTable* types) {
    const TypeTable* inner = code.sequence_ref >= 0 ? types->type_refs[code.sequence_ref]() : nullptr;
    if (code.is_repeating) return Vector(Follow(field), code.base_type, inner);
    if (code.base_type == flatbuffers::ET_STRING) return Text(Follow(field));
    if (code.base_type != flatbuffers::ET_SEQUENCE || inner == nullptr) return true;
    if (inner->st == flatbuffers::ST_TABLE) return Table(Follow(field), inner);
    if (inner->st != flatbuffers::ST_UNION || previous == nullptr || *previous >= inner->num_elems) return true;
    const flatbuffers::TypeCode member = inner->type_codes[*previous];
    if (member.base_type != flatbuffers::ET_SEQUENCE || member.sequence_ref < 0) return true;
    return Table(Follow(field), inner->type_refs[member.sequence_ref]());
  }

  bool Text(const uint8_t* text) { return Spend(flatbuffers::ReadScalar<flatbuffers::uoffset_t>(text) + uint64_t{32}); }

  bool Vector(const uint8_t* vector, unsigned type, const TypeTable* inner) {
    const uint64_t count = flatbuffers::ReadScalar<flatbuffers::uoffset_t>(vector);
    const uint8_t* const first = vector + sizeof(flatbuffers::uoffset_t);
    const bool texts = type == flatbuffers::ET_STRING;
    if (!texts && type != flatbuffers::ET_SEQUENCE) return Spend(count * WidthOf(type));
    for (uint64_t i = 0; i < count; ++i) {
      const uint8_t* const element = Follow(first + i * sizeof(flatbuffers::uoffset_t));
      if (!(texts ? Text(element) : Table(element, inner))) return false;
    }
    return true;
  }

  uint64_t& left_;
};

}  // namespace

Status CheckUnpackedSize(const Bytes& file) {
  uint64_t left = file.size * kFactor + kAlways;
  const auto* net = reinterpret_cast<const uint8_t*>(flatbuffers::GetRoot<flatbuffers::Table>(file.data));
  if (Walk(&left).Table(net, mnn_types::NetTypeTable())) return {};
  return InvalidInput("tables of the model repeat far more data than the file holds");
}

}  // namespace quantpress::graph
