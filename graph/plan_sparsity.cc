#include "graph/plan_sparsity.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "graph/export/coded_rows.h"
#include "graph/import/mnn/coded_weight.h"
#include "graph/int8_tensors.h"
#include "graph/weights.h"

namespace quantpress::graph {
namespace {

using dispatch::BlockCounts;
using dispatch::SparseLayer;
using dispatch::StepCounts;
using dispatch::Storage;
using dispatch::WeightPlan;

// A layer is marked where more of its weights than this are zero in blocks, in tenths.
uint64_t MostTenths(uint64_t block) { return block == 1 ? 6 : block == 2 ? 5 : block == 3 ? 4 : 3; }

bool IsSparse(const BlockCounts& counts, uint64_t elements, uint64_t block) {
  return (elements - counts.covered) * 10 > elements * MostTenths(block);
}

// A layer that is counted.
struct Candidate {
  size_t plan_index = 0;
  TensorSourcePtr source;
  uint64_t block = 0;    // blocks are counted; 0: they are not
  bool codes = false;    // codes are listed, if that is shorter
  bool floats = true;    // float32 weights are, if the layer is marked
  bool filters = false;  // output channels of zeros are counted
  size_t first = 0;      // piece
};

struct Piece {
  size_t candidate = 0;
  uint64_t begin = 0, rows = 0;
  BlockCounts counts;
  StepCounts steps;
  bool zeros_fit = true;
  uint64_t zero_rows = 0;
};

bool HasSparseKernels(const Op& op) {
  return op.type == mnn::OpType::Convolution || op.type == mnn::OpType::ConvolutionDepthwise;
}

class Counter {
 public:
  Counter(const SparsityOptions& options, dispatch::Plan* plan) : options_(options), plan_(*plan) {}

  // `*next` is the plan's entry of the graph's first weight, and becomes that of the next graph.
  Status Add(const Graph& graph, size_t* next) {
    std::set<int> described = DescribedTensors(graph);
    const size_t begin = *next;
    for (const Op& op : graph.ops) {
      if (!ViewWeight(op)) continue;
      if (plan_.weights[(*next)++].storage == Storage::kInt8) described.insert({op.inputs.front(), op.outputs.front()});
    }
    size_t index = begin;
    for (const Op& op : graph.ops) {
      const std::optional<WeightView> view = ViewWeight(op);
      if (view) QP_RETURN_IF_ERROR(AddLayer(op, *view, IsBetweenInt8(described, op), index++));
    }
    return {};
  }

  Status Run() {
    dispatch::TaskList list;
    list.count = pieces_.size();
    list.scratch_bytes = [this](size_t i) { return ScratchOf(pieces_[i]); };
    list.run = [this](size_t i, std::span<std::byte> scratch) { return Count(scratch, &pieces_[i]); };
    dispatch::RunHooks hooks;
    hooks.cancellation = options_.cancellation;
    QP_RETURN_IF_ERROR(dispatch::RunTasks(list, options_.budget, hooks));
    for (size_t i = 0; i < candidates_.size(); ++i) Decide(i);
    return {};
  }

 private:
  Status AddLayer(const Op& op, const WeightView& view, bool between_int8, size_t plan_index) {
    const WeightPlan& plan = plan_.weights[plan_index];
    const bool is_float = plan.storage == Storage::kFloat32,
               is_coded = plan.storage == Storage::kQuantized && !plan.source_codes;
    if ((!is_float && !is_coded) || plan.geometry.elements() == 0) return {};
    if (view.form == WeightForm::kConstant || view.form == WeightForm::kFullyConnected) return {};
    Candidate candidate;
    candidate.plan_index = plan_index;
    if (options_.saved) {
      candidate.block = plan.sparse.block;
      candidate.codes = is_coded && plan.sparse.listed;
      candidate.floats = plan.sparse.listed;
      if (candidate.block > 0 && is_float && between_int8) {
        return InvalidInput(
            "plan, layer '{}': a float layer between two that compute with int8 cannot be marked as sparse: the runtime ends at it",
            plan.layer);
      }
    } else {
      candidate.filters = options_.filters && HasSparseKernels(op);
      if (options_.detect && HasSparseKernels(op) && !(is_float && between_int8)) candidate.block = options_.block;
      candidate.codes = options_.detect && is_coded && plan.coding.method != dispatch::QuantMethod::kHqq;
    }
    if (candidate.block == 0 && !candidate.codes && !candidate.filters) return {};
    candidate.source = view.source;
    if (candidate.source == nullptr) {
      QP_ASSIGN_OR_RETURN(candidate.source, DecodeWeight(op));
    }
    candidate.first = pieces_.size();
    const uint64_t step = dispatch::PieceRows(plan.geometry, candidate.block);
    for (uint64_t begin = 0; begin < plan.geometry.rows; begin += step) {
      Piece piece;
      piece.candidate = candidates_.size();
      piece.begin = begin;
      piece.rows = std::min(step, plan.geometry.rows - begin);
      pieces_.push_back(std::move(piece));
    }
    candidates_.push_back(std::move(candidate));
    return {};
  }

  uint64_t ScratchOf(const Piece& piece) const {
    const Candidate& candidate = candidates_[piece.candidate];
    const WeightPlan& plan = plan_.weights[candidate.plan_index];
    const uint64_t floats = piece.rows * plan.geometry.row_length() * sizeof(float);
    return std::max(candidate.block > 0 || candidate.filters ? floats : 0,
                    candidate.codes ? CodedRowsScratchBytes(plan, piece.rows) : 0);
  }

