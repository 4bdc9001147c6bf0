#include "graph/import/onnx/ops/pooling_taps.h"

#include <functional>
#include <limits>

namespace quantpress::graph::onnx {
namespace {

constexpr int64_t kMaxTaps = 4096;

// Elements behind the data that the last window reads, per spatial axis (ceil_mode may read past the padding).
std::vector<int64_t> Overhang(const Shape& in, const Window& w, const Shape& out) {
  const size_t axes = w.kernel.size();
  std::vector<int64_t> extra(axes);
  for (size_t i = 0; i < axes; ++i) {
    const int64_t reach = (out[i + 2] - 1) * w.stride[i] + w.dilation[i] * (w.kernel[i] - 1) + 1;
    extra[i] = std::max<int64_t>(reach - in[i + 2] - w.pads[i], 0);
  }
  return extra;
}

// `separable`: the axes are pooled one after the other.
bool CheckStatic(NodeContext& n, const Shape& in, const Window& w, const Shape& out, bool separable) {
  int64_t taps = separable ? 0 : 1;
  for (int64_t k : w.kernel) {
    const int64_t bounded = std::min(k, kMaxTaps + 1);
    taps = std::min(separable ? taps + bounded : taps * bounded, kMaxTaps + 1);
  }
  if (!IsStatic({in.begin() + 2, in.end()}) || !IsStatic({out.begin() + 2, out.end()})) {
    n.Fail("this form of pooling over axes of unknown size {}", ShapeText(in));
    return false;
  }
  if (taps > kMaxTaps) n.Fail("this form of pooling with a kernel that needs more than {} slices", kMaxTaps);
  return n.ok();
}

// Calls use(tap, slice) for every kernel tap in row-major order; slice has shape [N, C, out...].
void ForEachTap(NodeContext& n, Value x, const Window& w, const Shape& out, float fill,
                const std::function<void(const std::vector<int64_t>&, Value)>& use) {
  const Shape in = *n.b.shape(x);
  const size_t axes = w.kernel.size();
  const std::vector<int64_t> overhang = Overhang(in, w, out);
  std::vector<int64_t> pads(2 * (axes + 2), 0);
  for (size_t i = 0; i < axes; ++i) {
    pads[i + 2] = w.pads[i];
    pads[i + axes + 4] = overhang[i];
  }
  const Value padded = n.b.Pad(x, pads, mnn::PadValueMode::CONSTANT, n.b.ScalarLike(static_cast<double>(fill), x));
  std::vector<int64_t> tap(axes, 0);
  for (;;) {
    std::vector<int64_t> starts, ends, steps, where;
    for (size_t i = 0; i < axes; ++i) {
      starts.push_back(tap[i] * w.dilation[i]);
      ends.push_back(starts.back() + (out[i + 2] - 1) * w.stride[i] + 1);
      steps.push_back(w.stride[i]);
      where.push_back(static_cast<int64_t>(i) + 2);
    }
    use(tap, n.b.Slice(padded, starts, ends, where, steps));
    size_t i = axes;
    while (i > 0 && ++tap[i - 1] == w.kernel[i - 1]) tap[--i] = 0;
    if (i == 0 || !n.ok()) return;
  }
}

// What `join` makes of all elements of each window, one axis after the other.
Value JoinTaps(NodeContext& n, Value x, const Window& w, const Shape& out, float fill, const std::function<Value(Value, Value)>& join) {
  Shape now = *n.b.shape(x);
  if (!CheckStatic(n, now, w, out, true)) return {};
  const size_t axes = w.kernel.size();
  for (size_t i = 0; i < axes && n.ok(); ++i) {
    Window line;
    line.kernel.assign(axes, 1);
    line.stride.assign(axes, 1);
    line.dilation.assign(axes, 1);
    line.pads.assign(2 * axes, 0);
    line.kernel[i] = w.kernel[i];
    line.stride[i] = w.stride[i];
    line.dilation[i] = w.dilation[i];
    line.pads[i] = w.pads[i];
    now[i + 2] = out[i + 2];
    Value result;
    ForEachTap(n, x, line, now, fill, [&](const std::vector<int64_t>&, Value v) { result = result.valid() ? join(result, v) : v; });
    x = result;
  }
  return x;
}

}  // namespace

Shape PooledShape(NodeContext& n, const Shape& input, const Window& w, bool ceil_mode) {
  Shape out = input;
  const size_t axes = w.kernel.size();
  for (size_t i = 0; i < axes; ++i) {
    Dim& d = out[i + 2];
    const int64_t span = d + w.pads[i] + w.pads[i + axes] - (w.dilation[i] * (w.kernel[i] - 1) + 1);
    if (!IsKnown(d) || span < 0) {
      if (IsKnown(d)) n.Fail("a pooling window of {} over {} elements", w.kernel[i], d);
      d = n.b.symbols()->Fresh();
      continue;
    }
    int64_t size = span / w.stride[i] + 1;
    // A window that would start in the padding behind the data is left out.
    if (ceil_mode && span % w.stride[i] != 0 && size * w.stride[i] < d + w.pads[i]) ++size;
    d = size;
  }
  return out;
}

Value MaxOfTaps(NodeContext& n, Value x, const Window& w, const Shape& out, bool column_major, Value* indices) {
  constexpr float kLowest = std::numeric_limits<float>::lowest();
  if (indices == nullptr) return JoinTaps(n, x, w, out, kLowest, [&](Value a, Value b) { return n.b.Max(a, b); });
  const Shape in = *n.b.shape(x);
  if (!CheckStatic(n, in, w, out, false)) return {};
  if (!IsStatic(in)) {
    n.Fail("the indices of MaxPool over a batch of unknown size");
    return {};
  }
  const size_t axes = w.kernel.size();
  Value best;
  ForEachTap(n, x, w, out, kLowest, [&](const std::vector<int64_t>& tap, Value v) {
    // Index of this tap in one channel's plane, plus the channel's offset.
    int64_t plane = 1;
    for (size_t i = 0; i < axes; ++i) plane *= in[i + 2];
    std::vector<int64_t> at(static_cast<size_t>(*ElementCount(out)));
    std::vector<int64_t> position(axes, 0);
    const auto per_plane = static_cast<size_t>(*ElementCount({out.begin() + 2, out.end()}));
    for (size_t e = 0; e < at.size(); ++e) {
      size_t rest = e % per_plane;
      for (size_t i = axes; i-- > 0;) {
        position[i] = static_cast<int64_t>(rest % static_cast<size_t>(out[i + 2])) * w.stride[i] +
                      tap[i] * w.dilation[i] - w.pads[i];
        rest /= static_cast<size_t>(out[i + 2]);
      }
      int64_t index = 0;
      for (size_t k = 0; k < axes; ++k) {
        const size_t i = column_major ? axes - 1 - k : k;
        index = index * in[i + 2] + position[i];
      }
      at[e] = static_cast<int64_t>(e / per_plane) * plane + index;
    }
    const Value place = n.b.Ints(std::move(at), out, ElementType::kInt64);
    if (!best.valid()) {
      best = v;
      *indices = place;
      return;
    }
    *indices = n.b.Select(n.b.Greater(v, best), place, *indices);
    best = n.b.Max(best, v);
  });
  return best;
}

Value SumOfTaps(NodeContext& n, Value x, const Window& w, const Shape& out) {
  return JoinTaps(n, x, w, out, 0, [&](Value a, Value b) { return n.b.Add(a, b); });
}

Value TapCounts(NodeContext& n, const Shape& in, const Window& w, const Shape& out, bool include_pad) {
  const size_t axes = w.kernel.size();
  std::vector<int64_t> shape = {1, 1};
  std::vector<float> counts = {1};
  for (size_t i = 0; i < axes; ++i) {
    std::vector<float> axis(static_cast<size_t>(out[i + 2]));
    for (int64_t o = 0; o < out[i + 2]; ++o) {
      int64_t hits = 0;
      for (int64_t k = 0; k < w.kernel[i]; ++k) {
        const int64_t at = o * w.stride[i] + k * w.dilation[i] - w.pads[i];
        const bool inside = at >= 0 && at < in[i + 2];
        const bool padded = at >= -w.pads[i] && at < in[i + 2] + w.pads[i + axes];
        hits += inside || (include_pad && padded);
      }
      axis[static_cast<size_t>(o)] = static_cast<float>(std::max<int64_t>(hits, 1));
    }
    std::vector<float> product;
    product.reserve(counts.size() * axis.size());
    for (float c : counts) {
      for (float a : axis) product.push_back(c * a);
    }
    counts = std::move(product);
    shape.push_back(out[i + 2]);
  }
  return n.b.Floats(std::move(counts), shape);
}

}  // namespace quantpress::graph::onnx
