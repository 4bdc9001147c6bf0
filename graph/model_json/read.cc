#include "graph/model_json/read.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "flatbuffers/minireflect.h"
#include "graph/import/mnn/mnn_importer.h"
#include "graph/json/json_tree.h"
#include "graph/json/parse_events.h"
#include "graph/model_json/float_text.h"
#include "graph/model_json/net_assembler.h"
#include "graph/schema/mnn_types_generated.h"

// The library's parser (flatbuffers/idl.h) takes about 26 bytes of memory for each byte of a model's floats, and far
// more for 8-bit weights: gigabytes for a model of 100 MB.

namespace quantpress::graph {
namespace {

using flatbuffers::ElementaryType;
using flatbuffers::TypeTable;
using Field = NetAssembler::Field;

constexpr size_t kMaxTables = 64;  // nested; the runtime's own limit

// What may stand at a place of the text.
struct Expected {
  ElementaryType type = flatbuffers::ET_SEQUENCE;
  bool repeating = false;
  const TypeTable* inner = nullptr;  // of tables, unions and enums
};

size_t WidthOf(ElementaryType type) {
  return type == flatbuffers::ET_SEQUENCE ? 4 : flatbuffers::InlineSize(type, nullptr);
}

std::optional<int64_t> EnumValue(std::string_view name, const TypeTable& types) {
  for (size_t i = 0; i < types.num_elems; ++i) {
    if (name == types.names[i]) return types.values == nullptr ? static_cast<int64_t>(i) : types.values[i];
  }
  return std::nullopt;
}

std::string_view Wanted(const Expected& expected) {
  if (expected.repeating) return "a list";
  switch (expected.type) {
    case flatbuffers::ET_SEQUENCE:
      return "an object";
    case flatbuffers::ET_STRING:
      return "text";
    case flatbuffers::ET_BOOL:
      return "true or false";
    case flatbuffers::ET_FLOAT:
    case flatbuffers::ET_DOUBLE:
      return "a number";
    default:
      return expected.inner != nullptr ? "a name" : "a whole number";
  }
}

constexpr size_t kNoField = SIZE_MAX;

// An object or a list that is not complete.
struct Level {
  const TypeTable* types = nullptr;  // of a table; null: a list
  // Table
  size_t field = kNoField;  // whose value comes next
  std::vector<Field> fields;
  std::vector<bool> seen;
  const char* postponed = nullptr;  // text of a union whose kind comes later
  size_t postponed_field = 0;
  int postponed_line = 0;
  // List
  Expected element;
  size_t count = 0;
  bool is_text = false;  // a string as a list of bytes
  std::string bytes;
  std::vector<NetAssembler::Offset> offsets;
};

class Reader {
 public:
  Reader(const Bytes& text, const std::string& path, const dispatch::CancellationToken* cancellation,
         NetAssembler* assembler)
      : path_(path),
        cancellation_(cancellation),
        end_(reinterpret_cast<const char*>(text.data) + text.size),
        furthest_(reinterpret_cast<const char*>(text.data)),
        counted_(furthest_),
        assembler_(*assembler) {}

  Status Read() {
    Parse(furthest_, true);
    QP_RETURN_IF_ERROR(status_);
    return root_ != 0 ? Status() : json::ErrorAt(path_, 0, "", "no model");
  }
  NetAssembler::Offset root() const { return root_; }
  bool ordered() const { return ordered_; }

