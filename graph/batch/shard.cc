#include "graph/batch/shard.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <queue>
#include <utility>

namespace quantpress::graph {

std::vector<size_t> JobsOfShard(std::span<const uint64_t> sizes, size_t shard, size_t shards) {
  std::vector<size_t> order(sizes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return sizes[a] > sizes[b]; });
  // Load and number of every part. A job costs something even where its size is not known.
  using Part = std::pair<uint64_t, size_t>;
  std::priority_queue<Part, std::vector<Part>, std::greater<>> parts;
  for (size_t i = 0; i < shards; ++i) parts.emplace(0, i);
  std::vector<size_t> mine;
  for (const size_t job : order) {
    Part part = parts.top();
    parts.pop();
    part.first += sizes[job] + 1;
    if (part.second == shard) mine.push_back(job);
    parts.push(part);
  }
  std::sort(mine.begin(), mine.end());
  return mine;
}

}  // namespace quantpress::graph
