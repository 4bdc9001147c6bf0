// What the kernel benchmarks share: weights to work on, the loop over instruction sets, and the counters of a row.
#ifndef QUANTPRESS_BENCH_KERNELS_BENCH_UTIL_H_
#define QUANTPRESS_BENCH_KERNELS_BENCH_UTIL_H_

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "dispatch/target.h"

namespace quantpress::bench {

// Where the working set lives.
enum class Place { kCache, kMemory };

constexpr size_t kCacheWeights = 64 * 1024;          // 256 KB of floats
constexpr size_t kMemoryWeights = 64 * 1024 * 1024;  // 256 MB

// `count` weights like those of a trained network (standard deviation 0.03). Made once; the memory set repeats the cache
// set with a shift, so that groups differ.
std::span<const float> Weights(Place place);

// Registers "name/place/isa" for every instruction set of this CPU, slowest first. `body` works on `weights` weights once;
// `check` runs once before the timed loop and returns what is wrong, or nothing. Counters: weights/s, bytes/s of float
// input, and `x_scalar`, the speed over the scalar row of the same name (if that ran before).
void Register(const std::string& name, Place place, std::function<std::string()> check,
              std::function<void(std::span<const float>)> body, bool memory_on_all_isas = false);

}  // namespace quantpress::bench

#endif  // QUANTPRESS_BENCH_KERNELS_BENCH_UTIL_H_
