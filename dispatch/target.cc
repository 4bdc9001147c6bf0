#include "dispatch/target.h"

#include <array>
#include <cstdlib>

#include "kernels/target.h"

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

// kAuto: nothing was asked for, and kernels use the best.
constinit thread_local Isa thread_isa = Isa::kAuto;

Isa BestIsa() {
  Isa best = Isa::kScalar;
  for (const IsaRow& row : kIsas) {
    if ((kernels::CpuTargets() & row.target) != 0) best = row.isa;
  }
  return best;
}

int64_t TargetOf(Isa isa) {
  for (const IsaRow& row : kIsas) {
    if (row.isa == isa) return row.target;
  }
  return 0;
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
    if ((kernels::CpuTargets() & row.target) != 0) isas.push_back(row.isa);
  }
  return isas;
}

std::string AvailableIsaNames() {
  std::string names;
  for (const Isa isa : AvailableIsas()) names.append(names.empty() ? "" : ", ").append(IsaName(isa));
  return names;
}

StatusOr<Isa> ResolveIsa(Isa isa) {
  if (isa == Isa::kAuto) return BestIsa();
  if ((kernels::CpuTargets() & TargetOf(isa)) != 0) return isa;
  return InvalidInput("instruction set '{}' is not available here; this CPU and build have: {}", IsaName(isa),
                      AvailableIsaNames());
}

Isa ActiveIsa() { return thread_isa == Isa::kAuto ? BestIsa() : thread_isa; }

IsaScope::IsaScope(Isa isa) : old_isa_(thread_isa), old_column_(kernels::SetThreadColumn(0)) {
  if (isa != Isa::kAuto) thread_isa = isa;
  kernels::SetThreadColumn(thread_isa == Isa::kAuto ? 0 : kernels::ColumnOf(TargetOf(thread_isa)));
}

IsaScope::~IsaScope() {
  thread_isa = old_isa_;
  kernels::SetThreadColumn(old_column_);
}

StatusOr<Isa> IsaFromEnvironment() {
  const char* value = std::getenv(kIsaEnvironmentVariable);
  if (value == nullptr || *value == '\0') return Isa::kAuto;
  StatusOr<Isa> isa = ParseIsa(value);
  if (!isa.ok()) return Annotate(isa.status(), kIsaEnvironmentVariable);
  return isa;
}

}  // namespace quantpress::dispatch
