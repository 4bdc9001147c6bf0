#include "graph/ir/bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace quantpress::graph {
namespace {

class Mapping {
 public:
  Mapping(void* address, size_t size) : address_(address), size_(size) {}
  ~Mapping() { munmap(address_, size_); }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

 private:
  void* address_;
  size_t size_;
};

class FileDescriptor {
 public:
  explicit FileDescriptor(int fd) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

StatusOr<Bytes> MapFile(const std::string& path) {
  // O_NONBLOCK: a FIFO must not make open() wait for a writer.
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) return SystemError("cannot open '{}': {}", path, std::strerror(errno));
  struct stat info {};
  if (fstat(fd.get(), &info) != 0) return SystemError("cannot examine '{}': {}", path, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return InvalidInput("'{}' is not a regular file; give the path of a model file", path);
  if (info.st_size == 0) return Bytes{};
  const auto size = static_cast<size_t>(info.st_size);
  void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (address == MAP_FAILED) return SystemError("cannot map '{}' into memory: {}", path, std::strerror(errno));
  madvise(address, size, MADV_WILLNEED);
  auto owner = std::make_shared<const Mapping>(address, size);
  return Bytes{owner, static_cast<const uint8_t*>(address), size};
}

uint64_t FileSize(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 ? static_cast<uint64_t>(info.st_size) : 0;
}

}  // namespace quantpress::graph
