// Read-only bytes that somebody else keeps alive: a piece of a mapped file, or a heap buffer.
#ifndef QUANTPRESS_GRAPH_IR_BYTES_H_
#define QUANTPRESS_GRAPH_IR_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dispatch/status.h"

namespace quantpress::graph {

// Cheap to copy. `data` stays valid as long as any copy of `owner` lives. No alignment is promised.
struct Bytes {
  std::shared_ptr<const void> owner;
  const uint8_t* data = nullptr;
  uint64_t size = 0;

  bool empty() const { return size == 0; }

  // [offset, offset + length). Precondition: it lies inside.
  Bytes Slice(uint64_t offset, uint64_t length) const { return {owner, data + offset, length}; }

  // Takes over a vector of trivially copyable elements.
  template <typename T>
  static Bytes Own(std::vector<T> values) {
    auto owner = std::make_shared<const std::vector<T>>(std::move(values));
    const auto* data = reinterpret_cast<const uint8_t*>(owner->data());
    const uint64_t size = owner->size() * sizeof(T);
    return {std::move(owner), data, size};
  }
};

// Maps a regular file read-only. Errors name the file and the reason. An empty file gives an empty view.
// A file that another process truncates while it is mapped ends the process with SIGBUS: callers document that a source
// must not change during a conversion.
StatusOr<Bytes> MapFile(const std::string& path);

// 0 where there is none.
uint64_t FileSize(const std::string& path);

// The bytes of `count` numbers, or of a text, as they lie in memory.
template <typename T>
std::span<const uint8_t> AsBytes(const T* data, uint64_t count) {
  return {reinterpret_cast<const uint8_t*>(data), count * sizeof(T)};
}
inline std::span<const uint8_t> AsBytes(std::string_view text) { return AsBytes(text.data(), text.size()); }

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IR_BYTES_H_
