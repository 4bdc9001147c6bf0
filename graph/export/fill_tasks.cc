#include "graph/export/fill_tasks.h"

#include <algorithm>
#include <numeric>

#include "graph/export/coded_rows.h"
#include "graph/export/weight_reader.h"

namespace quantpress::graph {
namespace {

constexpr uint64_t kPieceElements = 256 * 1024;
constexpr uint64_t kPieceBytes = 4 << 20;
constexpr uint64_t kPieceInts = 64 * 1024;
// Rows of a transposed matrix are gathered from neighbours in the source: fewer rows at once waste cache lines.
constexpr uint64_t kMinRows = 64;
constexpr uint64_t kMaxRowElements = 4 << 20;
// Weights that can be read in place are copied only if values change; a longer piece than this has no room for that.
constexpr uint64_t kMaxSpareElements = 16 << 20;

// Elements of a piece that suit the source.
uint64_t PieceOf(const TensorSource& source) {
  const uint64_t row = source.RowLength();
  if (row <= 1 || row > kMaxRowElements) return kPieceElements;
  const uint64_t rows = std::max({uint64_t{1}, kPieceElements / row, std::min(kMinRows, kMaxRowElements / row)});
  return rows * row;
}

// Groups of a piece: whole bytes of packed indexes.
uint64_t GroupsOf(const QuantizeJob& work, const dispatch::WeightPlan& plan) {
  const uint64_t bits = plan.group_size % 8 * static_cast<uint64_t>(plan.coding.bits);
  const uint64_t unit = 8 / std::gcd(uint64_t{8}, bits % 8);
  const uint64_t wanted = PieceOf(*work.source) / std::max<uint64_t>(1, plan.group_size);
  return std::max(unit, wanted / unit * unit);
}

void Cut(size_t job, uint64_t count, uint64_t piece, uint64_t weights_per_unit, std::vector<FillTask>* tasks) {
  for (uint64_t begin = 0; begin < count; begin += piece) {
    const uint64_t n = std::min(piece, count - begin);
    tasks->push_back({job, begin, n, n * weights_per_unit});
  }
}

}  // namespace

std::vector<FillTask> CutJobs(const Lowered& lowered, const dispatch::Plan& plan) {
  std::vector<FillTask> tasks;
  for (size_t i = 0; i < lowered.jobs.size(); ++i) {
    const Job& job = lowered.jobs[i];
    if (const auto* copy = std::get_if<CopyJob>(&job.work)) {
      const uint64_t first = tasks.size();
      Cut(i, copy->bytes.size, kPieceBytes, 1, &tasks);
      const uint64_t width = lowered.vectors[job.vector].width;
      for (size_t t = first; t < tasks.size(); ++t) tasks[t].weights /= width;
    } else if (const auto* floats = std::get_if<FloatJob>(&job.work)) {
      Cut(i, floats->source->count(), PieceOf(*floats->source), 1, &tasks);
    } else if (const auto* half = std::get_if<HalfJob>(&job.work)) {
      Cut(i, half->source->count(), PieceOf(*half->source), 1, &tasks);
    } else if (const auto* ints = std::get_if<IntJob>(&job.work)) {
      Cut(i, ints->source->count(), kPieceInts, 1, &tasks);
    } else if (const auto* quantize = std::get_if<QuantizeJob>(&job.work)) {
      const dispatch::WeightPlan& weight = plan.weights[quantize->plan_index];
      Cut(i, weight.groups, GroupsOf(*quantize, weight), weight.group_size, &tasks);
    } else if (const auto* floats_list = std::get_if<ListFloatsJob>(&job.work)) {
      const dispatch::WeightPlan& weight = plan.weights[floats_list->plan_index];
      Cut(i, weight.geometry.rows, dispatch::PieceRows(weight.geometry, weight.sparse.block), weight.geometry.row_length(), &tasks);
    } else if (const auto* codes_list = std::get_if<ListCodesJob>(&job.work)) {
      // Where a code lands depends on all codes in front of it.
      const dispatch::WeightPlan& weight = plan.weights[codes_list->plan_index];
      tasks.push_back({i, 0, weight.geometry.rows, weight.geometry.elements()});
    }
  }
  return tasks;
}

ScratchSizes ScratchOf(const FillTask& task, const Job& job, const BulkVector& vector, const dispatch::Plan& plan) {
  ScratchSizes sizes;
  const auto floats_for = [](const TensorSource& source, uint64_t count) {
    return count > kMaxSpareElements && DirectFloats(source) != nullptr ? 0 : count * sizeof(float);
  };
  if (const auto* floats = std::get_if<FloatJob>(&job.work)) {
    sizes.floats = floats_for(*floats->source, task.count);
  } else if (std::holds_alternative<HalfJob>(job.work)) {
    sizes.floats = task.count * sizeof(float);
    sizes.output = task.count * sizeof(uint16_t);
  } else if (std::holds_alternative<IntJob>(job.work)) {
    sizes.floats = task.count * sizeof(int64_t);
    sizes.output = task.count * vector.width;
  } else if (const auto* quantize = std::get_if<QuantizeJob>(&job.work)) {
    const dispatch::WeightPlan& weight = plan.weights[quantize->plan_index];
    const uint64_t count = task.count * weight.group_size;
    sizes.floats = weight.source_codes ? count * sizeof(float) : floats_for(*quantize->source, count);
    sizes.output = kernels::PackedBytes(count, weight.coding.bits);
    sizes.alpha = dispatch::AlphaCount(weight.coding.method, task.count) * sizeof(float);
    sizes.quantizer = weight.int8 != nullptr ? 0 : weight.source_codes ? count : dispatch::QuantizeRunScratchBytes(weight.coding, task.count, weight.group_size);
  } else if (const auto* floats_list = std::get_if<ListFloatsJob>(&job.work)) {
    const uint64_t count = task.count * plan.weights[floats_list->plan_index].geometry.row_length();
    sizes.floats = count * sizeof(float);
    sizes.output = count * (sizeof(uint32_t) + sizeof(float));
  } else if (const auto* codes_list = std::get_if<ListCodesJob>(&job.work)) {
    const dispatch::WeightPlan& weight = plan.weights[codes_list->plan_index];
    sizes.quantizer = CodedRowsScratchBytes(weight, std::min(task.count, dispatch::PieceRows(weight.geometry, 0)));
  }
  return sizes;
}

}  // namespace quantpress::graph
