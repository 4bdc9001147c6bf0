// Error statistics with the instruction set in use.
#ifndef QUANTPRESS_DISPATCH_ERROR_STATS_H_
#define QUANTPRESS_DISPATCH_ERROR_STATS_H_

#include <cstddef>

#include "kernels/error_stats.h"

namespace quantpress::dispatch {

// Widens the range of *stats by `count` weights. Before the next two, which count them.
void AddRange(const float* weights, size_t count, kernels::ErrorStats* stats);

// Adds what `decoded` makes of `weights` (count floats each, finite) to *stats, but for the range.
void AddErrorStats(const float* weights, const float* decoded, size_t count, kernels::ErrorStats* stats);

// The same for coded weights; see kernels/error_stats.h.
void AddCodedErrorStats(const float* weights, const kernels::CodedGroups& coded, kernels::ErrorStats* stats);

}  // namespace quantpress::dispatch

#endif  // QUANTPRESS_DISPATCH_ERROR_STATS_H_
