// Many conversions under one thread and one memory budget.
#ifndef QUANTPRESS_GRAPH_BATCH_RUN_BATCH_H_
#define QUANTPRESS_GRAPH_BATCH_RUN_BATCH_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "graph/batch/ledger.h"
#include "graph/convert.h"
#include "graph/report/report.h"

namespace quantpress::graph {

struct BatchJob {
  ConvertOptions options;  // the budget in it does not count
  std::string settings;    // everything besides source, recipe and program version that decides what the output holds, as text
  std::vector<std::string> reports;  // files to write (graph/report/report.h)
  uint64_t size = 0;       // bytes of the source, for order and progress
};

enum class JobState : uint8_t { kConverted, kComplete /* the ledger says so */, kFailed, kNotRun /* cancelled before */ };

struct JobResult {
  JobState state = JobState::kNotRun;
  Status status;                   // kFailed: why
  std::vector<std::string> notes;  // of the conversion
  dispatch::Plan plan;             // kConverted
  std::string warning;             // converted, but the ledger could not be written
  uint64_t source_bytes = 0;       // kConverted
  uint64_t output_bytes = 0;
  double seconds = 0;
};

struct BatchSetup {
  dispatch::Budget budget;            // of all conversions together; threads must be above 0
  Ledger* ledger = nullptr;           // null: none
  bool resume = false;                // skip what the ledger says is complete and unchanged
  uint64_t large_bytes = 64u << 20;   // sources from this size on get all threads, one after the other
};

struct BatchHooks {
  const dispatch::CancellationToken* cancellation = nullptr;
  // A job has ended. Never called twice at a time.
  std::function<void(size_t job, const JobResult& result)> on_result;
  // What a conversion did, with errors of its layers where its options ask for statistics. From the job's thread, several at a time.
  std::function<void(size_t job, const ConvertOptions& options, Report report, bool external)> on_report;
  // Bytes of sources that are done, of all. From any thread.
  std::function<void(uint64_t done, uint64_t total)> on_progress;
};

// Runs all jobs, and the rest where some fail. Large ones run first, one after the other with the whole budget; then small ones side by side, each
// with an equal part of it. A small one whose part of the memory is not enough is run again alone. Folders of outputs and reports are made. The bytes of an
// output do not depend on any of this. Preconditions: no two jobs have the same output.
std::vector<JobResult> RunBatch(std::span<const BatchJob> jobs, const BatchSetup& setup, const BatchHooks& hooks = {});

// Removes temporary files that a killed process left beside the outputs of these jobs. No other process may be writing them.
void RemoveLeftovers(std::span<const BatchJob> jobs);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_BATCH_RUN_BATCH_H_
