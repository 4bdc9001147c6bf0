// Fourier transforms as products with cosine and sine matrices, windows, and mel weights. Lengths may be computed at run
// time; where they are constant, so are the matrices.
#include <cmath>

#include "graph/build/expr.h"
#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

constexpr double kTwoPi = 6.283185307179586;

struct Fourier {
  bool inverse = false, onesided = false;
  Expr length;              // of the transform
  int64_t components = 1;   // of the input: 1 real, 2 complex
};

Value AsList(Expr v) { return v.b->Reshape(v.v, v.b->IntList({1})); }

// x [..., components, count] -> [..., 2, bins], or [..., 1, length] for a one-sided inverse. `count`: elements of the last axis.
Value Transform(GraphBuilder& b, const Fourier& f, Value x, Expr count) {
  const size_t rank = b.Rank(x);
  if (!b.ok()) return {};
  const bool real_output = f.inverse && f.onesided;
  const Expr bins = f.onesided && !f.inverse ? f.length / 2.0 + 1.0 : f.length;
  const Expr t = Iota(count), k = Iota(bins);
  // The product modulo the length first: an angle of many turns would lose its digits.
  const Expr turns{&b, b.Binary(mnn::BinaryOpOperation::MOD, b.MulExact(WithAxes(t, {1}), WithAxes(k, {0})), f.length)};
  const Expr angle = ToFloat(turns) * kTwoPi / ToFloat(f.length);
  Expr cosine = Cos(angle), sine = f.inverse ? Sin(angle) : Sin(angle) * -1.0;  // [count, bins]
  if (f.inverse) {
    Expr gain = 1.0 / ToFloat(f.length);
    if (real_output) {
      // The bins between the first and the middle one stand for their mirror images too.
      const Expr middle = IsEqual(t * 2.0, f.length), edge = Max(Indicator(IsEqual(t, 0.0)), Indicator(middle));
      gain = WithAxes((2.0 - edge), {1}) * gain;
    }
    cosine = cosine * gain;
    sine = sine * gain;
  }
  // Rows: real parts, then imaginary parts of the input; columns the same of the output.
  Value matrix;
  if (real_output) {
    matrix = f.components == 2 ? b.Concat({cosine, sine * -1.0}, 0) : Value(cosine);
  } else {
    matrix = b.Concat({cosine, sine}, 1);
    if (f.components == 2) matrix = b.Concat({matrix, b.Concat({sine * -1.0, cosine}, 1)}, 0);
  }
  const Value shape = b.ShapeOf(x);
  const Value rows = AsList(count * static_cast<double>(f.components));
  const Value flat = b.Reshape(x, b.Concat({b.IntList({1, -1}), rows}, 0));
  // Rank 3: a product, not the weight of a layer.
  const Value product = b.MatMul(flat, b.Unsqueeze(matrix, {0}));
  std::vector<Value> out;
  if (rank > 2) out.push_back(b.Slice(shape, {0}, {static_cast<int64_t>(rank) - 2}, {0}));
  out.push_back(b.IntList({real_output ? 1 : 2}));
  out.push_back(AsList(bins));
  return b.Reshape(product, b.Concat(std::move(out), 0));
}

// The first `length` elements along the last axis.
Value FirstElements(GraphBuilder& b, Value x, Expr length, Expr* count) {
  const size_t last = b.Rank(x) - 1;
  if (!b.ok()) return {};
  const Dim size = (*b.shape(x))[last];
  const auto wanted = b.ConstantInts(length);
  *count = {&b, b.DimOf(x, last)};
  if (wanted && IsKnown(size) && size <= (*wanted)[0]) return x;
  *count = Min(*count, length);
  return b.SliceDynamic(x, b.IntList({0}), AsList(*count), b.IntList({static_cast<int64_t>(last)}), {});
}

Value TransposeBy(GraphBuilder& b, Value x, Value perm) {
  Shape out;
  for (size_t i = 0; i < b.Rank(x); ++i) out.push_back(b.symbols()->Fresh());
  return b.Emit(mnn::OpType::Transpose, Param(mnn::TransposeT{}), {x, b.Cast(perm, ElementType::kInt32)}, {b.type(x), out});
}

