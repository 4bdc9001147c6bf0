// Which instruction set the kernels of the calling thread use. Only dispatch/target.cc sets it.
#ifndef QUANTPRESS_KERNELS_TARGET_H_
#define QUANTPRESS_KERNELS_TARGET_H_

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

namespace quantpress::kernels {

// Highway's bits of the targets that this program was built for and this CPU can run.
int64_t CpuTargets();

// The column of Highway's tables that holds the functions compiled for one of CpuTargets().
size_t ColumnOf(int64_t target);

// The column of the calling thread: that of the best target until another one is set.
size_t ThreadColumn();
// Returns the old one.
size_t SetThreadColumn(size_t column);

}  // namespace quantpress::kernels

// QP_KERNEL(Function)(arguments...), where HWY_DYNAMIC_DISPATCH would stand: Highway's own choice is one for the whole
// process, and two conversions at the same time may ask for different ones.
#if (HWY_TARGETS & (HWY_TARGETS - 1)) == 0
#define QP_KERNEL(FUNC) (*(HWY_DISPATCH_TABLE(FUNC)[0]))  // one target, known when this was compiled
#else
#define QP_KERNEL(FUNC) (*(HWY_DISPATCH_TABLE(FUNC)[::quantpress::kernels::ThreadColumn()]))
#endif

#endif  // QUANTPRESS_KERNELS_TARGET_H_
