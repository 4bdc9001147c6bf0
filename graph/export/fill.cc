#include "graph/export/fill.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>

#include "graph/export/fill_lists.h"
#include "graph/export/fill_measure.h"
#include "graph/export/fill_tasks.h"
#include "graph/export/int8_layer.h"
#include "graph/export/layer_stats.h"
#include "graph/export/source_codes.h"
#include "graph/ir/payload_header.h"
#include "kernels/finite.h"
#include "kernels/half.h"

namespace quantpress::graph {
namespace {

using dispatch::WeightPlan;

// Hands out the parts of a task's scratch memory.
class ScratchParts {
 public:
  explicit ScratchParts(std::span<std::byte> memory) : memory_(memory) {}
  template <typename T>
  std::span<T> Take(uint64_t bytes) {
    T* const data = reinterpret_cast<T*>(memory_.data());
    memory_ = memory_.subspan(ScratchSizes::Align(bytes));
    return {data, bytes / sizeof(T)};
  }

 private:
  std::span<std::byte> memory_;
};

class Filler {
 public:
  Filler(const Layout& layout, const Lowered& lowered, const dispatch::Plan& plan, const FillOptions& options,
         const OutputFile& model, const OutputFile* weights)
      : layout_(layout),
        lowered_(lowered),
        plan_(plan),
        options_(options),
        model_(model),
        weights_(weights),
        tasks_(CutJobs(lowered, plan)) {
    if (options.statistics) stats_ = std::make_unique<LayerStats>(tasks_, lowered_, plan_);
  }

  Status Run(const ConvertHooks& hooks) {
    QP_RETURN_IF_ERROR(WriteFixedParts());
    uint64_t total = 0;
    for (const FillTask& task : tasks_) total += task.weights;
    std::atomic<uint64_t> done{0};
    dispatch::TaskList list;
    list.count = tasks_.size();
    list.scratch_bytes = [this](size_t i) { return Sizes(tasks_[i]).total(); };
    list.run = [this](size_t i, std::span<std::byte> scratch) {
      return stats_ == nullptr ? RunTask(i, scratch, nullptr) : MeasureTask(i, scratch);
    };
    dispatch::RunHooks run_hooks;
    run_hooks.cancellation = hooks.cancellation;
    if (hooks.on_progress) {
      run_hooks.on_done = [&](size_t i) { hooks.on_progress(done += tasks_[i].weights, total); };
    }
    return dispatch::RunTasks(list, options_.budget, run_hooks);
  }

  std::vector<MeasuredLayer> Reports() const { return stats_ == nullptr ? std::vector<MeasuredLayer>() : stats_->Reports(); }

 private:
  const BulkVector& VectorOf(const Job& job) const { return lowered_.vectors[job.vector]; }
  ScratchSizes Sizes(const FillTask& task) const {
    const Job& job = lowered_.jobs[task.job];
    return ScratchOf(task, job, VectorOf(job), plan_);
  }

  Status Write(const BulkVector& vector, uint64_t offset, std::span<const uint8_t> bytes) const {
    if (vector.shared) return {};  // another job writes them
    return (vector.external ? *weights_ : model_).Write(vector.offset + offset, bytes);
  }

  // Metadata, the length word of every vector, and the headers of quantized payloads.
  Status WriteFixedParts() const {
    QP_RETURN_IF_ERROR(model_.Write(0, layout_.metadata));
    for (const BulkVector& vector : lowered_.vectors) {
      if (vector.external || vector.shared) continue;
      const auto length = static_cast<uint32_t>(vector.bytes / vector.width);
      QP_RETURN_IF_ERROR(model_.Write(vector.offset - sizeof(length), AsBytes(&length, 1)));
    }
    for (const Job& job : lowered_.jobs) {
      const auto* quantize = std::get_if<QuantizeJob>(&job.work);
      if (quantize == nullptr) continue;
      QP_RETURN_IF_ERROR(Write(VectorOf(job), 0, Header(plan_.weights[quantize->plan_index])));
    }
    return {};
  }

  static std::vector<uint8_t> Header(const WeightPlan& plan) {
    std::vector<uint8_t> header;
    AppendDimensions(plan.groups, plan.group_size, &header);
    AppendTable(plan.coding.bits, &header);
    return header;
  }

