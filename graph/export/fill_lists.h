// Weights of which only those that are not zero are stored.
#ifndef QUANTPRESS_GRAPH_EXPORT_FILL_LISTS_H_
#define QUANTPRESS_GRAPH_EXPORT_FILL_LISTS_H_

#include <functional>
#include <span>

#include "graph/export/fill_measure.h"
#include "graph/export/fill_tasks.h"
#include "graph/export/weight_reader.h"

namespace quantpress::graph {

// Writes bytes at an offset of a bulk vector, by its index.
using VectorWriter = std::function<Status(size_t vector, uint64_t offset, std::span<const uint8_t> bytes)>;

struct ListContext {
  const dispatch::WeightPlan& plan;
  const WeightPolicy& policy;
  const VectorWriter& write;
  std::span<std::byte> scratch;
  Measure* measure;  // may be null
};

// One piece of a ListFloatsJob. Errors: those of reading and writing; a list of another length than the plan says.
Status ListFloats(const FillTask& task, const Job& job, const ListFloatsJob& work, const ListContext& context);

// All of a ListCodesJob. Errors as above.
Status ListCodes(const Job& job, const ListCodesJob& work, const ListContext& context);

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_FILL_LISTS_H_
