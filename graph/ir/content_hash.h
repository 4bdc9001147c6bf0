// A fast hash of file contents, to tell whether a file is the one that it was. It guards against change, not against forgery.
#ifndef QUANTPRESS_GRAPH_IR_CONTENT_HASH_H_
#define QUANTPRESS_GRAPH_IR_CONTENT_HASH_H_

#include <string>
#include <string_view>

#include "dispatch/status.h"

namespace quantpress::graph {

// XXH3 with 128 bits, as 32 hexadecimal digits. The same on every machine.
std::string ContentHash(std::string_view text);
// Of a regular file.
StatusOr<std::string> FileHash(const std::string& path);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IR_CONTENT_HASH_H_
