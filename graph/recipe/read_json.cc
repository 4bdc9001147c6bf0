// protobuf's JSON form: names in camelCase or as in the .proto, enumerations as names or numbers, numbers also as text.
#include <charconv>
#include <limits>

#include "graph/recipe/forms.h"

namespace quantpress::graph::recipe {
namespace {

using json::Kind;
using json::Node;

class JsonReader {
 public:
  JsonReader(const Node& object, std::string path, ReadState* state)
      : object_(object), path_(std::move(path)), state_(*state), used_(object.members.size(), false) {}

  template <typename T>
  static void Read(const Node& node, const std::string& path, ReadState* state, T* message) {
    if (node.kind != Kind::kObject) {
      state->Fail(node.line, path, fmt::format("{} found; expected an object", json::Show(node)));
      return;
    }
    message->line = node.line;
    JsonReader reader(node, path, state);
    VisitFields(reader, *message);
    reader.ReportUnknown();
  }

  template <typename T>
  void operator()(int, std::string_view name, std::optional<T>& value, Accept accept) {
    if (const Node* node = Find(name)) ReadValue(*node, Join(path_, name), accept, &value.emplace());
    if (!value && IsRequired(accept)) {
      state_.Fail(object_.line, path_, fmt::format("the required field \"{}\" is missing", JsonName(name)));
    }
  }

  template <typename T>
  void operator()(int, std::string_view name, std::vector<T>& values, Accept accept) {
    const Node* node = Find(name);
    if (node == nullptr) return;
    if (node->kind != Kind::kArray) {
      state_.Fail(node->line, Join(path_, name), fmt::format("{} found; expected an array", json::Show(*node)));
      return;
    }
    values.reserve(node->items.size());
    for (size_t i = 0; i < node->items.size() && state_.status.ok(); ++i) {
      ReadValue(node->items[i], fmt::format("{}[{}]", Join(path_, name), i), accept, &values.emplace_back());
    }
  }

  void Enum(int, std::string_view name, std::optional<int32_t>& value, EnumNames names) {
    const Node* node = Find(name);
    if (node == nullptr) return;
    for (size_t i = 0; i < names.size(); ++i) {
      const bool by_name = node->kind == Kind::kString && node->text == names[i];
      const bool by_number = node->kind == Kind::kInteger && node->integer == static_cast<int64_t>(i);
      if (by_name || by_number) value = static_cast<int32_t>(i);
    }
    if (!value) {
      state_.Fail(node->line, Join(path_, name), fmt::format("{} found; expected {}", json::Show(*node), NamesOf(names)));
    }
  }

 private:
  // The value under either of its names; null where there is none, or JSON's null.
  const Node* Find(std::string_view name) {
    const std::string json_name = JsonName(name);
    const Node* found = nullptr;
    for (size_t i = 0; i < object_.members.size(); ++i) {
      const auto& [key, node] = object_.members[i];
      if (key != name && key != json_name) continue;
      used_[i] = true;
      if (found != nullptr) {
        state_.Fail(node.line, path_, fmt::format("\"{}\" and \"{}\" are the same field; leave one out", json_name, name));
      }
      found = &node;
    }
    return found == nullptr || found->kind == Kind::kNull ? nullptr : found;
  }

  void ReportUnknown() {
    for (size_t i = 0; i < used_.size(); ++i) {
      if (used_[i]) continue;
      const auto& [key, node] = object_.members[i];
      state_.Note(node.line, path_, fmt::format("unknown field \"{}\" has no effect", key));
    }
  }

  void Wrong(const Node& node, const std::string& path, std::string_view expected) {
    state_.Fail(node.line, path, fmt::format("{} found; expected {}", json::Show(node), expected));
  }

  void ReadValue(const Node& node, const std::string& path, Accept accept, std::string* value) {
    if (node.kind != Kind::kString) return Wrong(node, path, "text");
    if (IsRequired(accept) && node.text.empty()) return Wrong(node, path, "text that is not empty");
    *value = node.text;
  }

  void ReadValue(const Node& node, const std::string& path, Accept, bool* value) {
    if (node.kind != Kind::kBool) return Wrong(node, path, "true or false");
    *value = node.boolean;
  }

  void ReadValue(const Node& node, const std::string& path, Accept accept, int32_t* value) {
    int64_t number = node.integer;
    if (node.kind == Kind::kString) {
      const auto [end, error] = std::from_chars(node.text.data(), node.text.data() + node.text.size(), number);
      if (error != std::errc() || end != node.text.data() + node.text.size()) return Wrong(node, path, "a whole number");
    } else if (node.kind == Kind::kNumber && node.number >= INT32_MIN && node.number <= INT32_MAX &&
               node.number == std::trunc(node.number)) {
      number = static_cast<int64_t>(node.number);
    } else if (node.kind != Kind::kInteger) {
      return Wrong(node, path, "a whole number");
    }
    if (number < INT32_MIN || number > INT32_MAX) return Wrong(node, path, "a whole number of 32 bits");
    const std::string_view possible = WhatIsPossible(accept, number);
    if (!possible.empty()) return Wrong(node, path, possible);
    *value = static_cast<int32_t>(number);
  }

  void ReadValue(const Node& node, const std::string& path, Accept accept, float* value) {
    double number = node.number;
    if (node.kind == Kind::kString) {
      const auto [end, error] = std::from_chars(node.text.data(), node.text.data() + node.text.size(), number);
      if (error != std::errc() || end != node.text.data() + node.text.size()) return Wrong(node, path, "a number");
    } else if (node.kind != Kind::kInteger && node.kind != Kind::kNumber) {
      return Wrong(node, path, "a number");
    }
    if (std::abs(number) > std::numeric_limits<float>::max()) number = std::copysign(INFINITY, number);
    const std::string_view possible = WhatIsPossible(accept, number);
    if (!possible.empty()) return Wrong(node, path, possible);
    *value = static_cast<float>(number);
  }

  template <typename T>
  void ReadValue(const Node& node, const std::string& path, Accept, T* message) {
    Read(node, path, &state_, message);
  }

  const Node& object_;
  std::string path_;
  ReadState& state_;
  std::vector<bool> used_;
};

}  // namespace

StatusOr<Pipeline> ReadJson(std::string_view text, ReadState* state) {
  QP_ASSIGN_OR_RETURN(const Node root, json::Parse(text, state->file));
  Pipeline pipeline;
  JsonReader::Read(root, "", state, &pipeline);
  QP_RETURN_IF_ERROR(state->status);
  return pipeline;
}

}  // namespace quantpress::graph::recipe
