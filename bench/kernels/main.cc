// Kernel x instruction set x width x group size. "sum" reads weights and does next to nothing: what memory allows.
//   quantpress_kernels_bench --benchmark_filter='hqq/4/64'
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "bench/kernels/bench_util.h"
#include "benchmark/benchmark.h"
#include "dispatch/dequantize_run.h"
#include "dispatch/quantize_run.h"
#include "fmt/format.h"
#include "kernels/finite.h"
#include "kernels/group_range.h"
#include "kernels/half.h"
#include "kernels/pack.h"
#include "kernels/transpose.h"
#include "tests/reference/oracle.h"

namespace quantpress::bench {
namespace {

using dispatch::CodingSpec;
using dispatch::QuantMethod;

// Output and scratch memory of all benchmarks, touched before anything is timed.
struct Buffers {
  std::vector<uint8_t> bytes = std::vector<uint8_t>(kMemoryWeights);
  std::vector<float> alpha = std::vector<float>(kMemoryWeights / 8);
  std::vector<float> floats = std::vector<float>(kMemoryWeights);
  std::vector<uint16_t> halves = std::vector<uint16_t>(kMemoryWeights);
  std::vector<std::byte> scratch = std::vector<std::byte>(1 << 20);
};

Buffers& Shared() {
  static Buffers buffers;
  return buffers;
}

void Quantize(const CodingSpec& spec, std::span<const float> weights, size_t group_size, kernels::ErrorStats* stats) {
  Buffers& b = Shared();
  benchmark::DoNotOptimize(dispatch::QuantizeRun(spec, weights.data(), weights.size() / group_size, group_size,
                                                 b.scratch, {b.bytes.data(), b.alpha.data(), nullptr, stats}));
  benchmark::ClobberMemory();
}

std::string CheckQuantize(const CodingSpec& spec, size_t group_size) {
  const std::span<const float> all = Weights(Place::kCache);
  const size_t groups = std::max<size_t>(4096 / group_size, 1);
  const std::vector<float> weights(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(groups * group_size));
  const auto method = static_cast<reference::Method>(spec.method);
  const reference::Coded want = reference::Quantize(method, spec.bits, false, weights, groups, group_size);
  Quantize(spec, weights, group_size, nullptr);
  const bool equal = std::equal(want.packed.begin(), want.packed.end(), Shared().bytes.begin()) &&
                     std::memcmp(want.alpha.data(), Shared().alpha.data(), want.alpha.size() * sizeof(float)) == 0;
  return equal ? "" : "output differs from the oracle";
}

std::string NoCheck() { return ""; }

void RegisterQuantize() {
  const struct {
    const char* name;
    QuantMethod method;
  } methods[] = {{"symmetric", QuantMethod::kSymmetric}, {"asymmetric", QuantMethod::kAsymmetric}, {"hqq", QuantMethod::kHqq}};
  for (const auto& [name, method] : methods) {
    for (int bits = 2; bits <= 8; ++bits) {
      for (const size_t size : {32, 64, 128, 4096}) {
        if (size != 64 && bits != 4 && bits != 8) continue;
        for (const Place place : {Place::kCache, Place::kMemory}) {
          const CodingSpec spec{method, bits};
          Register(fmt::format("{}/{}/{}", name, bits, size), place, [=] { return CheckQuantize(spec, size); },
                   [=](std::span<const float> w) { Quantize(spec, w, size, nullptr); });
        }
      }
    }
    const CodingSpec spec{method, 4};
    Register(fmt::format("{}_stats/4/64", name), Place::kMemory, NoCheck, [=](std::span<const float> w) {
      kernels::ErrorStats stats;
      Quantize(spec, w, 64, &stats);
    });
  }
}

// The compiler's own vectors, so that the yardstick does not depend on our kernels. Of 32 bytes: g++ takes longer ones apart in memory where the
// processor has none as long.
using Floats8 = float __attribute__((vector_size(32), aligned(4), may_alias));
#if defined(__x86_64__)
__attribute__((target_clones("default", "avx2", "avx512f")))
#endif
float Sum(std::span<const float> weights) {
  Floats8 sum0 = {}, sum1 = {}, sum2 = {}, sum3 = {}, sum4 = {}, sum5 = {}, sum6 = {}, sum7 = {};
  for (size_t i = 0; i + 64 <= weights.size(); i += 64) {
    const auto* const row = reinterpret_cast<const Floats8*>(weights.data() + i);
    sum0 += row[0];
    sum1 += row[1];
    sum2 += row[2];
    sum3 += row[3];
    sum4 += row[4];
    sum5 += row[5];
    sum6 += row[6];
    sum7 += row[7];
  }
  const Floats8 sum = ((sum0 + sum1) + (sum2 + sum3)) + ((sum4 + sum5) + (sum6 + sum7));
  float total = 0;
  for (size_t k = 0; k < 8; ++k) total += sum[k];
  return total;
}

void RegisterPlain() {
  for (const Place place : {Place::kCache, Place::kMemory}) {
    Register("min_max/64", place, NoCheck, [](std::span<const float> w) {
      Buffers& b = Shared();
      benchmark::DoNotOptimize(
          kernels::GroupRange(w.data(), w.size() / 64, 64, b.floats.data(), b.floats.data() + w.size() / 64));
    });
    Register("find_nonfinite", place, NoCheck, [](std::span<const float> w) {
      benchmark::DoNotOptimize(kernels::FindNonFinite(w.data(), w.size()));
    });
    Register("float_to_half", place, NoCheck, [](std::span<const float> w) {
      kernels::FloatToHalf(w.data(), w.size(), kernels::HalfOverflow::kClamp, Shared().halves.data());
    });
    Register("half_to_float", place, NoCheck, [](std::span<const float> w) {
      kernels::HalfToFloat(Shared().halves.data(), w.size(), Shared().floats.data());
    });
    Register("transpose/4096", place, NoCheck, [](std::span<const float> w) {
      // Tiles of 64 x 64 of a matrix with rows of 4096.
      const size_t rows = w.size() / 4096;
      for (size_t r = 0; r < rows; r += 16) {
        for (size_t c = 0; c < 4096; c += 64) {
          kernels::TransposeTile(w.data() + r * 4096 + c, 4096, 16, 64, Shared().floats.data() + c * rows + r, rows);
        }
      }
    });
    for (const int bits : {2, 3, 4, 5, 6, 7}) {
      const auto indexes = [](size_t count) {
        static const std::vector<uint8_t> zeros(kMemoryWeights, 1);
        return std::span<const uint8_t>(zeros.data(), count);
      };
      Register(fmt::format("pack/{}", bits), place, NoCheck, [=](std::span<const float> w) {
        kernels::PackIndexes(bits, indexes(w.size()).data(), w.size(), Shared().bytes.data());
      });
      Register(fmt::format("unpack/{}", bits), place, NoCheck, [=](std::span<const float> w) {
        kernels::UnpackIndexes(bits, indexes(w.size()).data(), 0, w.size(), Shared().bytes.data());
      });
    }
    Register("dequantize/4/64", place, NoCheck, [](std::span<const float> w) {
      Buffers& b = Shared();
      dispatch::DequantizeRun({.bits = 4, .asymmetric = true, .min_code = -8}, b.bytes.data(), 0, w.size() / 64, 64,
                              {.floats = b.alpha.data()}, b.floats.data());
    });
  }
}

}  // namespace
}  // namespace quantpress::bench

int main(int argc, char** argv) {
  using namespace quantpress::bench;
  Shared();
  for (const Place place : {Place::kCache, Place::kMemory}) {
    const char* const name = place == Place::kCache ? "sum/cache" : "sum/memory";
    benchmark::RegisterBenchmark(name, [place](benchmark::State& state) {
      const std::span<const float> weights = Weights(place);
      for (auto _ : state) benchmark::DoNotOptimize(Sum(weights));
      const double work = static_cast<double>(state.iterations()) * static_cast<double>(weights.size());
      state.counters["weights/s"] = benchmark::Counter(work, benchmark::Counter::kIsRate);
    });
  }
  RegisterQuantize();
  RegisterPlain();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
