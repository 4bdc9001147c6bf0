// `quantpress cpu`: what was found, and what is used.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "dispatch/target.h"
#include "tools/commands/commands.h"

namespace quantpress::tools {

int RunCpu(const Context& context) {
  const StatusOr<dispatch::Isa> isa = IsaFromLine(context.line);
  if (!isa.ok()) return Fail(context, isa.status());
  const std::string_view used = dispatch::IsaName(*isa);
  const char* variable = std::getenv(dispatch::kIsaEnvironmentVariable);
  const std::string reason = context.line.Given("isa")                  ? "--isa"
                             : variable != nullptr && *variable != '\0' ? dispatch::kIsaEnvironmentVariable
                                                                        : "default";
  if (context.line.Flag("json")) {
    nlohmann::ordered_json json;
    json["available"] = nlohmann::ordered_json::array();
    for (const dispatch::Isa each : dispatch::AvailableIsas()) json["available"].push_back(dispatch::IsaName(each));
    json["used"] = used;
    json["chosen_by"] = reason;
    json["threads"] = AvailableThreads();
    return PrintData(context, json.dump(2) + "\n");
  }
  return PrintData(context, fmt::format("instruction sets: {}\nused:             {} ({})\nthreads:          {}\n",
                                        dispatch::AvailableIsaNames(), used, reason, AvailableThreads()));
}

}  // namespace quantpress::tools
