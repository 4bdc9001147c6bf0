#include "graph/version.h"

namespace quantpress::graph {

const char* Version() { return QUANTPRESS_VERSION; }

}  // namespace quantpress::graph