  Status MeasureTask(size_t index, std::span<std::byte> scratch) {
    const auto start = std::chrono::steady_clock::now();
    Measure measure;
    measure.histograms = stats_->Start(index);
    if (measure.histograms == nullptr) return RunTask(index, scratch, nullptr);
    QP_RETURN_IF_ERROR(RunTask(index, scratch, &measure));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    stats_->Finish(index, std::move(measure), seconds.count());
    return {};
  }

  Status RunTask(size_t index, std::span<std::byte> scratch, Measure* measure) const {
    const FillTask& task = tasks_[index];
    const Job& job = lowered_.jobs[task.job];
    if (VectorOf(job).shared && measure == nullptr) return {};
    if (const auto* copy = std::get_if<CopyJob>(&job.work)) {
      return Write(VectorOf(job), task.begin, {copy->bytes.data + task.begin, task.count});
    }
    if (const auto* floats = std::get_if<FloatJob>(&job.work)) return RunFloats(task, job, *floats, scratch, measure);
    if (const auto* half = std::get_if<HalfJob>(&job.work)) return RunHalf(task, job, *half, scratch, measure);
    if (const auto* ints = std::get_if<IntJob>(&job.work)) return RunInts(task, job, *ints, scratch);
    if (const auto* list = std::get_if<ListFloatsJob>(&job.work)) {
      return ListFloats(task, job, *list, {plan_.weights[list->plan_index], options_.policy, write_, scratch, measure});
    }
    if (const auto* list = std::get_if<ListCodesJob>(&job.work)) {
      return ListCodes(job, *list, {plan_.weights[list->plan_index], options_.policy, write_, scratch, measure});
    }
    return RunQuantize(task, job, std::get<QuantizeJob>(job.work), scratch, measure);
  }

  WeightPolicy PolicyFor(bool is_weight) const {
    if (is_weight) return options_.policy;
    return {false, dispatch::NonFinitePolicy::kError};
  }

  Status RunFloats(const FillTask& task, const Job& job, const FloatJob& work, std::span<std::byte> scratch,
                   Measure* measure) const {
    ScratchParts parts(scratch);
    QP_ASSIGN_OR_RETURN(const float* values,
                        ReadWeights(*work.source, task.begin, task.count, PolicyFor(work.is_weight), work.is_weight,
                                    parts.Take<float>(Sizes(task).floats), job.layer));
    if (measure != nullptr) AddFloats(values, task.count, measure);
    return Write(VectorOf(job), task.begin * sizeof(float), AsBytes(values, task.count));
  }

  Status RunHalf(const FillTask& task, const Job& job, const HalfJob& work, std::span<std::byte> scratch,
                 Measure* measure) const {
    const ScratchSizes sizes = Sizes(task);
    ScratchParts parts(scratch);
    const auto floats = parts.Take<float>(sizes.floats);
    const auto halves = parts.Take<uint16_t>(sizes.output);
    QP_ASSIGN_OR_RETURN(const float* values, ReadWeights(*work.source, task.begin, task.count, PolicyFor(work.is_weight),
                                                         work.is_weight, floats, job.layer));
    kernels::FloatToHalf(values, task.count, kernels::HalfOverflow::kClamp, halves.data());
    // Constants may hold infinities on purpose (attention masks).
    if (!work.is_weight && kernels::FindNonFinite(values, task.count) != kernels::kNoNonFinite) {
      for (size_t i = 0; i < task.count; ++i) {
        if (std::isinf(values[i])) halves[i] = kernels::HalfFromFloat(values[i], kernels::HalfOverflow::kInfinity);
      }
      if (measure != nullptr) measure->finite = false;
    }
    if (measure != nullptr && measure->finite) AddHalves(values, halves.data(), task.count, measure);
    return Write(VectorOf(job), task.begin * sizeof(uint16_t), AsBytes(halves.data(), task.count));
  }

  Status RunInts(const FillTask& task, const Job& job, const IntJob& work, std::span<std::byte> scratch) const {
    const ScratchSizes sizes = Sizes(task);
    const BulkVector& vector = VectorOf(job);
    ScratchParts parts(scratch);
    const auto values = parts.Take<int64_t>(sizes.floats);
    const auto out = parts.Take<uint8_t>(sizes.output);
    work.source->ReadInts(task.begin, values);
    const int bits = static_cast<int>(vector.width) * 8;
    const int64_t low = work.is_unsigned ? 0 : bits == 64 ? INT64_MIN : -(int64_t{1} << (bits - 1));
    const int64_t high = bits == 64 ? INT64_MAX : (int64_t{1} << (work.is_unsigned ? bits : bits - 1)) - 1;
    for (size_t i = 0; i < values.size(); ++i) {
      const int64_t value = std::clamp(values[i], low, high);
      std::memcpy(out.data() + i * vector.width, &value, vector.width);  // little-endian
    }
    return Write(vector, task.begin * vector.width, out);
  }

