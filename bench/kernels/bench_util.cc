#include "bench/kernels/bench_util.h"

#include <chrono>
#include <cmath>
#include <map>
#include <random>
#include <utility>

namespace quantpress::bench {
namespace {

std::vector<float> MakeWeights(size_t count) {
  std::vector<float> weights(count);
  std::mt19937 engine(1);
  std::normal_distribution<float> normal(0.0f, 0.03f);
  for (size_t i = 0; i < count && i < 4 * kCacheWeights; ++i) weights[i] = normal(engine);
  for (size_t i = 4 * kCacheWeights; i < count; ++i) weights[i] = weights[(i + i / 8191) % (4 * kCacheWeights)];
  return weights;
}

// Seconds per call of the scalar row, by name and place.
std::map<std::string, double>& ScalarSeconds() {
  static std::map<std::string, double> seconds;
  return seconds;
}

}  // namespace

std::span<const float> Weights(Place place) {
  static const std::vector<float> cache = MakeWeights(kCacheWeights);
  if (place == Place::kCache) return cache;
  static const std::vector<float> memory = MakeWeights(kMemoryWeights);
  return memory;
}

void Register(const std::string& name, Place place, std::function<std::string()> check,
              std::function<void(std::span<const float>)> body, bool memory_on_all_isas) {
  const std::string row = name + (place == Place::kCache ? "/cache" : "/memory");
  for (const dispatch::Isa isa : dispatch::AvailableIsas()) {
    if (place == Place::kMemory && !memory_on_all_isas && isa != dispatch::AvailableIsas().back()) continue;
    benchmark::RegisterBenchmark(
        (row + "/" + std::string(dispatch::IsaName(isa))).c_str(), [=](benchmark::State& state) {
          const dispatch::IsaScope scope(isa);
          if (const std::string wrong = check(); !wrong.empty()) return state.SkipWithError(wrong.c_str());
          const std::span<const float> weights = Weights(place);
          const auto start = std::chrono::steady_clock::now();
          for (auto _ : state) body(weights);
          const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
          const double seconds = elapsed.count() / static_cast<double>(state.iterations());
          const double work = static_cast<double>(state.iterations()) * static_cast<double>(weights.size());
          state.counters["weights/s"] = benchmark::Counter(work, benchmark::Counter::kIsRate);
          state.SetBytesProcessed(static_cast<int64_t>(work) * 4);
          if (isa == dispatch::Isa::kScalar) ScalarSeconds()[row] = seconds;
          if (const auto scalar = ScalarSeconds().find(row); scalar != ScalarSeconds().end()) {
            state.counters["x_scalar"] = scalar->second / seconds;
          }
        });
  }
}

}  // namespace quantpress::bench
