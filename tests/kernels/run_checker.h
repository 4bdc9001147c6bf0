// Compares QuantizeRun and DequantizeRun with the oracle, byte for byte.
#ifndef QUANTPRESS_TESTS_KERNELS_RUN_CHECKER_H_
#define QUANTPRESS_TESTS_KERNELS_RUN_CHECKER_H_

#include <string>
#include <vector>

#include "dispatch/quantize_run.h"

namespace quantpress::testing_data {

// Empty if every instruction set of this CPU gives the oracle's bytes, else what differs.
std::string CheckRun(const dispatch::CodingSpec& spec, const std::vector<float>& weights, size_t groups,
                     size_t group_size);

}  // namespace quantpress::testing_data

#endif  // QUANTPRESS_TESTS_KERNELS_RUN_CHECKER_H_
