// Another program, started and waited for.
#ifndef QUANTPRESS_TOOLS_VERIFY_CHILD_PROCESS_H_
#define QUANTPRESS_TOOLS_VERIFY_CHILD_PROCESS_H_

#include <string>
#include <vector>

#include "dispatch/cancellation.h"
#include "dispatch/status.h"

namespace quantpress::tools {

struct ChildEnd {
  bool started = false;
  std::string problem;  // why it was not started
  int signal = 0;       // that ended it
  int code = 0;
};

// Runs `words[0]` (searched on the PATH where it has no slash) with standard output and error going to the file
// `output`. Errors: cancelled (the program is ended); the system refuses for other reasons than the program itself.
StatusOr<ChildEnd> RunChild(const std::vector<std::string>& words, const std::string& output,
                            const dispatch::CancellationToken& cancellation);

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_VERIFY_CHILD_PROCESS_H_
