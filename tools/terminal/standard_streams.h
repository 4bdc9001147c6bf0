// The three standard streams, where any of them may be closed, full, or a pipe that nobody reads.
#ifndef QUANTPRESS_TOOLS_TERMINAL_STANDARD_STREAMS_H_
#define QUANTPRESS_TOOLS_TERMINAL_STANDARD_STREAMS_H_

#include <string_view>

#include "dispatch/status.h"

namespace quantpress::tools {

// Call first. Fills closed standard descriptors, so that no file that is opened later gets number 0, 1 or 2 and has
// messages written into it. Writing to a pipe that nobody reads, or past the limit of file sizes, becomes
// an error instead of a signal.
void PrepareStandardStreams();

// Everything or an error.
Status WriteStandardOutput(std::string_view text);

// Failures are ignored: there is nowhere left to report them.
void WriteStandardError(std::string_view text);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_TERMINAL_STANDARD_STREAMS_H_
