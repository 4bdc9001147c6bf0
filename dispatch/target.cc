#include "dispatch/target.h"

#include <array>
#include <atomic>
#include <cstdlib>

#include "hwy/highway.h"

namespace quantpress::dispatch {
namespace {

struct IsaRow {
  Isa isa;
  std::string_view name;
  int64_t target;  // Highway's bit
};

// Slowest first. Highway's bits get smaller as targets get better.
constexpr std::array<IsaRow, 6> kIsas = {{
    {Isa::kScalar, "scalar", HWY_ENABLED_BASELINE& HWY_EMU128 ? HWY_EMU128 : HWY_SCALAR},
    {Isa::kSsse3, "ssse3", HWY_SSSE3},
    {Isa::kSse4, "sse4", HWY_SSE4},
    {Isa::kAvx2, "avx2", HWY_AVX2},
    {Isa::kAvx512, "avx512", HWY_AVX3},
    {Isa::kNeon, "neon", HWY_NEON},
}};

// Asked once, before anything is selected: hwy::SupportedTargets() lets kernels use every target again, whatever
// DisableTargets has said, and it takes long.
int64_t CpuTargets() {
  static const int64_t targets = HWY_SUPPORTED_TARGETS & HWY_TARGETS;
  return targets;
}

// Forces the question above to be asked before main() can select anything.
[[maybe_unused]] const int64_t kAskedEarly = CpuTargets();

// kAuto: nothing was selected, and kernels use the best.
std::atomic<Isa> selected{Isa::kAuto};

Isa BestIsa() {
  Isa best = Isa::kScalar;
  for (const IsaRow& row : kIsas) {
    if ((CpuTargets() & row.target) != 0) best = row.isa;
  }
  return best;
}

std::string IsaNames() {
  std::string names = "auto";
  for (const IsaRow& row : kIsas) names.append(", ").append(row.name);
  return names;
}

}  // namespace

std::string_view IsaName(Isa isa) {
  for (const IsaRow& row : kIsas) {
    if (row.isa == isa) return row.name;
  }
  return "auto";
}

StatusOr<Isa> ParseIsa(std::string_view name) {
  if (name == "auto") return Isa::kAuto;
  for (const IsaRow& row : kIsas) {
    if (row.name == name) return row.isa;
  }
  return InvalidInput("'{}' is not an instruction set; expected one of: {}", name, IsaNames());
}

std::vector<Isa> AvailableIsas() {
  std::vector<Isa> isas;
  for (const IsaRow& row : kIsas) {
    if ((CpuTargets() & row.target) != 0) isas.push_back(row.isa);
  }
  return isas;
}

std::string AvailableIsaNames() {
  std::string names;
  for (const Isa isa : AvailableIsas()) names.append(names.empty() ? "" : ", ").append(IsaName(isa));
  return names;
}

Status SelectIsa(Isa isa) {
  for (const IsaRow& row : kIsas) {
    if (row.isa != (isa == Isa::kAuto ? BestIsa() : isa) || (CpuTargets() & row.target) == 0) continue;
    hwy::DisableTargets(row.target - 1);  // everything better
    selected = row.isa;
    return absl::OkStatus();
  }
  return InvalidInput("instruction set '{}' is not available here; this CPU and build have: {}", IsaName(isa),
                      AvailableIsaNames());
}

Isa ActiveIsa() {
  const Isa isa = selected;
  return isa == Isa::kAuto ? BestIsa() : isa;
}

StatusOr<Isa> IsaFromEnvironment() {
  const char* value = std::getenv(kIsaEnvironmentVariable);
  if (value == nullptr || *value == '\0') return Isa::kAuto;
  StatusOr<Isa> isa = ParseIsa(value);
  if (!isa.ok()) return Annotate(isa.status(), kIsaEnvironmentVariable);
  return isa;
}

}  // namespace quantpress::dispatch
