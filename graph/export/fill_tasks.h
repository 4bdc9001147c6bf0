// How a job is cut into tasks, and what memory each needs.
#ifndef QUANTPRESS_GRAPH_EXPORT_FILL_TASKS_H_
#define QUANTPRESS_GRAPH_EXPORT_FILL_TASKS_H_

#include <vector>

#include "graph/export/lower.h"

namespace quantpress::graph {

// A piece of a job: bytes of a CopyJob, groups of a QuantizeJob, rows of a list, elements of the others.
struct FillTask {
  size_t job = 0;
  uint64_t begin = 0;
  uint64_t count = 0;
  uint64_t weights = 0;  // elements, for progress
};

std::vector<FillTask> CutJobs(const Lowered& lowered, const dispatch::Plan& plan);

// The parts of a task's scratch memory, in this order, each starting at a multiple of 64 bytes.
struct ScratchSizes {
  uint64_t floats = 0;    // elements read and converted
  uint64_t output = 0;    // what is written
  uint64_t alpha = 0;     // scales
  uint64_t quantizer = 0;
  uint64_t total() const { return Align(floats) + Align(output) + Align(alpha) + Align(quantizer); }
  static constexpr uint64_t Align(uint64_t bytes) { return (bytes + 63) / 64 * 64; }
};

ScratchSizes ScratchOf(const FillTask& task, const Job& job, const BulkVector& vector, const dispatch::Plan& plan);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_FILL_TASKS_H_
