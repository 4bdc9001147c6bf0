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

  // True if the file system reserved the space: writing it back later cannot fail for want of space.
  bool reserved() const { return reserved_; }

  const std::string& path() const { return path_; }
  const std::string& temporary_path() const { return temporary_path_; }

  // Puts it at path(). Call Sync() or SyncForCommit() first.
  Status Rename();

 private:
  OutputFile(std::string path, std::string temporary_path, int fd)
      : path_(std::move(path)), temporary_path_(std::move(temporary_path)), fd_(fd) {}

  std::string path_;
  std::string temporary_path_;
  int fd_;
  bool reserved_ = false;
  bool write_back_early_ = false;  // a file will be replaced, so that Sync() is going to wait for the disk
};

// True if putting the files (weights may be null) at their paths takes away an existing file.
bool ReplacesFile(const OutputFile& model, const OutputFile* weights);

// Before Commit: both files to the disk if they replace a file, so that a power failure leaves the old or the new output. Where there was none
// there is nothing to lose, and waiting for the disk would take most of the time of a conversion: the system writes back when it likes. (A
// killed process loses nothing that it wrote, in either case.) A file whose space is not reserved is synced always: a full disk must be noticed.
Status SyncForCommit(const OutputFile& model, const OutputFile* weights);

// Renames complete files to their paths, the weight file (may be null) first, and syncs the folder if an existing file was replaced.
//
// A model and its weight file cannot be replaced in one step. Where both exist already, the old model is moved out of the way first: a crash
// between the renames leaves no model at the path rather than an old model with new weights. The old pair comes back if a rename fails.
Status Commit(OutputFile* model, OutputFile* weights);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_OUTPUT_FILE_H_
