#include "graph/ir/content_hash.h"

#define XXH_INLINE_ALL  // no library to link
#include <xxhash.h>

#include "graph/ir/bytes.h"

namespace quantpress::graph {
namespace {

std::string Hash(const void* bytes, size_t size) {
  const XXH128_hash_t hash = XXH3_128bits(bytes, size);
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

}  // namespace

std::string ContentHash(std::string_view text) { return Hash(text.data(), text.size()); }

StatusOr<std::string> FileHash(const std::string& path) {
  QP_ASSIGN_OR_RETURN(const Bytes file, MapFile(path));
  return Hash(file.data, static_cast<size_t>(file.size));
}

}  // namespace quantpress::graph