  Status RunQuantize(const FillTask& task, const Job& job, const QuantizeJob& work, std::span<std::byte> scratch,
                     Measure* measure) const {
    const WeightPlan& plan = plan_.weights[work.plan_index];
    const uint64_t begin = task.begin * plan.group_size, count = task.count * plan.group_size;
    const ScratchSizes sizes = Sizes(task);
    ScratchParts parts(scratch);
    const auto floats = parts.Take<float>(sizes.floats);
    const auto packed = parts.Take<uint8_t>(sizes.output);
    const auto alpha = parts.Take<std::byte>(sizes.alpha);
    const auto quantizer = parts.Take<std::byte>(sizes.quantizer);
    if (plan.source_codes) {
      QP_RETURN_IF_ERROR(PackSourceCodes(work.source, plan, task.begin, task.count, floats, quantizer, packed, alpha));
      if (measure != nullptr) {
        const auto* const indexes = reinterpret_cast<const uint8_t*>(quantizer.data());
        AddSourceCodes(plan, {indexes, floats.size()}, alpha, measure);
      }
      return WriteCodes(task, job, work, packed, alpha);
    }
    QP_ASSIGN_OR_RETURN(const float* values,
                        ReadWeights(*work.source, begin, count, options_.policy, plan.int8 != nullptr, floats, job.layer));
    if (plan.int8 != nullptr) {
      CodeInt8(plan, values, task.begin, task.count, packed, alpha, measure);
      return WriteCodes(task, job, work, packed, alpha);
    }
    dispatch::RunOutput out;
    out.packed = packed.data();
    if (measure != nullptr) {
      out.stats = &measure->errors;
      out.histograms = measure->histograms.get();
    }
    if (plan.coding.half_scales) {
      out.alpha_half = reinterpret_cast<uint16_t*>(alpha.data());
    } else {
      out.alpha = reinterpret_cast<float*>(alpha.data());
    }
    const size_t bad = dispatch::QuantizeRun(plan.coding, values, task.count, plan.group_size, quantizer, out);
    if (bad != dispatch::kNoNonFinite) return NonFiniteError(job.layer, begin + bad, values[bad]);
    return WriteCodes(task, job, work, packed, alpha);
  }

  // Packed indexes and scales of a task's groups to their places.
  Status WriteCodes(const FillTask& task, const Job& job, const QuantizeJob& work, std::span<const uint8_t> packed,
                    std::span<const std::byte> alpha) const {
    const WeightPlan& plan = plan_.weights[work.plan_index];
    const uint64_t begin = task.begin * plan.group_size;
    const uint64_t alpha_width = plan.coding.half_scales ? sizeof(uint16_t) : sizeof(float);
    const uint64_t entry = alpha_width * dispatch::AlphaCount(plan.coding.method, 1);
    QP_RETURN_IF_ERROR(Write(lowered_.vectors[work.alpha], task.begin * entry,
                             {reinterpret_cast<const uint8_t*>(alpha.data()), task.count * entry}));
    const uint64_t header = dispatch::PayloadHeaderBytes(plan.groups, plan.group_size, plan.coding.bits);
    return Write(VectorOf(job), header + begin * static_cast<uint64_t>(plan.coding.bits) / 8, packed);
  }

  const Layout& layout_;
  const Lowered& lowered_;
  const dispatch::Plan& plan_;
  const FillOptions& options_;
  const OutputFile& model_;
  const OutputFile* weights_;
  const VectorWriter write_ = [this](size_t vector, uint64_t offset, std::span<const uint8_t> bytes) {
    return Write(lowered_.vectors[vector], offset, bytes);
  };
  std::vector<FillTask> tasks_;
  std::unique_ptr<LayerStats> stats_;  // null: not asked for
};

}  // namespace

StatusOr<std::vector<MeasuredLayer>> Fill(const Layout& layout, const Lowered& lowered, const dispatch::Plan& plan,
                                        const FillOptions& options, const ConvertHooks& hooks, const OutputFile& model,
                                        const OutputFile* weights) {
  Filler filler(layout, lowered, plan, options, model, weights);
  QP_RETURN_IF_ERROR(filler.Run(hooks));
  return filler.Reports();
}

}  // namespace quantpress::graph
