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

  // Histograms for one task to count in; null where nothing is measured for its layer.
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
    std::unique_ptr<kernels::Histograms> counts;  // while tasks are open
    MeasuredLayer report;                           // counts when none is open
  };

  void AddToLayer(const Measure& measure, double seconds, Layer* layer) const;
  void Close(Layer* layer) const;

  std::vector<std::unique_ptr<Layer>> layers_;   // in plan order
  std::vector<Layer*> layer_of_task_;            // null: none
  std::vector<dispatch::ErrorStats> errors_;     // by task
  std::mutex idle_mutex_;
  // Of finished tasks, all zero: fresh memory for each task would cost as much as the counting.
  std::vector<std::unique_ptr<kernels::Histograms>> idle_;
};

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_EXPORT_LAYER_STATS_H_
