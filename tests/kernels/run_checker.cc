#include "tests/kernels/run_checker.h"

#include <algorithm>
#include <bit>

#include "dispatch/dequantize_run.h"
#include "dispatch/target.h"
#include "fmt/format.h"
#include "tests/reference/oracle.h"

namespace quantpress::testing_data {
namespace {

using dispatch::QuantMethod;

reference::Method OracleMethod(QuantMethod method) {
  switch (method) {
    case QuantMethod::kSymmetric: return reference::Method::kSymmetric;
    case QuantMethod::kAsymmetric: return reference::Method::kAsymmetric;
    default: return reference::Method::kHqq;
  }
}

template <typename T>
std::string FirstDifference(const char* what, const std::vector<T>& got, const std::vector<T>& want) {
  if (got.size() != want.size()) return fmt::format("{}: {} entries, expected {}", what, got.size(), want.size());
  for (size_t i = 0; i < got.size(); ++i) {
    if constexpr (std::is_same_v<T, float>) {
      if (std::bit_cast<uint32_t>(got[i]) == std::bit_cast<uint32_t>(want[i])) continue;
    } else {
      if (got[i] == want[i]) continue;
    }
    return fmt::format("{}[{}] is {}, expected {}", what, i, got[i], want[i]);
  }
  return "";
}

std::string CheckOnIsa(const dispatch::CodingSpec& spec, const std::vector<float>& weights, size_t groups,
                       size_t group_size, const reference::Coded& want) {
  constexpr uint8_t kGuard = 0xA5;
  // A run may start at any byte; nothing behind its output may be touched.
  const size_t bytes = kernels::PackedBytes(weights.size(), spec.bits);
  std::vector<uint8_t> packed(bytes + 65, kGuard);
  const size_t alphas = dispatch::AlphaCount(spec.method, groups);
  std::vector<float> alpha(spec.half_scales ? 0 : alphas);
  std::vector<uint16_t> alpha_half(spec.half_scales ? alphas : 0);
  std::vector<std::byte> scratch(dispatch::QuantizeRunScratchBytes(spec, groups, group_size), std::byte{0xFF});
  if (scratch.size() > 1024 * 1024) return "more than 1 MB of scratch";
  kernels::ErrorStats stats;
  const size_t bad = dispatch::QuantizeRun(spec, weights.data(), groups, group_size, scratch,
                                           {packed.data() + 1, alpha.data(), alpha_half.data(), &stats});
  if (bad != kernels::kNoNonFinite) return fmt::format("weight {} is said not to be finite", bad);
  if (packed[0] != kGuard || !std::all_of(packed.begin() + 1 + static_cast<std::ptrdiff_t>(bytes), packed.end(),
                                          [](uint8_t byte) { return byte == kGuard; })) {
    return "wrote outside the output";
  }
  packed.erase(packed.begin());
  packed.resize(bytes);
  if (spec.half_scales) {
    if (std::string s = FirstDifference("alpha", alpha_half, want.half_alpha); !s.empty()) return s;
  } else {
    if (std::string s = FirstDifference("alpha", alpha, want.alpha); !s.empty()) return s;
  }
  if (std::string s = FirstDifference("packed", packed, want.packed); !s.empty()) return s;
  if (stats.count != weights.size()) return "stats.count";

  const reference::Method method = OracleMethod(spec.method);
  const auto expected = reference::Dequantize(method, spec.bits, spec.half_scales, want, groups, group_size);
  std::vector<float> decoded(weights.size());
  const dispatch::DecodeSpec decode = {.bits = spec.bits,
                                       .asymmetric = dispatch::IsAsymmetric(spec.method),
                                       .min_code = kernels::CodeMin(spec.bits)};
  const dispatch::AlphaView view = {spec.half_scales ? nullptr : alpha.data(),
                                    spec.half_scales ? alpha_half.data() : nullptr};
  dispatch::DequantizeRun(decode, packed.data(), 0, groups, group_size, view, decoded.data());
  if (std::string s = FirstDifference("decoded", decoded, expected); !s.empty()) return s;
  std::vector<int8_t> codes;
  for (const int code : want.codes) codes.push_back(static_cast<int8_t>(code));
  dispatch::DequantizeCodes(decode, codes.data(), groups, group_size, view, decoded.data());
  return FirstDifference("decoded from bytes", decoded, expected);
}

}  // namespace

std::string CheckRun(const dispatch::CodingSpec& spec, const std::vector<float>& weights, size_t groups,
                     size_t group_size) {
  const reference::Coded want =
      reference::Quantize(OracleMethod(spec.method), spec.bits, spec.half_scales, weights, groups, group_size);
  std::string result;
  for (const dispatch::Isa isa : dispatch::AvailableIsas()) {
    const dispatch::IsaScope scope(isa);
    if (std::string difference = CheckOnIsa(spec, weights, groups, group_size, want); !difference.empty()) {
      result = fmt::format("{}: method {}, {} bits, half {}, {} groups of {}: {}", dispatch::IsaName(isa),
                           static_cast<int>(spec.method), spec.bits, spec.half_scales, groups, group_size, difference);
      break;
    }
  }
  return result;
}

}  // namespace quantpress::testing_data
