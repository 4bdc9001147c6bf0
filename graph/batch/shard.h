// A fixed, balanced part of a list of jobs.
#ifndef QUANTPRESS_GRAPH_BATCH_SHARD_H_
#define QUANTPRESS_GRAPH_BATCH_SHARD_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace quantpress::graph {

// Indexes of the jobs of part `shard` (from 0) of `shards`, in ascending order. The parts of one list cover every job once; they depend on the
// list of sizes only. The biggest jobs are dealt out first, each to the part that has least so far.
std::vector<size_t> JobsOfShard(std::span<const uint64_t> sizes, size_t shard, size_t shards);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_BATCH_SHARD_H_