  // ---- Events of the parser
  bool null() { return skipping_ > 0 || FailHere(furthest_, "null is not possible; leave the field out"); }
  bool boolean(bool value) {
    if (skipping_ > 0) return true;
    if (!CheckPlace(furthest_)) return false;
    const Expected expected = Expect();
    if (expected.repeating || expected.type != flatbuffers::ET_BOOL) return Wrong(value ? "true" : "false", furthest_);
    return Put(value ? 1 : 0);
  }
  bool number_integer(int64_t value) {
    return Integer(value < 0, static_cast<uint64_t>(value), static_cast<double>(value), static_cast<float>(value),
                   [&] { return std::to_string(value); });
  }
  bool number_unsigned(uint64_t value) {
    return Integer(false, value, static_cast<double>(value), static_cast<float>(value),
                   [&] { return std::to_string(value); });
  }
  bool number_float(double, const std::string& text) {
    if (skipping_ > 0) return true;
    const char* const at = furthest_ - 1;  // a number ends where the next character was read
    if (!CheckPlace(at)) return false;
    const Expected expected = Expect();
    if (expected.repeating) return Wrong(text, at);
    if (expected.type == flatbuffers::ET_FLOAT) return PutFloat(ParseFloatNumber<float>(text), text, at);
    if (expected.type == flatbuffers::ET_DOUBLE) return PutFloat(ParseFloatNumber<double>(text), text, at);
    return Wrong(text, at);
  }
  bool string(std::string& text) {
    if (skipping_ > 0) return true;
    if (!CheckPlace(furthest_)) return false;
    const Expected expected = Expect();
    if (!expected.repeating) {
      switch (expected.type) {
        case flatbuffers::ET_STRING:
          return PutOffset(assembler_.AddString(text)) && Fits();
        case flatbuffers::ET_FLOAT:
          return PutFloat(ParseFloatName<float>(text), '"' + json::Cut(text) + '"', furthest_);
        case flatbuffers::ET_DOUBLE:
          return PutFloat(ParseFloatName<double>(text), '"' + json::Cut(text) + '"', furthest_);
        default:
          break;
      }
      if (expected.type != flatbuffers::ET_SEQUENCE && expected.inner != nullptr) {
        const std::optional<int64_t> value = EnumValue(text, *expected.inner);
        if (value.has_value()) return Put(static_cast<uint64_t>(*value));
        return FailHere(furthest_, fmt::format("MNN 3.6 has no \"{}\" there", json::Cut(text)));
      }
    }
    return Wrong('"' + json::Cut(text) + '"', furthest_);
  }
  bool binary(nlohmann::json::binary_t&) { return FailHere(furthest_, "unexpected binary value"); }

  bool start_object(size_t) {
    if (skipping_ > 0) {
      ++skipping_;
      return true;
    }
    if (levels_.empty()) return root_ == 0 && OpenTable(mnn_types::NetTypeTable());
    const Expected expected = Expect();
    if (expected.repeating || expected.type != flatbuffers::ET_SEQUENCE) return Wrong("an object", furthest_);
    if (expected.inner->st == flatbuffers::ST_TABLE) return OpenTable(expected.inner);
    return OpenUnion(*expected.inner);
  }
  bool key(std::string& name) {
    if (skipping_ > 0) return true;
    Level& table = levels_.back();
    for (size_t i = 0; i < table.types->num_elems; ++i) {
      if (name != table.types->names[i]) continue;
      table.field = i;
      if (table.seen[i]) return FailHere(furthest_, "stands twice in the same object");
      table.seen[i] = true;
      for (size_t later = i + 1; later < table.seen.size(); ++later) ordered_ &= !table.seen[later];
      return true;
    }
    table.field = kNoField;
    return FailHere(furthest_, fmt::format("MNN 3.6 has no field \"{}\" there", json::Cut(name)));
  }
  bool end_object() {
    if (skipping_ > 0) return EndSkipping();
    if (levels_.back().postponed != nullptr && !ReadPostponed()) return false;
    const NetAssembler::Offset table = assembler_.AddTable(std::move(levels_.back().fields));
    levels_.pop_back();
    --tables_;
    if (!levels_.empty()) return PutOffset(table) && Fits();
    root_ = table;
    return true;
  }
  bool start_array(size_t) {
    if (skipping_ > 0) {
      ++skipping_;
      return true;
    }
    if (!CheckPlace(furthest_)) return false;
    const Expected expected = Expect();
    Level list;
    list.is_text = !expected.repeating && expected.type == flatbuffers::ET_STRING;
    if (!expected.repeating && !list.is_text) return Wrong("a list", furthest_);
    list.element =
        list.is_text ? Expected{flatbuffers::ET_UCHAR, false, nullptr} : Expected{expected.type, false, expected.inner};
    if (!list.is_text && IsScalar(list.element)) assembler_.BeginVector(WidthOf(list.element.type));
    levels_.push_back(std::move(list));
    return true;
  }
  bool end_array() {
    if (skipping_ > 0) return EndSkipping();
    const Level list = std::move(levels_.back());
    levels_.pop_back();
    if (list.is_text) return PutOffset(assembler_.AddString(list.bytes)) && Fits();
    if (!IsScalar(list.element)) return PutOffset(assembler_.AddOffsets(list.offsets)) && Fits();
    Field field;
    status_ = assembler_.AppendToVector(list.bytes);
    if (status_.ok()) status_ = assembler_.EndVector(&field);
    if (!status_.ok()) return false;
    field.index = levels_.back().field;
    levels_.back().fields.push_back(field);
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error) {
    std::string text = json::NotJson(error);
    // The stock converter writes what JSON does not have.
    if (text.ends_with("na'") || text.ends_with("i'") || text.ends_with("-n'"))
      text += "; values that are no numbers are \"NaN\", \"Infinity\" and \"-Infinity\"";
    return FailHere(furthest_, text);
  }

