#include "graph/import/mnn/external_file.h"

namespace quantpress::graph {

StatusOr<std::vector<Bytes>> ExternalFile::Ranges(const std::string& op, const std::vector<int64_t>& external) {
  if (!mapped_) {
    StatusOr<Bytes> bytes = MapFile(path_);
    if (!bytes.ok()) return Annotate(bytes.status(), fmt::format("op '{}' has its data in an external weight file", op));
    bytes_ = *std::move(bytes);
    mapped_ = true;
  }
  std::vector<Bytes> ranges;
  uint64_t at = 0;
  for (size_t i = 0; i < external.size(); ++i) {
    if (external[i] < 0) return InvalidInput("op '{}': external data with the negative entry {}", op, external[i]);
    const auto value = static_cast<uint64_t>(external[i]);
    if (value > bytes_.size - at) {
      return InvalidInput("op '{}': external data at {} + {} bytes lies beyond the end of '{}' ({} bytes)", op, at, value,
                          path_, bytes_.size);
    }
    if (i > 0) ranges.push_back(bytes_.Slice(at, value));
    at += value;
  }
  return ranges;
}

}  // namespace quantpress::graph
