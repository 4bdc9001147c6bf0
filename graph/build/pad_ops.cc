// Padding.
#include <algorithm>

#include "graph/build/graph_builder.h"
#include "graph/build/params.h"

namespace quantpress::graph {
namespace {

using Mode = mnn::PadValueMode;

constexpr int64_t kToTheEnd = int64_t{1} << 30;

// Index that position i of an endlessly reflected axis of n elements shows.
int64_t Reflected(int64_t i, int64_t n) {
  if (n == 1) return 0;
  const int64_t period = 2 * (n - 1), phase = ((i % period) + period) % period;
  return phase < n ? phase : period - phase;
}

}  // namespace

Value GraphBuilder::Pad(Value x, std::vector<int64_t> pads, Mode mode, Value value) {
  if (!pads.empty() && pads.size() % 2 == 0) AssumeRank(x, pads.size() / 2);
  const size_t rank = Rank(x);
  if (!x.valid() || !ok()) return {};
  if (pads.size() != 2 * rank) return Fail(InvalidInput("{} pads for a tensor of rank {}; expected {}", pads.size(), rank, 2 * rank));
  std::vector<int64_t> starts, ends, axes, interleaved;
  for (size_t i = 0; i < rank; ++i) {
    const int64_t before = pads[i], after = pads[i + rank];
    if (std::max(before, after) > kToTheEnd || std::min(before, after) < -kToTheEnd) {
      return Fail(InvalidInput("pads of {} and {} along axis {}", before, after, i));
    }
    if (before < 0 || after < 0) {
      starts.push_back(before < 0 ? -before : 0);
      ends.push_back(after < 0 ? after : kToTheEnd);
      axes.push_back(static_cast<int64_t>(i));
    }
    interleaved.push_back(std::max<int64_t>(before, 0));
    interleaved.push_back(std::max<int64_t>(after, 0));
  }
  if (!axes.empty()) x = Slice(x, starts, ends, axes);
  if (!x.valid()) return {};
  if (mode == Mode::REFLECT) {
    // The runtime reflects once; a pad as long as the axis needs more.
    for (size_t i = 0; i < rank; ++i) {
      const int64_t before = interleaved[2 * i], after = interleaved[2 * i + 1];
      const Dim n = (*shape(x))[i];
      if (!IsKnown(n) || n == 0 || std::max(before, after) < n || before + after + n > (int64_t{1} << 20)) continue;
      std::vector<int64_t> positions;
      for (int64_t p = -before; p < n + after; ++p) positions.push_back(Reflected(p, n));
      x = Gather(x, IntList(std::move(positions)), static_cast<int64_t>(i));
      interleaved[2 * i] = interleaved[2 * i + 1] = 0;
    }
  }
  if (!x.valid() || std::count(interleaved.begin(), interleaved.end(), 0) == static_cast<int64_t>(interleaved.size())) return x;
  Shape out = *shape(x);
  for (size_t i = 0; i < rank; ++i) out[i] = symbols_->Add(out[i], interleaved[2 * i] + interleaved[2 * i + 1]);
  const auto count = static_cast<int64_t>(interleaved.size());
  return EmitPad(x, Ints(std::move(interleaved), {count}, ElementType::kInt32), std::move(out), mode, value);
}

Value GraphBuilder::EmitPad(Value x, Value interleaved, Shape out, Mode mode, Value value) {
  if (Status status = CheckSize(out); !status.ok()) return Fail(std::move(status));
  const ValueInfo from = info(x);
  mnn::PadParamT param;
  param.mode = mode;
  std::vector<Value> inputs = {x, interleaved};
  if (mode == Mode::CONSTANT && value.valid()) {
    const bool zero = ConstantFloats(value) == std::vector<float>{0};
    if (HasRank(value) && !shape(value)->empty()) value = ReshapeTo(value, {});
    if (info(value).stored != from.stored) value = Cast(Widen(value), from.type);
    if (!zero) inputs.push_back(value);
  }
  return Emit(mnn::OpType::Padding, Param(param), std::move(inputs), {from.type, std::move(out), from.stored});
}

Value GraphBuilder::PadDynamic(Value x, Value pads, const std::vector<int64_t>& axes, Mode mode, Value value) {
  const size_t rank = Rank(x);
  if (!x.valid() || !pads.valid() || !ok()) return {};
  // Every axis picks its two numbers, or the zero in front.
  std::vector<int64_t> positions(2 * rank, 0);
  const auto count = static_cast<int64_t>(axes.size());
  for (int64_t k = 0; k < count; ++k) {
    const auto a = NormalizeAxis(axes[static_cast<size_t>(k)], rank);
    if (!a) return Fail(InvalidInput("axis {} lies outside a tensor of rank {}", axes[static_cast<size_t>(k)], rank));
    positions[2 * *a] = 1 + k;
    positions[2 * *a + 1] = 1 + count + k;
  }
  const Value with_zero = Concat({Ints({0}, {1}, info(pads).type), pads}, 0);
  const Value interleaved = Gather(with_zero, IntList(positions), 0);
  Shape out = *shape(x);
  const auto amounts = Elements(interleaved);
  for (size_t i = 0; i < rank; ++i) {
    if (positions[2 * i] == 0) continue;
    out[i] = amounts ? symbols_->Add(symbols_->Add(out[i], (*amounts)[2 * i]), (*amounts)[2 * i + 1]) : symbols_->Fresh();
  }
  return EmitPad(x, Cast(interleaved, ElementType::kInt32), std::move(out), mode, value);
}

Value GraphBuilder::PadWrap(Value x, Value pads, const std::vector<int64_t>& axes) {
  const size_t rank = Rank(x);
  const auto count = static_cast<int64_t>(axes.size());
  for (int64_t k = 0; k < count && x.valid() && ok(); ++k) {
    const auto a = NormalizeAxis(axes[static_cast<size_t>(k)], rank);
    if (!a) return Fail(InvalidInput("axis {} lies outside a tensor of rank {}", axes[static_cast<size_t>(k)], rank));
    // Positions -before .. size + after, modulo the size: MOD of int32 is never negative for a positive divisor.
    const Value before = Gather(pads, ScalarInt(k), 0), after = Gather(pads, ScalarInt(k + count), 0), size = DimOf(x, *a);
    const Value positions = Range(Sub(ScalarInt(0), before), Add(size, after), ScalarInt(1));
    const Value wrapped = Binary(mnn::BinaryOpOperation::MOD, positions, size);
    if (wrapped.valid()) Mutable(wrapped).non_negative = true;
    if (const auto known = ConstantInts(wrapped)) x = GatherAt(x, *known, *a);
    else x = Gather(x, wrapped, static_cast<int64_t>(*a));
  }
  return ok() ? x : Value{};
}

}  // namespace quantpress::graph