  Status Count(std::span<std::byte> scratch, Piece* piece) const {
    const Candidate& candidate = candidates_[piece->candidate];
    const WeightPlan& plan = plan_.weights[candidate.plan_index];
    const uint64_t length = plan.geometry.row_length(), first = piece->begin * length, count = piece->rows * length;
    if (candidate.block > 0 || candidate.filters) {
      QP_ASSIGN_OR_RETURN(const float* weights,
                          ReadWeights(*candidate.source, first, count, options_.policy, true,
                                      {reinterpret_cast<float*>(scratch.data()), count}, plan.layer));
      if (candidate.block > 0) piece->counts = dispatch::CountBlocks(weights, piece->rows, length, candidate.block);
      for (uint64_t row = 0; candidate.filters && row < piece->rows; ++row) {
        piece->zero_rows += std::all_of(weights + row * length, weights + (row + 1) * length,
                                        [](float weight) { return weight == 0.0f; });
      }
    }
    if (candidate.codes) {
      QP_ASSIGN_OR_RETURN(const CodedRows coded, CodeRows(plan, *candidate.source, piece->begin, piece->rows,
                                                          options_.policy, scratch, nullptr));
      piece->zeros_fit = coded.zeros_fit;
      for (uint64_t i = 0; i < count; ++i) {
        if (coded.indexes[i] != coded.zeros[i / plan.group_size]) piece->steps.List(first + i);
      }
    }
    return {};
  }

  void Decide(size_t index) {
    const Candidate& candidate = candidates_[index];
    WeightPlan& plan = plan_.weights[candidate.plan_index];
    SparseLayer& sparse = plan.sparse;
    StepCounts steps;
    bool zeros_fit = true;
    uint64_t zero_rows = 0;
    sparse.counts = {};
    sparse.starts.clear();
    for (size_t i = candidate.first; i < pieces_.size() && pieces_[i].candidate == index; ++i) {
      const Piece& piece = pieces_[i];
      sparse.starts.push_back(sparse.counts.listed);
      sparse.counts.Add(piece.counts);
      steps.Append(piece.steps);
      zeros_fit &= piece.zeros_fit;
      zero_rows += piece.zero_rows;
    }
    const uint64_t elements = plan.geometry.elements();
    if (zero_rows > 0 && plan.note.empty()) {
      plan.note =
          fmt::format("{} of {} output channels have only zeros for weights; they stay, though the recipe says FILTER",
                      zero_rows, plan.geometry.rows);
    }
    if (!options_.saved) {
      if (candidate.block > 0) {
        plan.reason = ReasonWithZeros(plan.reason, sparse.counts, elements, candidate.block);
        sparse.block = IsSparse(sparse.counts, elements, candidate.block) ? candidate.block : 0;
      }
      sparse.by_blocks = sparse.block > 0 && options_.by_blocks;
    }
    if (plan.storage == Storage::kFloat32) {
      DecideFloats(candidate.floats, &plan);
    } else {
      sparse.starts.clear();
      DecideCodes(steps, candidate.codes && zeros_fit, &plan);
    }
    if (sparse.block == 0) sparse.counts = {};
  }

  static std::string ReasonWithZeros(const std::string& reason, const BlockCounts& counts, uint64_t elements,
                                     uint64_t block) {
    const double percent = 100.0 * static_cast<double>(elements - counts.covered) / static_cast<double>(elements);
    std::string text = fmt::format("{}; {:.1f} % zeros", reason, percent);
    if (block > 1) text += fmt::format(" in blocks of {}", block);
    return text;
  }

  // Positions are 32-bit, and at least one weight is listed. A list that is longer than all weights is of no use.
  static void DecideFloats(bool possible, WeightPlan* plan) {
    SparseLayer& sparse = plan->sparse;
    const uint64_t elements = plan->geometry.elements();
    sparse.entries = std::max<uint64_t>(1, sparse.counts.listed);
    const uint64_t bytes = sparse.entries * (sizeof(float) + sizeof(uint32_t));
    sparse.listed = possible && sparse.block > 0 && elements <= UINT32_MAX && bytes < plan->bytes_after;
    if (sparse.listed) {
      plan->bytes_after = bytes;
    } else {
      sparse.entries = 0;
      sparse.starts.clear();
    }
  }

  // The stock converter writes no empty list either.
  static void DecideCodes(const StepCounts& steps, bool possible, WeightPlan* plan) {
    SparseLayer& sparse = plan->sparse;
    const int bits = plan->coding.bits;
    const uint64_t dense = dispatch::DenseBytes(plan->groups, plan->group_size, bits);
    uint64_t least = dense;
    sparse.listed = false;
    for (int width = dispatch::kMinStepBits; possible && width <= dispatch::kMaxStepBits; ++width) {
      const uint64_t entries = steps.Entries(width);
      const uint64_t bytes = dispatch::ListedBytes(plan->groups, plan->group_size, bits, entries, width);
      if (entries == 0 || entries > UINT32_MAX || bytes >= least) continue;
      least = bytes;
      sparse.listed = true;
      sparse.entries = entries;
      sparse.step_bits = width;
    }
    plan->bytes_after = plan->bytes_after - dense + least;
  }

  const SparsityOptions& options_;
  dispatch::Plan& plan_;
  std::vector<Candidate> candidates_;
  std::vector<Piece> pieces_;
};

}  // namespace

Status PlanSparsity(const Model& model, const SparsityOptions& options, dispatch::Plan* plan) {
  Counter counter(options, plan);
  size_t next = 0;
  QP_RETURN_IF_ERROR(counter.Add(model.main, &next));
  for (const Graph& graph : model.subgraphs) QP_RETURN_IF_ERROR(counter.Add(graph, &next));
  return counter.Run();
}

}  // namespace quantpress::graph
