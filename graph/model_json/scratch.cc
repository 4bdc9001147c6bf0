#include "graph/model_json/scratch.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>

namespace quantpress::graph {

StatusOr<std::unique_ptr<ScratchFolder>> ScratchFolder::Create() {
  std::error_code error;
  const std::filesystem::path parent = std::filesystem::temp_directory_path(error);
  if (error) return SystemError("no folder for temporary files: {}; set TMPDIR", error.message());
  std::string name = (parent / "quantpress-XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) {
    return SystemError("cannot make a folder for temporary files in '{}': {}", parent.string(), std::strerror(errno));
  }
  return std::unique_ptr<ScratchFolder>(new ScratchFolder(std::move(name)));
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Status Appender::Append(std::span<const uint8_t> bytes) {
  QP_RETURN_IF_ERROR(file_.Write(size_, bytes));
  size_ += bytes.size();
  return {};
}

}  // namespace quantpress::graph