void Dft(NodeContext& n) {
  GraphBuilder& b = n.b;
  Value x = n.Input(0);
  const auto rank = static_cast<int64_t>(b.Rank(x));
  Fourier f;
  f.inverse = n.Int("inverse", 0) != 0;
  f.onesided = n.Int("onesided", 0) != 0;
  if (!n.ok()) return;
  if (rank < 2) return n.Fail("a tensor of shape {}", ShapeText(b.shape(x)));
  f.components = b.shape(x)->back();
  if (f.components != 1 && f.components != 2) return n.Fail("a tensor of shape {}; the last axis must be 1 (real) or 2 (complex)", ShapeText(b.shape(x)));
  // The axis is an attribute before opset 20, an input from then on; it goes last, behind the components.
  std::optional<size_t> axis;
  Value forth, back;
  if (n.opset() >= 20 && n.HasInput(2) && !b.IsConstant(n.Input(2))) {
    const Expr a{&b, b.Cast(b.Reshape(n.Input(2), b.IntList({1})), ElementType::kInt64)};
    const Expr at = Where(a < 0.0, a + static_cast<double>(rank), a);
    std::vector<int64_t> numbers;
    for (int64_t i = 0; i + 2 < rank; ++i) numbers.push_back(i);
    const Expr others{&b, b.IntList(numbers)};
    forth = rank > 2 ? b.Concat({Where(others < at, others, others + 1.0), b.IntList({rank - 1}), at}, 0) : b.IntList({1, 0});
    numbers.push_back(rank - 2);
    const Expr places{&b, b.IntList(numbers)};
    const Expr from = Where(places < at, places, places - 1.0);
    back = b.Concat({Where(IsEqual(places, at), {&b, b.IntList({rank - 1})}, from), b.IntList({rank - 2})}, 0);
    x = TransposeBy(b, x, forth);
  } else {
    int64_t a = n.opset() < 20 ? n.Int("axis", 1) : -2;
    if (n.opset() >= 20 && n.HasInput(2)) a = n.ConstantInts(2, "axis").at(0);
    axis = NormalizeAxis(a, static_cast<size_t>(rank));
    if (!axis || *axis + 1 == static_cast<size_t>(rank)) return n.Fail("axis {} of a tensor of rank {}", a, rank);
    std::vector<int64_t> perm;
    for (int64_t i = 0; i < rank; ++i) {
      if (i != static_cast<int64_t>(*axis)) perm.push_back(i);
    }
    perm.push_back(static_cast<int64_t>(*axis));
    x = b.Transpose(x, perm);
  }
  if (!n.ok()) return;
  const Expr size{&b, b.DimOf(x, static_cast<size_t>(rank) - 1)};
  if (n.HasInput(1)) {
    f.length = {&b, b.Cast(b.Reshape(n.Input(1), b.IntList({})), ElementType::kInt64)};
  } else {
    f.length = f.inverse && f.onesided ? (size - 1.0) * 2.0 : size;
  }
  Expr count;
  x = FirstElements(b, x, f.inverse && f.onesided ? f.length / 2.0 + 1.0 : f.length, &count);
  Value y = Transform(b, f, x, count);
  if (back.valid()) return n.SetOutput(0, TransposeBy(b, y, back));
  std::vector<int64_t> perm;
  for (int64_t i = 0; i + 1 < rank; ++i) perm.push_back(i < static_cast<int64_t>(*axis) ? i : i == static_cast<int64_t>(*axis) ? rank - 1 : i - 1);
  perm.push_back(rank - 2);
  n.SetOutput(0, b.Transpose(y, perm));
}

void Stft(NodeContext& n) {
  GraphBuilder& b = n.b;
  Value signal = n.Input(0);
  const Value window = n.OptionalInput(2);
  size_t rank = b.Rank(signal);
  if (!n.ok()) return;
  if (rank == 2) {
    signal = b.Unsqueeze(signal, {2});
    rank = 3;
  }
  Fourier f;
  f.components = b.shape(signal)->back();
  if (rank != 3 || (f.components != 1 && f.components != 2)) return n.Fail("a signal of shape {}", ShapeText(b.shape(signal)));
  f.onesided = n.Int("onesided", 1) != 0 && f.components == 1;
  if (!n.HasInput(3) && !window.valid()) return n.Fail("neither a window nor a frame_length");
  const auto scalar = [&](Value v) { return Expr{&b, b.Cast(b.Reshape(v, b.IntList({})), ElementType::kInt64)}; };
  const Expr step = scalar(n.Input(1));
  f.length = n.HasInput(3) ? scalar(n.Input(3)) : Expr{&b, b.DimOf(window, 0)};
  if (!n.ok()) return;
  const Expr frames = (Expr{&b, b.DimOf(signal, 1)} - f.length) / step + 1.0;
  const Expr where = WithAxes(Iota(frames) * step, {1}) + WithAxes(Iota(f.length), {0});
  Value x = b.Transpose(b.Gather(signal, where, 1), {0, 1, 3, 2});  // [N, frames, components, length]
  if (window.valid()) x = b.Mul(x, window);
  n.SetOutput(0, b.Transpose(Transform(b, f, x, f.length), {0, 1, 3, 2}));
}

