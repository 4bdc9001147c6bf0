// Files for the time of one call.
#ifndef QUANTPRESS_GRAPH_MODEL_JSON_SCRATCH_H_
#define QUANTPRESS_GRAPH_MODEL_JSON_SCRATCH_H_

#include <memory>
#include <span>
#include <string>

#include "graph/export/output_file.h"
#include "graph/ir/bytes.h"

namespace quantpress::graph {

// A folder of its own below the folder for temporary files ($TMPDIR, else /tmp). It goes away with all that is in it;
// what is mapped stays readable.
class ScratchFolder {
 public:
  static StatusOr<std::unique_ptr<ScratchFolder>> Create();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  std::string operator/(const char* name) const { return path_ + "/" + name; }

 private:
  explicit ScratchFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

// Writes one piece behind the other.
class Appender {
 public:
  explicit Appender(const OutputFile& file) : file_(file) {}
  Status Append(std::span<const uint8_t> bytes);
  // Zeros up to `size`.
  void SkipTo(uint64_t size) { size_ = size; }
  uint64_t size() const { return size_; }

 private:
  const OutputFile& file_;
  uint64_t size_ = 0;
};

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_MODEL_JSON_SCRATCH_H_