 private:
  static bool IsScalar(const Expected& element) {
    return element.type != flatbuffers::ET_SEQUENCE && element.type != flatbuffers::ET_STRING;
  }

  // One value from `begin` on; `whole`: nothing may follow it.
  void Parse(const char* begin, bool whole) {
    try {
      nlohmann::json::sax_parse(json::CountingIterator(begin, &furthest_), json::CountingIterator(end_, &furthest_),
                                this, nlohmann::json::input_format_t::json, whole);
    } catch (const std::exception& error) {
      Fail(Line(furthest_), "", error.what());
    }
  }

  bool CheckPlace(const char* at) { return !levels_.empty() || Fail(Line(at), "", "not a model; expected an object"); }

  Expected Expect() const {
    const Level& level = levels_.back();
    if (level.types == nullptr) return level.element;
    const flatbuffers::TypeCode code = level.types->type_codes[level.field];
    return {static_cast<ElementaryType>(code.base_type), code.is_repeating != 0,
            code.sequence_ref >= 0 ? level.types->type_refs[code.sequence_ref]() : nullptr};
  }

  template <typename Text>
  bool Integer(bool negative, uint64_t bits, double as_double, float as_float, Text text) {
    if (skipping_ > 0) return true;
    const char* const at = furthest_ - 1;
    if (!CheckPlace(at)) return false;
    const Expected expected = Expect();
    if (expected.repeating) return Wrong(text(), at);
    const auto within = [&](int64_t low, uint64_t high) {
      const bool ok = negative ? static_cast<int64_t>(bits) >= low : bits <= high;
      return ok ? Put(bits) : FailHere(at, fmt::format("{} is not possible; expected {} to {}", text(), low, high));
    };
    switch (expected.type) {
      case flatbuffers::ET_UTYPE:
      case flatbuffers::ET_BOOL:
      case flatbuffers::ET_UCHAR:
        return within(0, UINT8_MAX);
      case flatbuffers::ET_CHAR:
        return within(INT8_MIN, INT8_MAX);
      case flatbuffers::ET_SHORT:
        return within(INT16_MIN, INT16_MAX);
      case flatbuffers::ET_USHORT:
        return within(0, UINT16_MAX);
      case flatbuffers::ET_INT:
        return within(INT32_MIN, INT32_MAX);
      case flatbuffers::ET_UINT:
        return within(0, UINT32_MAX);
      case flatbuffers::ET_LONG:
        return within(INT64_MIN, INT64_MAX);
      case flatbuffers::ET_ULONG:
        return within(0, UINT64_MAX);
      case flatbuffers::ET_FLOAT:
        return PutFloat(std::optional<float>(as_float), "", at);
      case flatbuffers::ET_DOUBLE:
        return PutFloat(std::optional<double>(as_double), "", at);
      default:
        return Wrong(text(), at);
    }
  }

  template <typename T>
  bool PutFloat(std::optional<T> value, const std::string& text, const char* at) {
    if (!value.has_value()) return FailHere(at, fmt::format("{} is not a number of {} bits", text, 8 * sizeof(T)));
    uint64_t bits = 0;
    std::memcpy(&bits, &*value, sizeof(T));
    return Put(bits);
  }

  // A scalar of the expected type; little-endian as everything here.
  bool Put(uint64_t bits) {
    Level& level = levels_.back();
    const size_t width = WidthOf(Expect().type);
    if (level.types != nullptr) {
      level.fields.push_back({level.field, Field::Kind::kScalar, static_cast<uint8_t>(width), bits});
      return true;
    }
    ++level.count;
    level.bytes.append(reinterpret_cast<const char*>(&bits), width);
    if (level.is_text || level.bytes.size() < kPiece) return true;
    status_ = IsCancelled() ? Cancelled() : assembler_.AppendToVector(level.bytes);
    level.bytes.clear();
    return status_.ok();
  }

  bool PutOffset(NetAssembler::Offset offset) {
    Level& level = levels_.back();
    if (level.types != nullptr) {
      level.fields.push_back({level.field, Field::Kind::kOffset, 0, offset});
    } else {
      ++level.count;
      level.offsets.push_back(offset);
    }
    return true;
  }

  bool Fits() {
    const Status status = assembler_.CheckSize();
    return status.ok() || Fail(Line(furthest_), "", Message(status));
  }

  bool IsCancelled() const { return cancellation_ != nullptr && cancellation_->cancelled(); }

  bool OpenTable(const TypeTable* types) {
    if (IsCancelled()) {
      status_ = Cancelled();
      return false;
    }
    if (tables_ >= kMaxTables)
      return FailHere(furthest_, fmt::format("more than {} objects in one another", kMaxTables));
    ++tables_;
    Level table;
    table.types = types;
    table.seen.assign(types->num_elems, false);
    levels_.push_back(std::move(table));
    return true;
  }

