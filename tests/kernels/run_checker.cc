#include "tests/kernels/run_checker.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <optional>

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

// What is reported of a run.
struct Measured {
  kernels::ErrorStats stats;
  kernels::Histograms histograms;
};

// A sum of floats. `terms`: of the magnitudes that were added up. Squares may be below or beyond the floats, and so may what
// extreme weights are decoded to.
std::string CheckSum(const char* what, double got, double want, double terms) {
  if (!std::isfinite(got) ? !(terms <= 1e36) : std::abs(got - want) <= 2e-5 * terms + 1e-30) return "";
  return fmt::format("{} is {}, expected {}", what, got, want);
}

// What was measured, against the oracle's codes and what it decodes them to.
std::string CheckMeasured(const Measured& got, const std::vector<float>& weights, const std::vector<float>& decoded,
                          const std::vector<int>& codes, int bits) {
  double error = 0, weight = 0, square = 0, dot = 0, products = 0, worst = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double w = weights[i], q = decoded[i], e = static_cast<double>(decoded[i] - weights[i]);
    error += e * e;
    weight += w * w;
    square += q * q;
    dot += w * q;
    products += std::abs(w * e);
    worst = std::max(worst, std::abs(e));
  }
  const kernels::ErrorStats& stats = got.stats;
  if (stats.count != weights.size()) return "stats.count";
  const auto [low, high] = std::minmax_element(weights.begin(), weights.end());
  if (stats.smallest != *low || stats.largest != *high) return "the range of the weights";
  if (stats.max_absolute_error != worst) return fmt::format("largest error {}, expected {}", stats.max_absolute_error, worst);
  const std::string sums =
      CheckSum("the sum of squared errors", stats.sum_squared_error, error, error) +
      CheckSum("the sum of squared weights", stats.sum_squared_weight, weight, weight) +
      CheckSum("the sum of squared decoded weights", stats.sum_squared_decoded, square, weight + 2 * products + error) +
      CheckSum("the sum of products", stats.dot, dot, weight + products);
  if (!sums.empty()) return sums;
  kernels::Histograms expected;
  for (size_t i = 0; i < weights.size(); i += got.histograms.stride) {
    const auto index = static_cast<uint8_t>(codes[i] - kernels::CodeMin(bits));
    expected.Add(&weights[i], &decoded[i], &index, 1);
  }
  const kernels::Histograms& counts = got.histograms;
  return counts.codes == expected.codes && counts.weights == expected.weights && counts.decoded == expected.decoded
             ? ""
             : "histograms";
}

bool SameBits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b) || (std::isnan(a) && std::isnan(b));
}

bool SameErrors(const kernels::ErrorStats& a, const kernels::ErrorStats& b) {
  return SameBits(a.sum_squared_error, b.sum_squared_error) && SameBits(a.sum_squared_weight, b.sum_squared_weight) &&
         SameBits(a.sum_squared_decoded, b.sum_squared_decoded) && SameBits(a.dot, b.dot);
}

std::string CheckOnIsa(const dispatch::CodingSpec& spec, const std::vector<float>& weights, size_t groups,
                       size_t group_size, const reference::Coded& want, Measured* measured) {
  constexpr uint8_t kGuard = 0xA5;
  // A run may start at any byte; nothing behind its output may be touched.
  const size_t bytes = kernels::PackedBytes(weights.size(), spec.bits);
  std::vector<uint8_t> packed(bytes + 65, kGuard);
  const size_t alphas = dispatch::AlphaCount(spec.method, groups);
  std::vector<float> alpha(spec.half_scales ? 0 : alphas);
  std::vector<uint16_t> alpha_half(spec.half_scales ? alphas : 0);
  std::vector<std::byte> scratch(dispatch::QuantizeRunScratchBytes(spec, groups, group_size), std::byte{0xFF});
  if (scratch.size() > 1024 * 1024) return "more than 1 MB of scratch";
  measured->histograms.stride = 1 + (weights.size() + group_size) % 70;
  const size_t bad = dispatch::QuantizeRun(
      spec, weights.data(), groups, group_size, scratch,
      {packed.data() + 1, alpha.data(), alpha_half.data(), &measured->stats, &measured->histograms});
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
  const reference::Method method = OracleMethod(spec.method);
  const auto expected = reference::Dequantize(method, spec.bits, spec.half_scales, want, groups, group_size);
  if (std::string s = CheckMeasured(*measured, weights, expected, want.codes, spec.bits); !s.empty()) return s;
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
  std::optional<kernels::ErrorStats> first;
  for (const dispatch::Isa isa : dispatch::AvailableIsas()) {
    const dispatch::IsaScope scope(isa);
    Measured measured;
    std::string difference = CheckOnIsa(spec, weights, groups, group_size, want, &measured);
    if (!first) first = measured.stats;
    if (difference.empty() && !SameErrors(measured.stats, *first)) difference = "statistics depend on the instruction set";
    if (!difference.empty()) {
      result = fmt::format("{}: method {}, {} bits, half {}, {} groups of {}: {}", dispatch::IsaName(isa),
                           static_cast<int>(spec.method), spec.bits, spec.half_scales, groups, group_size, difference);
      break;
    }
  }
  return result;
}

}  // namespace quantpress::testing_data
