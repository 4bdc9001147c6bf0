// `quantpress verify` and --testdir: a model on the stock runtime.
#include <cmath>
#include <cstdlib>

#include "tools/commands/commands.h"
#include "tools/terminal/signals.h"
#include "tools/verify/self_test.h"

namespace quantpress::tools {
namespace {

// The lines of the stock tool, which scripts around it read (auto_quant.py).
std::string LineFor(const OutputCheck& check) {
  if (!check.problem.empty()) return fmt::format("TESTERROR {}: {}\n", check.name, check.problem);
  return fmt::format("TESTERROR {} value error : absMaxV:{:.6f} - DiffMax {:.6f}\n", check.name, check.largest,
                     check.difference);
}

}  // namespace

int VerifyFile(const Context& context, const std::string& path) {
  const ParsedLine& line = context.line;
  SelfTest test;
  test.model = path;
  test.folder = line.Text("testdir");
  test.config = line.Text("testconfig");
  test.python = line.Text("python");
  test.threshold = std::strtod(line.Text("thredhold").c_str(), nullptr);
  const StatusOr<std::vector<OutputCheck>> checks = RunSelfTest(test, CancelOnSignals());
  if (!checks.ok()) {
    if (absl::IsCancelled(checks.status()) && SignalReceived() != 0) {
      context.messages.Error("cancelled; the model was not tested");
      return 128 + SignalReceived();
    }
    context.messages.Error(Message(checks.status()));
    return absl::IsNotFound(checks.status()) ? kExitNoRuntime : kExitError;
  }
  std::string out;
  size_t failed = 0;
  for (const OutputCheck& check : *checks) {
    if (!check.short_reference.empty()) context.messages.Warning(check.short_reference + "; the others count as 0");
    if (check.skipped) {
      context.messages.Note(
          fmt::format("output '{}' has no reference ('{}.txt'); it is not compared", check.name, check.name));
    } else if (check.passed) {
      context.messages.Plain(fmt::format("output '{}': largest value {:.6g}, largest difference {:.3g}", check.name,
                                         check.largest, check.difference));
    } else {
      out += LineFor(check);
      ++failed;
    }
  }
  if (failed == 0) out = "TEST_SUCCESS\n";
  if (const int code = PrintData(context, Printable(out)); code != kExitOk) return code;
  return failed == 0 ? kExitOk : kExitTestFailed;
}

int RunVerify(const Context& context) {
  if (!context.line.Given("testdir")) return FailUsage(context, InvalidInput("--testdir is missing"));
  return VerifyFile(context, context.line.words[0]);
}

}  // namespace quantpress::tools
