// One function per command. Each returns the exit code of the process and has printed what there is to say.
#ifndef QUANTPRESS_TOOLS_COMMANDS_COMMANDS_H_
#define QUANTPRESS_TOOLS_COMMANDS_COMMANDS_H_

#include <string>
#include <string_view>

#include "dispatch/status.h"
#include "graph/convert.h"
#include "tools/options/parse.h"
#include "tools/terminal/messages.h"

namespace quantpress::tools {

inline constexpr int kExitOk = 0;
inline constexpr int kExitError = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitTestFailed = 3;  // the runtime gave other numbers than the references
inline constexpr int kExitNoRuntime = 4;   // there is nothing to test with

struct Context {
  ParsedLine line;
  Messages messages;
  bool as_mnnconvert = false;  // called under that name

  // "quantpress convert", "MNNConvert": for hints in messages.
  std::string Program() const;
};

int RunConvert(const Context& context);
int RunPlan(const Context& context);
int RunBatch(const Context& context);
int RunInspect(const Context& context);
int RunVerify(const Context& context);
int RunOps(const Context& context);
int RunCpu(const Context& context);
int RunVersion(const Context& context);

// Prints what a conversion would do, for `plan` and --dry-run: a table, or with --json what a plan file holds.
int PrintPlan(const Context& context, const graph::ConvertOptions& options);

// Runs a model on the stock runtime as the options of the self test say, for `verify` and for --testdir.
int VerifyFile(const Context& context, const std::string& path);

// Inspects one file, for `inspect` and for --info.
int InspectFile(const Context& context, const std::string& path, bool json);

// Lists the operators of ONNX, for `ops` and for --OP.
int ListOps(const Context& context, bool json);

// Prints an error and returns kExitError.
int Fail(const Context& context, const Status& status);
// Prints an error and a hint to --help, and returns kExitUsage.
int FailUsage(const Context& context, const Status& status);
// Writes data to standard output. A pipe whose reader is gone ends the program without a message.
int PrintData(const Context& context, std::string_view text);

// The instruction set that --isa, else QUANTPRESS_ISA, else the CPU says; never kAuto.
StatusOr<dispatch::Isa> IsaFromLine(const ParsedLine& line);
// Threads that the process may use.
int AvailableThreads();

}  // namespace quantpress::tools

#endif  // QUANTPRESS_TOOLS_COMMANDS_COMMANDS_H_
