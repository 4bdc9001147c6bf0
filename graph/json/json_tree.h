// JSON text as a tree whose nodes know their line, for files that people write by hand.
#ifndef QUANTPRESS_GRAPH_JSON_JSON_TREE_H_
#define QUANTPRESS_GRAPH_JSON_JSON_TREE_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dispatch/status.h"

namespace quantpress::graph::json {

enum class Kind : uint8_t { kNull, kBool, kInteger, kNumber, kString, kArray, kObject };

struct Member;

struct Node {
  Kind kind = Kind::kNull;
  bool boolean = false;
  int line = 0;         // where the value starts, from 1
  int64_t integer = 0;  // kInteger
  double number = 0;    // kInteger and kNumber
  std::string text;     // kString; numbers as they were written
  std::vector<Node> items;                             // kArray
  std::vector<Member> members;                         // kObject, in file order, names are unique

  // Null if there is none.
  const Node* Find(std::string_view name) const;
};

struct Member {
  std::string name;
  Node value;
};

// The largest text that is read, and the deepest nesting.
inline constexpr uint64_t kMaxTextBytes = 16 << 20;
inline constexpr int kMaxDepth = 32;

// Errors: no JSON, a name twice in one object, nested too deep, too long. `file` is for the messages ("file:3: ...").
StatusOr<Node> Parse(std::string_view text, std::string_view file);

// Reads and parses a file.
StatusOr<Node> ParseFile(const std::string& path);

// "a number", "an object": for messages.
std::string_view KindName(Kind kind);

// The value as a message shows it: "12", "\"text\"", "an object".
std::string Show(const Node& node);

// "file:3: layer[2].bits: text"; without the line where it is 0, without the field where it is empty.
Status ErrorAt(std::string_view file, int line, std::string_view field, std::string_view text);

}  // namespace quantpress::graph::json

#endif  // QUANTPRESS_GRAPH_JSON_JSON_TREE_H_
