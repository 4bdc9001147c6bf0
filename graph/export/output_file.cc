#include "graph/export/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

namespace quantpress::graph {
namespace {

// Pieces from this size on are given to the disk at once.
constexpr size_t kWriteBackBytes = 256 * 1024;

std::string FolderOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

std::string NameOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

// A name that no other process and no other call uses now.
std::string TemporaryName(const std::string& path, const char* kind) {
  static std::atomic<uint32_t> counter{0};
  return fmt::format("{}/.{}.quantpress-{}{:x}-{:x}", FolderOf(path), NameOf(path), kind, getpid(), counter.fetch_add(1));
}

bool Exists(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0;
}

Status SyncFolder(const std::string& folder) {
  const int fd = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return SystemError("cannot open folder '{}': {}", folder, std::strerror(errno));
  // Some file systems cannot sync folders; the rename itself is done.
  const bool failed = fsync(fd) != 0 && errno != EINVAL && errno != EROFS;
  const int error = errno;
  close(fd);
  return failed ? SystemError("cannot sync folder '{}': {}", folder, std::strerror(error)) : Status();
}

Status RenamePath(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return {};
  return SystemError("cannot rename '{}' to '{}': {}", from, to, std::strerror(errno));
}

}  // namespace

StatusOr<std::string> ResolveOutputPath(const std::string& path) {
  if (path.empty()) return InvalidInput("no output path given");
  struct stat info {};
  if (stat(path.c_str(), &info) == 0) {
    if (S_ISDIR(info.st_mode)) return InvalidInput("output '{}' is a folder; give the path of a file", path);
    if (!S_ISREG(info.st_mode)) return InvalidInput("output '{}' is not a regular file", path);
    char resolved[PATH_MAX];
    if (realpath(path.c_str(), resolved) != nullptr) return std::string(resolved);
    return SystemError("cannot resolve output path '{}': {}", path, std::strerror(errno));
  }
  if (errno != ENOENT) return SystemError("cannot use output path '{}': {}", path, std::strerror(errno));
  if (Exists(path)) return InvalidInput("output '{}' is a link to a file that does not exist", path);
  if (NameOf(path).empty()) return InvalidInput("output '{}' names a folder that does not exist", path);
  const std::string folder = FolderOf(path);
  if (stat(folder.c_str(), &info) != 0) {
    return SystemError("cannot write output '{}': folder '{}': {}", path, folder, std::strerror(errno));
  }
  return path;
}

bool IsSameFile(const std::string& a, const std::string& b) {
  struct stat first {}, second {};
  return stat(a.c_str(), &first) == 0 && stat(b.c_str(), &second) == 0 && first.st_dev == second.st_dev &&
         first.st_ino == second.st_ino;
}

StatusOr<std::unique_ptr<OutputFile>> OutputFile::Create(const std::string& path, uint64_t bytes) {
  std::string temporary;
  int fd = -1;
  do {
    temporary = TemporaryName(path, "");
    fd = open(temporary.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EEXIST);
  if (fd < 0) return SystemError("cannot write output '{}': {}", path, std::strerror(errno));
  std::unique_ptr<OutputFile> file(new OutputFile(path, std::move(temporary), fd));
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    return SystemError("cannot write output '{}' of {} bytes: {}", path, bytes, std::strerror(errno));
  }
  // Says now, and not after minutes, that the disk is full. File systems that cannot reserve are fine.
  file->reserved_ = bytes > 0 && fallocate(fd, 0, 0, static_cast<off_t>(bytes)) == 0;
  if (bytes > 0 && !file->reserved_ && (errno == ENOSPC || errno == EDQUOT)) {
    return SystemError("cannot write output '{}' of {} bytes: {}", path, bytes, std::strerror(errno));
  }
  file->write_back_early_ = Exists(path);
  return file;
}

OutputFile::~OutputFile() {
  close(fd_);
  if (!temporary_path_.empty()) unlink(temporary_path_.c_str());
}

Status OutputFile::Write(uint64_t offset, std::span<const uint8_t> bytes) const {
  const uint64_t begin = offset;
  while (!bytes.empty()) {
    const ssize_t n = pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return SystemError("cannot write output '{}': {}", path_, n < 0 ? std::strerror(errno) : "nothing was written");
    offset += static_cast<uint64_t>(n);
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  if (write_back_early_ && offset - begin >= kWriteBackBytes) {
    // Only a hint: Sync() reports what goes wrong.
    sync_file_range(fd_, static_cast<off_t>(begin), static_cast<off_t>(offset - begin), SYNC_FILE_RANGE_WRITE);
  }
  return {};
}

Status OutputFile::Sync() const {
  if (fsync(fd_) == 0) return {};
  return SystemError("cannot write output '{}': {}", path_, std::strerror(errno));
}

Status OutputFile::Rename() {
  QP_RETURN_IF_ERROR(RenamePath(temporary_path_, path_));
  temporary_path_.clear();
  return {};
}

bool ReplacesFile(const OutputFile& model, const OutputFile* weights) {
  return Exists(model.path()) || (weights != nullptr && Exists(weights->path()));
}

Status SyncForCommit(const OutputFile& model, const OutputFile* weights) {
  const bool replaces = ReplacesFile(model, weights);
  // An old model with its weights inside is replaced by two files: both must be there.
  if (weights != nullptr && (replaces || !weights->reserved())) QP_RETURN_IF_ERROR(weights->Sync());
  if (replaces || !model.reserved()) QP_RETURN_IF_ERROR(model.Sync());
  return {};
}

Status Commit(OutputFile* model, OutputFile* weights) {
  const bool replaces = ReplacesFile(*model, weights);
  if (weights == nullptr) {
    QP_RETURN_IF_ERROR(model->Rename());
    return replaces ? SyncFolder(FolderOf(model->path())) : Status();
  }
  const bool replaces_pair = Exists(model->path()) && Exists(weights->path());
  std::string old_model, old_weights;
  if (replaces_pair) {
    old_model = TemporaryName(model->path(), "old-");
    old_weights = TemporaryName(weights->path(), "old-");
    if (link(weights->path().c_str(), old_weights.c_str()) != 0) old_weights.clear();
    const Status moved = RenamePath(model->path(), old_model);
    if (!moved.ok()) {
      if (!old_weights.empty()) unlink(old_weights.c_str());
      return moved;
    }
  }
  Status status = weights->Rename();
  if (status.ok()) status = model->Rename();
  if (replaces_pair) {
    if (!status.ok()) {
      if (!old_weights.empty()) rename(old_weights.c_str(), weights->path().c_str());
      rename(old_model.c_str(), model->path().c_str());
      return status;
    }
    unlink(old_model.c_str());
    if (!old_weights.empty()) unlink(old_weights.c_str());
  }
  QP_RETURN_IF_ERROR(status);
  return replaces ? SyncFolder(FolderOf(model->path())) : Status();
}

}  // namespace quantpress::graph
