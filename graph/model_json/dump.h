// The whole of an MNN file as JSON. docs/json.md describes the form; read.h is the inverse.
#ifndef QUANTPRESS_GRAPH_MODEL_JSON_DUMP_H_
#define QUANTPRESS_GRAPH_MODEL_JSON_DUMP_H_

#include <functional>
#include <string_view>

#include "graph/ir/bytes.h"

namespace quantpress::graph {

// Gets the text piece by piece. An error ends the dump.
using TextSink = std::function<Status(std::string_view)>;

struct DumpFacts {
  bool external = false;  // weights lie in the external weight file
};

// Every field that the file holds, in the order of the schema; nothing is added and nothing is left out. Takes memory
// for one piece of text only; the same content gives the same pieces. Precondition: the file is verified (MnnVerifies).
// Errors: fields or kinds of parameters that the schema does not know, and which would be lost; tables that are shared
// so often that the text would be absurdly long; those of `sink`.
StatusOr<DumpFacts> DumpMnn(const Bytes& file, const TextSink& sink);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_MODEL_JSON_DUMP_H_
