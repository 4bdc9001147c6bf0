// Puts an MNN file together from values in the order in which a text lists them.
//
//   FlatBuffer of tables, strings and small vectors | big vectors: u32 length, data | ...
//
// Big vectors go to a scratch file at once; their offsets are set when the first part is complete.
#ifndef QUANTPRESS_GRAPH_MODEL_JSON_NET_ASSEMBLER_H_
#define QUANTPRESS_GRAPH_MODEL_JSON_NET_ASSEMBLER_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "flatbuffers/flatbuffers.h"
#include "graph/model_json/scratch.h"

namespace quantpress::graph {

class NetAssembler {
 public:
  using Offset = flatbuffers::uoffset_t;  // of a finished string, vector or table

  // A field of a table: a scalar of 1, 2, 4 or 8 bytes, an offset, or a big vector.
  struct Field {
    enum class Kind : uint8_t { kScalar, kOffset, kBigVector };
    size_t index = 0;  // in the table
    Kind kind = Kind::kScalar;
    uint8_t width = 0;
    uint64_t value = 0;  // bits, offset, or number of the big vector
  };

  static StatusOr<std::unique_ptr<NetAssembler>> Create();

  Offset AddString(std::string_view text);
  Offset AddOffsets(const std::vector<Offset>& offsets);

  // A vector of scalars, given in pieces; only one at a time.
  void BeginVector(size_t width);
  Status AppendToVector(std::string_view bytes);
  // Sets kind, width and value.
  Status EndVector(Field* field);

  Offset AddTable(std::vector<Field> fields);

  // Whether the parts still fit into one file.
  Status CheckSize() const;

  // The file; not yet verified.
  StatusOr<Bytes> Finish(Offset root);

 private:
  struct BigVector {
    uint64_t begin;  // in the scratch file
    uint64_t bytes;
    size_t width;
  };
  struct Patch {
    Offset table;
    size_t index;
    size_t vector;
  };

  NetAssembler() = default;
  Status Spill();

  std::unique_ptr<ScratchFolder> folder_;
  std::unique_ptr<OutputFile> vectors_file_;
  std::unique_ptr<Appender> vectors_;
  flatbuffers::FlatBufferBuilder builder_;
  std::vector<BigVector> big_;
  std::vector<Patch> patches_;
  std::string buffer_;  // of the vector that is being filled
  uint64_t spilled_ = 0;
  size_t width_ = 1;
  Offset placeholder_ = 0;
};

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_MODEL_JSON_NET_ASSEMBLER_H_
