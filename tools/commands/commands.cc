#include "tools/commands/commands.h"

#include <algorithm>
#include <cerrno>
#include <thread>

#include "dispatch/target.h"
#include "graph/version.h"
#include "tools/terminal/standard_streams.h"

namespace quantpress::tools {

std::string Context::Program() const {
  return as_mnnconvert ? "MNNConvert" : fmt::format("quantpress {}", line.command->name);
}

int Fail(const Context& context, const Status& status) {
  context.messages.Error(Message(status));
  return kExitError;
}

int FailUsage(const Context& context, const Status& status) {
  context.messages.Error(fmt::format("{} (`{} --help` explains)", Message(status), context.Program()));
  return kExitUsage;
}

int PrintData(const Context& context, std::string_view text) {
  const Status status = WriteStandardOutput(text);
  if (status.ok()) return kExitOk;
  return errno == EPIPE ? kExitError : Fail(context, status);
}

StatusOr<dispatch::Isa> IsaFromLine(const ParsedLine& line) {
  const bool given = line.Given("isa");
  QP_ASSIGN_OR_RETURN(const dispatch::Isa asked, given ? dispatch::ParseIsa(line.Text("isa")) : dispatch::IsaFromEnvironment());
  const StatusOr<dispatch::Isa> isa = dispatch::ResolveIsa(asked);
  if (!isa.ok()) return Annotate(isa.status(), given ? "--isa" : dispatch::kIsaEnvironmentVariable);
  return isa;
}

int AvailableThreads() { return std::max(1, static_cast<int>(std::thread::hardware_concurrency())); }

int RunVersion(const Context& context) {
  // The stock tool prints the number of its release and nothing else in front of it.
  const std::string text =
      context.as_mnnconvert
          ? fmt::format("{} (quantpress {})\n", graph::kMnnVersion, graph::Version())
          : fmt::format("quantpress {} (writes models for MNN {})\n", graph::Version(), graph::kMnnVersion);
  return PrintData(context, text);
}

}  // namespace quantpress::tools
