// The side file `<model>.weight` that holds vectors too big for the model file.
#ifndef QUANTPRESS_GRAPH_IMPORT_MNN_EXTERNAL_FILE_H_
#define QUANTPRESS_GRAPH_IMPORT_MNN_EXTERNAL_FILE_H_

#include <string>
#include <vector>

#include "graph/ir/bytes.h"

namespace quantpress::graph {

// Opened when the first op needs it. Not thread-safe.
class ExternalFile {
 public:
  explicit ExternalFile(std::string path) : path_(std::move(path)) {}

  // The consecutive ranges that an `external` vector [offset, length, length, ...] describes. Errors name the op.
  StatusOr<std::vector<Bytes>> Ranges(const std::string& op, const std::vector<int64_t>& external);

  bool used() const { return mapped_; }
  const std::string& path() const { return path_; }
  uint64_t size() const { return bytes_.size; }

 private:
  std::string path_;
  bool mapped_ = false;
  Bytes bytes_;
};

// True if the vector points into the side file; the runtime takes shorter ones as absent.
inline bool IsExternal(const std::vector<int64_t>& external) { return external.size() > 1; }

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IMPORT_MNN_EXTERNAL_FILE_H_
