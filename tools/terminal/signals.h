// Ctrl-C and its relatives cancel the work instead of ending the process, so that no temporary file is left behind.
#ifndef QUANTPRESS_TOOLS_TERMINAL_SIGNALS_H_
#define QUANTPRESS_TOOLS_TERMINAL_SIGNALS_H_

#include "dispatch/cancellation.h"

namespace quantpress::tools {

// SIGINT, SIGTERM and SIGHUP raise the token from now on, unless the caller of the program has them ignored. The same
// signal again, a second later or more, ends the process at once.
const dispatch::CancellationToken& CancelOnSignals();

// The signal that came, or 0.
int SignalReceived();

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_TERMINAL_SIGNALS_H_
