// What the file format can hold of a plan.
#ifndef QUANTPRESS_DISPATCH_PLAN_LIMITS_H_
#define QUANTPRESS_DISPATCH_PLAN_LIMITS_H_

#include "dispatch/plan.h"

namespace quantpress::dispatch {

// The header of a quantized payload counts groups, and weights of a group, with 32 bits. Error: one of them is beyond.
Status CheckFormatLimits(const WeightPlan& plan);

}  // namespace quantpress::dispatch

#endif  // QUANTPRESS_DISPATCH_PLAN_LIMITS_H_
