// Collects the statistics of fill tasks, layer by layer.
#ifndef QUANTPRESS_GRAPH_EXPORT_LAYER_STATS_H_
#define QUANTPRESS_GRAPH_EXPORT_LAYER_STATS_H_

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "graph/export/fill_measure.h"
#include "graph/export/fill_tasks.h"
#include "graph/measured_layer.h"

namespace quantpress::graph {

// Thread-safe. The results do not depend on the order in which tasks end: float sums are added up in task order at the end,
// and the rest are counts.
class LayerStats {
 public:
  LayerStats(const std::vector<FillTask>& tasks, const Lowered& lowered, const dispatch::Plan& plan);

  // Histograms for one task to count in, beside what other tasks of the layer have counted there; null where nothing is
  // measured for its layer.
  std::unique_ptr<kernels::Histograms> Start(size_t task);

  // A layer with a task whose numbers are not finite gets no errors.
  void Finish(size_t task, Measure measure, double seconds);

  // In plan order; layers that were copied as they are have none.
  std::vector<MeasuredLayer> Reports() const;

 private:
  struct Layer {
    std::mutex mutex;
    size_t plan_index = 0;
    uint64_t elements = 0;
    int bits = 0;           // codes of this width are counted; 0: none
    bool decoded = false;   // decoded values differ from the weights
    size_t open = 0;        // tasks that have not finished
    bool finite = true;
    double seconds = 0;
    double smallest = 0, largest = 0;
    bool has_range = false;
    // Of finished tasks while others are open. A task goes on with those of one before it, so that there are as many as
    // tasks at the same time: to clear and to add up so many counters for each task would cost more than the counting.
    std::vector<std::unique_ptr<kernels::Histograms>> counts;
    MeasuredLayer report;  // counts when no task is open
  };

  void Close(Layer* layer);

  std::vector<std::unique_ptr<Layer>> layers_;   // in plan order
  std::vector<Layer*> layer_of_task_;            // null: none
  std::vector<dispatch::ErrorStats> errors_;     // by task
  std::mutex idle_mutex_;
  // Of finished layers, all zero: fresh memory is slow too.
  std::vector<std::unique_ptr<kernels::Histograms>> idle_;
};

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_LAYER_STATS_H_
