// An output file that appears at its path only when it is complete.
#ifndef QUANTPRESS_GRAPH_EXPORT_OUTPUT_FILE_H_
#define QUANTPRESS_GRAPH_EXPORT_OUTPUT_FILE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "dispatch/status.h"

namespace quantpress::graph {

// The path that is really replaced: a link is followed to the file it names. Errors: the folder is missing, or the path names something
// that is not a regular file.
StatusOr<std::string> ResolveOutputPath(const std::string& path);

// True if both paths name the same existing file.
bool IsSameFile(const std::string& a, const std::string& b);

// A temporary file `.<name>.quantpress-XXXXXX` beside `path`; removed when the object dies before it was renamed.
class OutputFile {
 public:
  // Creates it with `bytes` bytes of zeros, reserved on the disk where the file system can.
  static StatusOr<std::unique_ptr<OutputFile>> Create(const std::string& path, uint64_t bytes);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  // Thread-safe for ranges that do not overlap.
  Status Write(uint64_t offset, std::span<const uint8_t> bytes) const;

  // To the disk.
  Status Sync() const;

  const std::string& path() const { return path_; }
  const std::string& temporary_path() const { return temporary_path_; }

  // Puts it at path(). Call Sync() first.
  Status Rename();

 private:
  OutputFile(std::string path, std::string temporary_path, int fd)
      : path_(std::move(path)), temporary_path_(std::move(temporary_path)), fd_(fd) {}

  std::string path_;
  std::string temporary_path_;
  int fd_;
};

// Renames complete files to their paths, the weight file (may be null) first, and syncs the folder.
//
// A model and its weight file cannot be replaced in one step. Where both exist already, the old model is moved out of the way first: a crash
// between the renames leaves no model at the path rather than an old model with new weights. The old pair comes back if a rename fails.
Status Commit(OutputFile* model, OutputFile* weights);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_OUTPUT_FILE_H_
