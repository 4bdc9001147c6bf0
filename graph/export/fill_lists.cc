#include "graph/export/fill_lists.h"

#include <algorithm>
#include <cstring>

#include "graph/export/coded_rows.h"
#include "graph/ir/payload_header.h"

namespace quantpress::graph {
namespace {

Status OtherLength(const std::string& layer, uint64_t found, uint64_t planned) {
  return InvalidInput("layer '{}' has {} entries that are not zero, its plan {}: the plan belongs to another model",
                      layer, found, planned);
}

// A part of a vector that grows.
class Region {
 public:
  Region(const VectorWriter& write, size_t vector, uint64_t offset) : write_(write), vector_(vector), offset_(offset) {}

  void Put(uint32_t value, int bits) { stream_.Put(value, bits); }
  Status Flush(bool always) {
    if (!always && stream_.bytes().size() < kFull) return {};
    const std::span<const uint8_t> bytes = stream_.bytes();
    QP_RETURN_IF_ERROR(write_(vector_, offset_, bytes));
    offset_ += bytes.size();
    stream_.Clear();
    return {};
  }
  Status Finish() {
    stream_.Finish();
    return Flush(true);
  }

 private:
  static constexpr size_t kFull = 64 * 1024;
  const VectorWriter& write_;
  size_t vector_;
  uint64_t offset_;
  dispatch::BitStream stream_;
};

// The fields in front of the steps, and the table between steps and codes.
Status WriteFixed(const dispatch::WeightPlan& plan, size_t vector, const VectorWriter& write, uint64_t table_at) {
  std::vector<uint8_t> head, table;
  AppendDimensions(plan.groups, plan.group_size, &head);
  AppendNumber(plan.sparse.entries, 4, &head);
  AppendNumber(static_cast<uint64_t>(plan.sparse.step_bits), 1, &head);
  QP_RETURN_IF_ERROR(write(vector, 0, head));
  AppendTable(plan.coding.bits, &table);
  return write(vector, table_at, table);
}

// Steps and codes of one list. A gap that is too long for a step is crossed in steps of the largest size, which store
// the zero of where they end.
class CodeList {
 public:
  CodeList(const dispatch::WeightPlan& plan, const VectorWriter& write, size_t vector, uint64_t steps_at,
           uint64_t codes_at)
      : plan_(plan),
        steps_(write, vector, steps_at),
        codes_(write, vector, codes_at),
        largest_((uint64_t{1} << plan.sparse.step_bits) - 1),
        next_crossing_(largest_) {}

  // Codes of rows from weight `first` on.
  Status Add(const CodedRows& rows, uint64_t first) {
    for (uint64_t group = 0; group < rows.zeros.size(); ++group) {
      const uint8_t zero = rows.zeros[group];
      const uint64_t begin = group * plan_.group_size;
      for (uint64_t i = 0; i < plan_.group_size; ++i) {
        const uint8_t index = rows.indexes[begin + i];
        if (index != zero) {
          List(first + begin + i, index);
        } else if (first + begin + i == next_crossing_) {
          Cross(zero);
        }
      }
      QP_RETURN_IF_ERROR(steps_.Flush(false));
      QP_RETURN_IF_ERROR(codes_.Flush(false));
    }
    return {};
  }

  Status Finish() {
    if (entries_ != plan_.sparse.entries) return OtherLength(plan_.layer, entries_, plan_.sparse.entries);
    QP_RETURN_IF_ERROR(steps_.Finish());
    return codes_.Finish();
  }

 private:
  struct Crossings {
    uint8_t zero;
    uint64_t count;
  };

  void Cross(uint8_t zero) {
    next_crossing_ += largest_;
    if (!crossings_.empty() && crossings_.back().zero == zero) {
      ++crossings_.back().count;
    } else {
      crossings_.push_back({zero, 1});
    }
  }

  void List(uint64_t position, uint8_t index) {
    for (const Crossings& run : crossings_) {
      for (uint64_t i = 0; i < run.count; ++i) Entry(largest_, run.zero);
      last_ += run.count * largest_;
    }
    crossings_.clear();
    Entry(position - last_, index);
    last_ = position;
    next_crossing_ = position + largest_;
  }

