#include "tools/verify/child_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace quantpress::tools {
namespace {

constexpr long kPollNanoseconds = 10'000'000;
// What a child that cannot become the program ends with, where posix_spawn does not report it itself (POSIX allows both; under an emulator of
// user programs it is this one).
constexpr int kNotExecuted = 127;

class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

}  // namespace

StatusOr<ChildEnd> RunChild(const std::vector<std::string>& words, const std::string& output,
                            const dispatch::CancellationToken& cancellation) {
  FileActions actions;
  posix_spawn_file_actions_addopen(actions.get(), STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(actions.get(), STDOUT_FILENO, output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  posix_spawn_file_actions_adddup2(actions.get(), STDOUT_FILENO, STDERR_FILENO);
  std::vector<char*> arguments;
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  ChildEnd end;
  pid_t child = 0;
  const int error = posix_spawnp(&child, arguments[0], actions.get(), nullptr, arguments.data(), environ);
  if (error != 0) {
    end.problem = std::strerror(error);
    return end;
  }
  end.started = true;
  int state = 0;
  for (;;) {
    const pid_t ended = waitpid(child, &state, WNOHANG);
    if (ended == child) break;
    if (ended < 0 && errno != EINTR) return SystemError("cannot wait for '{}': {}", words[0], std::strerror(errno));
    if (cancellation.cancelled()) {
      kill(child, SIGKILL);
      while (waitpid(child, &state, 0) < 0 && errno == EINTR) {
      }
      return Cancelled();
    }
    const timespec pause = {0, kPollNanoseconds};
    nanosleep(&pause, nullptr);
  }
  if (WIFSIGNALED(state)) end.signal = WTERMSIG(state);
  if (WIFEXITED(state)) end.code = WEXITSTATUS(state);
  if (end.code == kNotExecuted && words[0].find('/') != std::string::npos && access(words[0].c_str(), X_OK) != 0) {
    end.started = false;
    end.problem = std::strerror(errno);
  }
  return end;
}

}  // namespace quantpress::tools
