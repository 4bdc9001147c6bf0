#include "graph/json/object_reader.h"

#include <cfloat>

namespace quantpress::graph::json {

ObjectReader::ObjectReader(const Node& node, std::string file, std::string path, Status* status)
    : node_(node), file_(std::move(file)), path_(std::move(path)), status_(*status), used_(node.members.size(), false) {
  if (node.kind != Kind::kObject) Fail(node.line, "", fmt::format("{} found; expected an object", Show(node)));
}

std::string ObjectReader::PathOf(std::string_view name) const {
  if (path_.empty() || name.empty()) return path_.empty() ? std::string(name) : path_;
  return fmt::format("{}.{}", path_, name);
}

int ObjectReader::LineOf(std::string_view name) const {
  const Node* member = node_.Find(name);
  return member != nullptr ? member->line : node_.line;
}

void ObjectReader::Fail(int line, std::string_view name, std::string_view text) {
  if (status_.ok()) status_ = ErrorAt(file_, line, PathOf(name), text);
}

void ObjectReader::Wrong(const Node& node, std::string_view name, std::string_view expected) {
  Fail(node.line, name, fmt::format("{} found; expected {}", Show(node), expected));
}

const Node* ObjectReader::Get(std::string_view name) {
  for (size_t i = 0; i < node_.members.size(); ++i) {
    if (node_.members[i].name != name) continue;
    used_[i] = true;
    return &node_.members[i].value;
  }
  Fail(node_.line, "", fmt::format("the required field \"{}\" is missing", name));
  return nullptr;
}

std::string ObjectReader::Text(std::string_view name) {
  const Node* node = Get(name);
  if (node == nullptr) return {};
  if (node->kind != Kind::kString) Wrong(*node, name, "text");
  return node->kind == Kind::kString ? node->text : std::string();
}

bool ObjectReader::Bool(std::string_view name) {
  const Node* node = Get(name);
  if (node == nullptr) return false;
  if (node->kind != Kind::kBool) Wrong(*node, name, "true or false");
  return node->boolean;
}

int64_t ObjectReader::Int(std::string_view name, int64_t low, int64_t high) {
  const Node* node = Get(name);
  if (node == nullptr) return low;
  if (node->kind != Kind::kInteger) {
    Wrong(*node, name, "a whole number");
    return low;
  }
  if (node->integer < low || node->integer > high) {
    Wrong(*node, name, high == INT64_MAX ? fmt::format("{} or above", low) : fmt::format("{} to {}", low, high));
    return low;
  }
  return node->integer;
}

double ObjectReader::CheckedNumber(const Node& node, std::string_view name, double low, double high) {
  if (node.kind != Kind::kInteger && node.kind != Kind::kNumber) {
    Wrong(node, name, "a number");
  } else if (!(node.number >= low && node.number <= high)) {
    // The limits of a float are not what anybody means.
    const bool above = high == double{FLT_MAX};
    Wrong(node, name, !above ? fmt::format("a number of {:g} to {:g}", low, high) : low > 0 ? "a finite number above 0" : "a finite number, 0 or above");
  } else {
    return node.number;
  }
  return low;
}

double ObjectReader::Number(std::string_view name, double low, double high) {
  const Node* node = Get(name);
  return node == nullptr ? low : CheckedNumber(*node, name, low, high);
}

std::vector<float> ObjectReader::Floats(std::string_view name, double low, double high) {
  std::vector<float> values;
  const Node* list = Array(name);
  if (list == nullptr) return values;
  for (const Node& node : list->items) values.push_back(static_cast<float>(CheckedNumber(node, name, low, high)));
  return values;
}

std::vector<int32_t> ObjectReader::Ints(std::string_view name) {
  std::vector<int32_t> values;
  const Node* list = Array(name);
  if (list == nullptr) return values;
  for (const Node& node : list->items) {
    if (node.kind != Kind::kInteger || node.integer < INT32_MIN || node.integer > INT32_MAX) {
      Wrong(node, name, "whole numbers of 32 bits");
      return values;
    }
    values.push_back(static_cast<int32_t>(node.integer));
  }
  return values;
}

size_t ObjectReader::Choice(std::string_view name, std::initializer_list<std::string_view> choices) {
  const Node* node = Get(name);
  if (node == nullptr) return 0;
  std::string expected;
  size_t i = 0;
  for (std::string_view choice : choices) {
    if (node->kind == Kind::kString && node->text == choice) return i;
    expected += i == 0 ? "" : i + 1 == choices.size() ? " or " : ", ";
    expected += fmt::format("\"{}\"", choice);
    ++i;
  }
  Wrong(*node, name, expected);
  return 0;
}

const Node* ObjectReader::Object(std::string_view name) {
  const Node* node = Get(name);
  if (node == nullptr || node->kind == Kind::kObject) return node;
  Wrong(*node, name, "an object");
  return nullptr;
}

const Node* ObjectReader::Array(std::string_view name) {
  const Node* node = Get(name);
  if (node == nullptr || node->kind == Kind::kArray) return node;
  Wrong(*node, name, "an array");
  return nullptr;
}

void ObjectReader::Ignore(std::string_view name) {
  for (size_t i = 0; i < node_.members.size(); ++i) {
    if (node_.members[i].name == name) used_[i] = true;
  }
}

void ObjectReader::Finish() {
  for (size_t i = 0; i < used_.size(); ++i) {
    if (!used_[i]) Fail(node_.members[i].value.line, "", fmt::format("unknown field \"{}\"", node_.members[i].name));
  }
}

}  // namespace quantpress::graph::json
