// The one place that asks what the CPU can do. Everything else reads the answer; kernels follow automatically.
#ifndef QUANTPRESS_DISPATCH_TARGET_H_
#define QUANTPRESS_DISPATCH_TARGET_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "dispatch/status.h"

namespace quantpress::dispatch {

enum class Isa : uint8_t { kAuto, kScalar, kSsse3, kSse4, kAvx2, kAvx512, kNeon };

inline constexpr char kIsaEnvironmentVariable[] = "QUANTPRESS_ISA";

// auto, scalar, ssse3, sse4, avx2, avx512, neon
std::string_view IsaName(Isa isa);

// Case-sensitive; the error lists the names.
StatusOr<Isa> ParseIsa(std::string_view name);

// What this program was built for and this CPU can run, slowest first. Not affected by SelectIsa.
std::vector<Isa> AvailableIsas();

// "scalar, ssse3, sse4": the names of AvailableIsas().
std::string AvailableIsaNames();

// Makes kernels use `isa` from the next call on; kAuto takes the best. InvalidInput if the CPU or the build lacks it.
// Call it before work starts: it must not run while another thread is inside a kernel.
Status SelectIsa(Isa isa);

// What kernels use now; never kAuto.
Isa ActiveIsa();

// The value of QUANTPRESS_ISA: kAuto where it is unset or empty, InvalidInput where it is no name.
StatusOr<Isa> IsaFromEnvironment();

}  // namespace quantpress::dispatch

#endif  // QUANTPRESS_DISPATCH_TARGET_H_