  // Entries beyond the plan's number are counted only: they have no place.
  void Entry(uint64_t step, uint8_t index) {
    if (entries_++ >= plan_.sparse.entries) return;
    steps_.Put(static_cast<uint32_t>(step), plan_.sparse.step_bits);
    codes_.Put(index, plan_.coding.bits);
  }

  const dispatch::WeightPlan& plan_;
  Region steps_, codes_;
  uint64_t largest_;
  uint64_t next_crossing_;            // where a step of the largest size would end
  std::vector<Crossings> crossings_;  // since the last entry; stored when another one follows
  uint64_t last_ = 0;
  uint64_t entries_ = 0;
};

}  // namespace

Status ListFloats(const FillTask& task, const Job& job, const ListFloatsJob& work, const ListContext& context) {
  const dispatch::WeightPlan& plan = context.plan;
  const uint64_t length = plan.geometry.row_length(), count = task.count * length, first = task.begin * length;
  const uint64_t piece = task.begin / dispatch::PieceRows(plan.geometry, plan.sparse.block);
  const std::vector<uint64_t>& starts = plan.sparse.starts;
  if (piece >= starts.size()) return OtherLength(job.layer, 0, plan.sparse.entries);
  const uint64_t begin = starts[piece], end = piece + 1 < starts.size() ? starts[piece + 1] : plan.sparse.counts.listed;
  auto* const floats = reinterpret_cast<float*>(context.scratch.data());
  QP_ASSIGN_OR_RETURN(const float* weights,
                      ReadWeights(*work.source, first, count, context.policy, true, {floats, count}, job.layer));
  if (context.measure != nullptr) AddFloats(weights, count, context.measure);
  auto* const values = reinterpret_cast<float*>(context.scratch.data() + ScratchSizes::Align(count * sizeof(float)));
  auto* const positions = reinterpret_cast<uint32_t*>(values + count);
  uint64_t found = 0;
  for (uint64_t i = 0; i < count; ++i) {
    values[found] = weights[i];
    positions[found] = static_cast<uint32_t>(first + i);
    found += weights[i] != 0.0f;
  }
  if (found != end - begin) return OtherLength(job.layer, found, end - begin);
  if (plan.sparse.counts.listed == 0 && piece == 0) {  // a list has at least one entry
    values[0] = 0;
    positions[0] = 0;
    found = 1;
  }
  QP_RETURN_IF_ERROR(context.write(job.vector, begin * sizeof(float), AsBytes(values, found)));
  return context.write(work.index, begin * sizeof(uint32_t), AsBytes(positions, found));
}

Status ListCodes(const Job& job, const ListCodesJob& work, const ListContext& context) {
  const dispatch::WeightPlan& plan = context.plan;
  const uint64_t steps_at = dispatch::ListHeaderBytes(plan.groups, plan.group_size);
  const uint64_t table_at = steps_at + kernels::PackedBytes(plan.sparse.entries, plan.sparse.step_bits);
  const uint64_t codes_at = table_at + dispatch::TableBytes(plan.coding.bits);
  QP_RETURN_IF_ERROR(WriteFixed(plan, job.vector, context.write, table_at));
  CodeList list(plan, context.write, job.vector, steps_at, codes_at);
  const uint64_t piece = dispatch::PieceRows(plan.geometry, 0);
  uint64_t alpha_at = 0;
  for (uint64_t begin = 0; begin < plan.geometry.rows; begin += piece) {
    const uint64_t rows = std::min(piece, plan.geometry.rows - begin);
    QP_ASSIGN_OR_RETURN(const CodedRows coded,
                        CodeRows(plan, *work.source, begin, rows, context.policy, context.scratch, context.measure));
    QP_RETURN_IF_ERROR(list.Add(coded, begin * plan.geometry.row_length()));
    QP_RETURN_IF_ERROR(context.write(work.alpha, alpha_at, coded.alpha));
    alpha_at += coded.alpha.size();
  }
  return list.Finish();
}

}  // namespace quantpress::graph
