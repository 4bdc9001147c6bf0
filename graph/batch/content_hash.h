// A fast hash of file contents, to tell whether a file is the one that it was. It guards against change, not against forgery.
#ifndef QUANTPRESS_GRAPH_BATCH_CONTENT_HASH_H_
#define QUANTPRESS_GRAPH_BATCH_CONTENT_HASH_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "dispatch/status.h"

namespace quantpress::graph {

// XXH64 as its specification (github.com/Cyan4973/xxHash, doc/xxhash_spec.md) defines it. The same on every machine.
uint64_t Xxh64(std::span<const uint8_t> bytes, uint64_t seed);

// Two XXH64 with different seeds, as 32 hexadecimal digits.
std::string ContentHash(std::span<const uint8_t> bytes);
std::string ContentHash(std::string_view text);
// Of a regular file.
StatusOr<std::string> FileHash(const std::string& path);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_BATCH_CONTENT_HASH_H_