// a0 - a1 cos(2 pi k / N) + a2 cos(4 pi k / N)
void Window(NodeContext& n, double a0, double a1, double a2) {
  GraphBuilder& b = n.b;
  const Expr size{&b, b.Reshape(n.Input(0), b.IntList({}))};
  const Expr period = n.Int("periodic", 1) != 0 ? ToFloat(size) : Max(ToFloat(size) - 1.0, 1.0);
  const Expr angle = ToFloat(Iota(size)) * kTwoPi / period;
  Expr y = a0 - Cos(angle) * a1;
  if (a2 != 0) y = y + Cos(angle * 2.0) * a2;
  n.SetOutput(0, y);
}
void HannWindow(NodeContext& n) { Window(n, 0.5, 0.5, 0); }
void HammingWindow(NodeContext& n) { Window(n, 25.0 / 46, 21.0 / 46, 0); }
void BlackmanWindow(NodeContext& n) { Window(n, 0.42, 0.5, 0.08); }

// Triangles between the edges of num_mel_bins + 2 equal steps on the mel scale, rounded down to spectrogram bins.
void MelWeightMatrix(NodeContext& n) {
  GraphBuilder& b = n.b;
  const auto scalar = [&](size_t i) { return Expr{&b, b.Reshape(n.Input(i), b.IntList({}))}; };
  const Expr bins = ToInt(scalar(0)), length = ToInt(scalar(1)), rate = ToFloat(scalar(2));
  const auto to_mel = [](Expr hertz) { return Log(ToFloat(hertz) / 700.0 + 1.0) * (2595 / std::log(10.0)); };
  const Expr low = to_mel(scalar(3)), high = to_mel(scalar(4));
  const Expr mel = ToFloat(Iota(bins + 2.0)) * ((high - low) / (ToFloat(bins) + 2.0)) + low;
  const Expr hertz = (Exp(mel * (std::log(10.0) / 2595)) - 1.0) * 700.0;
  const Expr edge = Floor((ToFloat(length) + 1.0) * hertz / rate);
  const auto from = [&](double first) {
    return WithAxes({&b, b.Gather(edge, Iota(bins) + first, 0)}, {0});  // [1, bins]
  };
  const Expr lower = from(0), centre = from(1), upper = from(2);
  const Expr at = WithAxes(ToFloat(Iota(length / 2.0 + 1.0)), {1});
  const Expr rise = Max(centre - lower, 1.0), fall = Max(upper - centre, 1.0);
  const Expr up = Indicator(at >= lower) * Indicator(at <= centre) * Where(centre > lower, (at - lower) / rise, at * 0.0 + 1.0);
  const Expr down = (upper - at) / fall, falling = Indicator(at >= centre) * Indicator(at < upper);
  n.SetOutput(0, Where(falling > 0.5, down, up));
}

constexpr OpRow kRows[] = {
    {"", "DFT", 17, kNewest, Dft, "a product with a matrix"},
    {"", "STFT", 17, kNewest, Stft, "frames, then a product with a matrix"},
    {"", "HannWindow", 17, kNewest, HannWindow, ""},
    {"", "HammingWindow", 17, kNewest, HammingWindow, ""},
    {"", "BlackmanWindow", 17, kNewest, BlackmanWindow, ""},
    {"", "MelWeightMatrix", 17, kNewest, MelWeightMatrix, ""},
};

}  // namespace

std::span<const OpRow> SignalOps() { return kRows; }

}  // namespace quantpress::graph::onnx
