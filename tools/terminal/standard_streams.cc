#include "tools/terminal/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "graph/export/write_all.h"

namespace quantpress::tools {

void PrepareStandardStreams() {
  // Opened the wrong way round, so that use of a stream that was closed fails as it would have.
  const int modes[] = {O_WRONLY, O_RDONLY, O_RDONLY};
  for (int descriptor = 0; descriptor <= 2; ++descriptor) {
    if (fcntl(descriptor, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free number is `descriptor`, because all below it are open.
    if (open("/dev/null", modes[descriptor]) < 0) _exit(1);
  }
  std::signal(SIGPIPE, SIG_IGN);
  // Likewise for a file that would pass the limit of the process.
  std::signal(SIGXFSZ, SIG_IGN);
}

Status WriteStandardOutput(std::string_view text) {
  const int error = graph::WriteAll(STDOUT_FILENO, text);
  if (error == 0) return absl::OkStatus();
  return SystemError("cannot write to standard output: {}", std::strerror(error));
}

void WriteStandardError(std::string_view text) { graph::WriteAll(STDERR_FILENO, text); }

}  // namespace quantpress::tools
