// Checked access to the members of one JSON object. The first error stays; after it values are defaults.
#ifndef QUANTPRESS_GRAPH_JSON_OBJECT_READER_H_
#define QUANTPRESS_GRAPH_JSON_OBJECT_READER_H_

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "graph/json/json_tree.h"

namespace quantpress::graph::json {

// Errors name file, line and field. `status` is shared by all readers of one file.
class ObjectReader {
 public:
  // `node` must outlive this object. `path` is how messages call the object; empty at the top.
  ObjectReader(const Node& node, std::string file, std::string path, Status* status);

  // Required members.
  std::string Text(std::string_view name);
  bool Bool(std::string_view name);
  int64_t Int(std::string_view name, int64_t low, int64_t high);
  double Number(std::string_view name, double low, double high);
  std::vector<float> Floats(std::string_view name, double low, double high);
  std::vector<int32_t> Ints(std::string_view name);
  // Position in `choices`.
  size_t Choice(std::string_view name, std::initializer_list<std::string_view> choices);
  // Null after an error.
  const Node* Object(std::string_view name);
  const Node* Array(std::string_view name);

  // Whether the member is there.
  bool Has(std::string_view name) const { return node_.Find(name) != nullptr; }
  // The member may be there and is not looked at.
  void Ignore(std::string_view name);

  // An error if there are members that nobody asked for.
  void Finish();

  void Fail(int line, std::string_view name, std::string_view text);
  // Where the member is; where the object starts if there is no such member.
  int LineOf(std::string_view name) const;
  // "layers[3].bits"
  std::string PathOf(std::string_view name) const;

 private:
  const Node* Get(std::string_view name);
  double CheckedNumber(const Node& node, std::string_view name, double low, double high);
  void Wrong(const Node& node, std::string_view name, std::string_view expected);

  const Node& node_;
  std::string file_, path_;
  Status& status_;
  std::vector<bool> used_;
};

}  // namespace quantpress::graph::json

#endif  // QUANTPRESS_GRAPH_JSON_OBJECT_READER_H_
