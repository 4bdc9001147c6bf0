// Names for what the CPU can do, and which of it kernels use. The choice belongs to a call and never to the process:
// two conversions at the same time may use different instruction sets.
#ifndef QUANTPRESS_DISPATCH_TARGET_H_
#define QUANTPRESS_DISPATCH_TARGET_H_

#include <cstddef>
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

// What this program was built for and this CPU can run, slowest first.
std::vector<Isa> AvailableIsas();

// "scalar, ssse3, sse4": the names of AvailableIsas().
std::string AvailableIsaNames();

// The instruction set to use where `isa` is asked for: itself, or for kAuto the best. InvalidInput if the CPU or the
// build lacks it.
StatusOr<Isa> ResolveIsa(Isa isa);

// What kernels use on the calling thread; never kAuto.
Isa ActiveIsa();

// Kernels of the calling thread use `isa` until the end of the scope, then again what they used before. kAuto changes
// nothing. Work on other threads is not touched: RunTasks opens a scope on each of its workers. Precondition:
// ResolveIsa(isa) is ok.
class IsaScope {
 public:
  explicit IsaScope(Isa isa);
  ~IsaScope();
  IsaScope(const IsaScope&) = delete;
  IsaScope& operator=(const IsaScope&) = delete;

 private:
  Isa old_isa_;
  size_t old_column_;
};

// The value of QUANTPRESS_ISA: kAuto where it is unset or empty, InvalidInput where it is no name.
StatusOr<Isa> IsaFromEnvironment();

}  // namespace quantpress::dispatch

#endif  // QUANTPRESS_DISPATCH_TARGET_H_
