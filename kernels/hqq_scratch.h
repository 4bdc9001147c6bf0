// How HqqSolve divides its scratch memory. Internal to the kernel.
#ifndef QUANTPRESS_KERNELS_HQQ_SCRATCH_H_
#define QUANTPRESS_KERNELS_HQQ_SCRATCH_H_

#include <cstddef>
#include <cstdint>

namespace quantpress::kernels {

// Transposed weights of one block of groups: 512 KB, within the second-level cache. Longer groups are transposed piece by
// piece in every iteration.
inline constexpr size_t kHqqColumnFloats = 128 * 1024;

struct HqqScratch {
  // `floats` may have any alignment.
  HqqScratch(float* floats, size_t groups) {
    const uintptr_t address = reinterpret_cast<uintptr_t>(floats);
    const size_t stride = Stride(groups);
    columns = floats + (64 - address % 64) % 64 / sizeof(float);
    min = columns + kHqqColumnFloats;
    max = min + stride;
    factor = max + stride;
    offset = factor + stride;
    done = reinterpret_cast<int32_t*>(offset + stride);
    queue = reinterpret_cast<uint32_t*>(done + stride);
  }
  static constexpr size_t Floats(size_t groups) { return kHqqColumnFloats + 16 + 6 * Stride(groups); }

  float* columns;
  float* min;  // per group: the smallest and the largest weight, 1/scale, the zero offset so far, iterations done
  float* max;
  float* factor;
  float* offset;
  int32_t* done;
  uint32_t* queue;  // groups that wait for more iterations

 private:
  // A block's state is stored whole: up to 64 entries beyond the last group.
  static constexpr size_t Stride(size_t groups) { return groups + 64; }
};

}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_HQQ_SCRATCH_H_