  // The kind of a union is the field in front of it. Where it comes later in the text, the text is read again then.
  bool OpenUnion(const TypeTable& kinds) {
    Level& table = levels_.back();
    for (const Field& field : table.fields) {
      if (field.index + 1 != table.field) continue;
      const uint64_t kind = field.value;
      if (kind < kinds.num_elems && kinds.type_codes[kind].sequence_ref >= 0) {
        return OpenTable(kinds.type_refs[kinds.type_codes[kind].sequence_ref]());
      }
      return FailHere(furthest_, fmt::format("there are parameters, but \"{}\" names no kind of them",
                                             table.types->names[field.index]));
    }
    table.postponed = furthest_ - 1;
    table.postponed_field = table.field;
    table.postponed_line = Line(furthest_);
    skipping_ = 1;
    return true;
  }
  bool EndSkipping() {
    --skipping_;
    return true;
  }
  bool ReadPostponed() {
    Level& table = levels_.back();
    const char* const begin = table.postponed;
    table.postponed = nullptr;
    table.field = table.postponed_field;
    if (!table.seen[table.field - 1]) {
      return Fail(table.postponed_line, Where(), fmt::format("\"{}\" is missing", table.types->names[table.field - 1]));
    }
    const char* const furthest = furthest_;
    const char* const counted = counted_;
    const int line = line_;
    furthest_ = counted_ = begin;
    line_ = table.postponed_line;
    Parse(begin, false);
    furthest_ = furthest;
    counted_ = counted;
    line_ = line;
    return status_.ok();
  }

  int Line(const char* at) {
    for (; counted_ < at; ++counted_) line_ += *counted_ == '\n';
    return line_;
  }

  std::string Where() const {
    std::string where;
    for (const Level& level : levels_) {
      if (level.types == nullptr) {
        where += fmt::format("[{}]", level.count);
      } else if (level.field != kNoField) {
        where += where.empty() ? "" : ".";
        where += level.types->names[level.field];
      }
    }
    return where;
  }

  bool Fail(int line, std::string_view where, std::string_view text) {
    if (status_.ok()) status_ = json::ErrorAt(path_, line, where, text);
    return false;
  }
  bool FailHere(const char* at, std::string_view text) { return Fail(Line(at), Where(), text); }
  bool Wrong(std::string_view found, const char* at) {
    return FailHere(at, fmt::format("found {}; expected {}", found, Wanted(Expect())));
  }

  static constexpr size_t kPiece = 64 * 1024;

  const std::string& path_;
  const dispatch::CancellationToken* cancellation_;
  const char* end_;
  const char* furthest_;
  const char* counted_;
  int line_ = 1;
  NetAssembler& assembler_;
  Status status_;
  std::vector<Level> levels_;
  size_t tables_ = 0;
  int skipping_ = 0;  // containers inside of a union that is postponed, itself included
  NetAssembler::Offset root_ = 0;
  bool ordered_ = true;
};

}  // namespace

bool LooksLikeJson(const Bytes& file) {
  constexpr std::string_view kSpace = " \t\r\n";
  constexpr size_t kMost = 4096;  // a model's first name is short
  const std::string_view text(reinterpret_cast<const char*>(file.data), std::min<uint64_t>(file.size, kMost));
  const auto skip = [&](size_t at) { return std::min(text.find_first_not_of(kSpace, at), text.size()); };
  size_t at = skip(0);
  if (at == text.size() || text[at] != '{') return false;
  at = skip(at + 1);
  if (at == text.size() || text[at] != '"') return false;
  at = text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_", at + 1);
  if (at == text.npos || text[at] != '"') return false;
  at = skip(at + 1);
  return at < text.size() && text[at] == ':';
}

StatusOr<MnnFromJson> ReadMnnJson(const std::string& path, const dispatch::CancellationToken* cancellation) {
  QP_ASSIGN_OR_RETURN(const Bytes text, MapFile(path));
  if (text.empty()) return InvalidInput("'{}' is empty; expected a model as JSON", path);
  QP_ASSIGN_OR_RETURN(const std::unique_ptr<NetAssembler> assembler, NetAssembler::Create());
  Reader reader(text, path, cancellation, assembler.get());
  QP_RETURN_IF_ERROR(reader.Read());
  MnnFromJson result;
  result.ordered = reader.ordered();
  QP_ASSIGN_OR_RETURN(result.file, assembler->Finish(reader.root()));
  if (!MnnVerifies(result.file))
    return InvalidInput("'{}': the model has more tables than the runtime takes (1,000,000)", path);
  return result;
}

}  // namespace quantpress::graph
