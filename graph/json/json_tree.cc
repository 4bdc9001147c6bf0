#include "graph/json/json_tree.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "graph/ir/bytes.h"
#include "graph/json/parse_events.h"

namespace quantpress::graph::json {
namespace {

// Builds the tree from the events of the parser.
class Builder {
 public:
  Builder(std::string_view file, const char* begin) : file_(file), furthest_(begin), counted_(begin) {}

  const char** furthest() { return &furthest_; }
  const Status& status() const { return status_; }
  Node TakeRoot() { return std::move(root_); }

  bool null() { return Add(Kind::kNull, furthest_) != nullptr; }
  bool boolean(bool value) {
    Node* node = Add(Kind::kBool, furthest_);
    if (node != nullptr) node->boolean = value;
    return node != nullptr;
  }
  bool number_integer(int64_t value) { return AddInteger(value); }
  bool number_unsigned(uint64_t value) {
    if (value <= static_cast<uint64_t>(INT64_MAX)) return AddInteger(static_cast<int64_t>(value));
    return number_float(static_cast<double>(value), std::to_string(value));
  }
  bool number_float(double value, const std::string& text) {
    // A number ends where the next character was read.
    Node* node = Add(Kind::kNumber, furthest_ - 1);
    if (node == nullptr) return false;
    node->number = value;
    node->text = text;
    return true;
  }
  bool string(std::string& value) {
    Node* node = Add(Kind::kString, furthest_);
    if (node != nullptr) node->text = std::move(value);
    return node != nullptr;
  }
  bool binary(nlohmann::json::binary_t&) { return Fail(Line(furthest_), "unexpected binary value"); }
  bool start_object(size_t) { return Open(Kind::kObject); }
  bool start_array(size_t) { return Open(Kind::kArray); }
  bool key(std::string& name) {
    key_ = std::move(name);
    return true;
  }
  bool end_array() {
    open_.pop_back();
    return true;
  }
  bool end_object() {
    const Node& object = *open_.back();
    std::vector<std::pair<std::string_view, int>> names;
    names.reserve(object.members.size());
    for (const auto& [name, value] : object.members) names.emplace_back(name, value.line);
    std::sort(names.begin(), names.end());
    for (size_t i = 1; i < names.size(); ++i) {
      if (names[i].first == names[i - 1].first) {
        return Fail(names[i].second, fmt::format("\"{}\" stands twice in the same object", Cut(std::string(names[i].first))));
      }
    }
    open_.pop_back();
    return true;
  }
  bool parse_error(size_t, const std::string&, const nlohmann::json::exception& error) {
    return Fail(Line(furthest_), NotJson(error));
  }

 private:
  bool Fail(int line, const std::string& text) {
    if (status_.ok()) status_ = ErrorAt(file_, line, "", text);
    return false;
  }

  int Line(const char* at) {
    for (; counted_ < at; ++counted_) line_ += *counted_ == '\n';
    return line_;
  }

  Node* Add(Kind kind, const char* at) {
    Node* node = &root_;
    if (!open_.empty() && open_.back()->kind == Kind::kObject) {
      open_.back()->members.push_back({std::move(key_), Node()});
      node = &open_.back()->members.back().value;
    } else if (!open_.empty()) {
      node = &open_.back()->items.emplace_back();
    }
    node->kind = kind;
    node->line = Line(at);
    return node;
  }

  bool AddInteger(int64_t value) {
    Node* node = Add(Kind::kInteger, furthest_ - 1);
    node->integer = value;
    node->number = static_cast<double>(value);
    node->text = std::to_string(value);
    return true;
  }

  // Parents do not move while their children are built: only the innermost open container grows.
  bool Open(Kind kind) {
    if (open_.size() >= static_cast<size_t>(kMaxDepth)) {
      return Fail(Line(furthest_), fmt::format("nested more than {} deep", kMaxDepth));
    }
    open_.push_back(Add(kind, furthest_));
    return true;
  }

  std::string_view file_;
  const char* furthest_;
  const char* counted_;
  int line_ = 1;
  Status status_;
  Node root_;
  std::vector<Node*> open_;
  std::string key_;
};

}  // namespace

const Node* Node::Find(std::string_view name) const {
  for (const auto& [key, value] : members) {
    if (key == name) return &value;
  }
  return nullptr;
}

StatusOr<Node> Parse(std::string_view text, std::string_view file) {
  if (text.size() > kMaxTextBytes) {
    return InvalidInput("'{}' has {} bytes; expected JSON of at most {}", file, text.size(), kMaxTextBytes);
  }
  Builder builder(file, text.data());
  const CountingIterator begin(text.data(), builder.furthest());
  const CountingIterator end(text.data() + text.size(), builder.furthest());
  try {
    nlohmann::json::sax_parse(begin, end, &builder);
  } catch (const std::exception& error) {
    return ErrorAt(file, 0, "", error.what());
  }
  QP_RETURN_IF_ERROR(builder.status());
  return builder.TakeRoot();
}

StatusOr<Node> ParseFile(const std::string& path) {
  QP_ASSIGN_OR_RETURN(const Bytes file, MapFile(path));
  if (file.empty()) return InvalidInput("'{}' is empty; expected JSON", path);
  return Parse({reinterpret_cast<const char*>(file.data), file.size}, path);
}

std::string_view KindName(Kind kind) {
  switch (kind) {
    case Kind::kNull: return "null";
    case Kind::kBool: return "true or false";
    case Kind::kInteger: return "a whole number";
    case Kind::kNumber: return "a number";
    case Kind::kString: return "text";
    case Kind::kArray: return "an array";
    case Kind::kObject: return "an object";
  }
  return "a value";
}

std::string Show(const Node& node) {
  switch (node.kind) {
    case Kind::kBool: return node.boolean ? "true" : "false";
    case Kind::kInteger:
    case Kind::kNumber: return Cut(node.text);
    case Kind::kString: return fmt::format("\"{}\"", Cut(node.text));
    default: return std::string(KindName(node.kind));
  }
}

Status ErrorAt(std::string_view file, int line, std::string_view field, std::string_view text) {
  std::string where(file);
  if (line > 0) where += fmt::format(":{}", line);
  if (!field.empty()) where += fmt::format(": {}", field);
  return InvalidInput("{}: {}", where, text);
}

}  // namespace quantpress::graph::json
