#include "graph/import/onnx/ops/quantize.h"

#include <cmath>
#include <numeric>

#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/tensor.h"

namespace quantpress::graph::onnx {
namespace {

using B = mnn::BinaryOpOperation;

// Largest number of scales that are read into memory.
constexpr uint64_t kMaxScales = uint64_t{1} << 26;

struct Range {
  float low, high;
};

Range RangeOf(ElementType type) {
  const int bits = std::min(ElementBits(type), 16);
  const auto steps = static_cast<float>(int64_t{1} << bits);
  return IsUnsigned(type) ? Range{0, steps - 1} : Range{-steps / 2, steps / 2 - 1};
}

// A scale or zero point, shaped to broadcast against x.
Value AlongAxis(NodeContext& n, Value parameter, Value x, const Quantization& q) {
  if (!n.ok()) return {};
  if (IsSingle(n.b, parameter)) return n.b.IsConstant(parameter) ? n.b.ReshapeTo(parameter, {}) : parameter;
  const size_t rank = n.b.Rank(x), own = n.b.Rank(parameter);
  const auto axis = NormalizeAxis(q.axis, rank);
  if (!n.ok()) return {};
  if (!axis) return n.b.Fail(InvalidInput("quantization axis {} lies outside a tensor of rank {}", q.axis, rank));
  if (q.block == 0) {
    if (own != 1) return n.b.Fail(InvalidInput("a scale of rank {}; expected one number, or a list", own));
    std::vector<int64_t> behind(rank - *axis - 1);
    std::iota(behind.begin(), behind.end(), 1);
    return n.b.Unsqueeze(parameter, behind);
  }
  const Dim length = (*n.b.shape(x))[*axis];
  if (own != rank || !IsKnown(length)) {
    return n.b.Fail(Unsupported("blocks of {} along axis {} of a tensor of shape {} with scales of shape {}", q.block, *axis,
                                ShapeText(n.b.shape(x)), ShapeText(n.b.shape(parameter))));
  }
  std::vector<int64_t> block_of(static_cast<size_t>(length));
  for (size_t i = 0; i < block_of.size(); ++i) block_of[i] = static_cast<int64_t>(i) / q.block;
  return n.b.Gather(parameter, n.b.IntList(std::move(block_of)), static_cast<int64_t>(*axis));
}

// Scales and zero points of a constant tensor; false: some of them are not constant, or the layout does not fit (an error then).
bool ReadConstants(NodeContext& n, const Constant& x, const Quantization& q, bool with_scale, std::vector<float>* scale,
                   std::vector<int64_t>* zero, DequantizeLayout* layout) {
  const Constant* scales = n.b.constant(q.scale);
  const Constant* zeros = n.b.constant(q.zero);
  if ((with_scale && scales == nullptr) || (q.zero.valid() && zeros == nullptr)) return false;
  const uint64_t count = std::max(with_scale ? scales->count() : 1, zeros != nullptr ? zeros->count() : 1);
  if (count == 0 || count > kMaxScales) return false;
  if (count > 1) {
    const auto axis = NormalizeAxis(q.axis, x.shape.size());
    if (!axis) {
      n.b.Fail(InvalidInput("quantization axis {} lies outside a tensor of rank {}", q.axis, x.shape.size()));
      return false;
    }
    layout->axis_length = static_cast<uint64_t>(x.shape[*axis]);
    layout->block = static_cast<uint64_t>(std::max<int64_t>(q.block, 0));
    for (size_t i = *axis + 1; i < x.shape.size(); ++i) layout->inner *= static_cast<uint64_t>(x.shape[i]);
    uint64_t expected = layout->axis_length;
    if (layout->block > 0) {
      expected = (layout->axis_length + layout->block - 1) / layout->block * layout->inner;
      for (size_t i = 0; i < *axis; ++i) expected *= static_cast<uint64_t>(x.shape[i]);
    }
    if (count != expected) {
      n.b.Fail(InvalidInput("{} scales for axis {} of a tensor of shape {}; expected {}", count, *axis,
                            ShapeText(Shape(x.shape.begin(), x.shape.end())), expected));
      return false;
    }
  }
  *scale = with_scale ? scales->Floats() : std::vector<float>(1, 1.0f);
  *zero = zeros != nullptr ? zeros->Ints() : std::vector<int64_t>(1, 0);
  if ((scale->size() != count && scale->size() != 1) || (zero->size() != count && zero->size() != 1)) {
    n.b.Fail(InvalidInput("{} scales with {} zero points", scale->size(), zero->size()));
    return false;
  }
  if (scale->size() == 1) scale->assign(count, (*scale)[0]);
  if (zero->size() == 1) zero->assign(count, (*zero)[0]);
  return true;
}

// The dequantized constant, or null.
Value FoldDequantize(NodeContext& n, Value integers, const Quantization& q, bool with_scale, ElementType type) {
  const Constant* x = n.b.constant(integers);
  if (x == nullptr) return {};
  std::vector<float> scale;
  std::vector<int64_t> zero;
  DequantizeLayout layout;
  if (!ReadConstants(n, *x, q, with_scale, &scale, &zero, &layout)) return {};
  return n.b.MakeConstant({type, x->shape, DequantizeSource(x->data, std::move(scale), std::move(zero), layout)});
}

// The zero point as one number, if it is one that is known.
std::optional<float> SingleZero(NodeContext& n, const Quantization& q) {
  if (!q.zero.valid()) return 0.0f;
  const auto values = IsSingle(n.b, q.zero) ? n.b.ConstantInts(q.zero) : std::nullopt;
  return values ? std::optional(static_cast<float>((*values)[0])) : std::nullopt;
}

}  // namespace

bool IsSingle(const GraphBuilder& b, Value v) {
  const auto& shape = b.shape(v);
  return shape && ElementCount(*shape) == 1;
}

Quantization QuantizationAt(NodeContext& n, size_t i) {
  Quantization q;
  q.scale = n.Input(i);
  q.zero = n.OptionalInput(i + 1);
  // Calibration of an attention mask that holds -infinity gives such scales; the codes of its numbers mean nothing.
  const Constant* scales = n.ok() ? n.b.constant(q.scale) : nullptr;
  if (scales != nullptr && scales->count() == 1 && !std::isfinite(scales->Floats()[0])) {
    n.Fail("the scale is {}; leave this tensor out of the quantization", scales->Floats()[0]);
  }
  return q;
}

// Float32 has no fractions from 2^23 on: adding and subtracting 1.5 * 2^23 rounds to whole numbers. One addition less than anything
// built from the runtime's ROUND, which is half away from zero. Needs float32 arithmetic (precision "normal" on CPUs, else "high").
Value RoundSmall(GraphBuilder& b, Value x) {
  if (!b.ok() || !x.valid()) return {};
  const Value magic = b.ScalarLike(0x1.8p23, x);
  return b.Sub(b.Add(x, magic), magic);
}

Value Centered(NodeContext& n, Value integers, const Quantization& q) {
  if (!n.ok()) return {};
  if (const Value folded = FoldDequantize(n, integers, q, false, ElementType::kFloat32); folded.valid() || !n.ok()) return folded;
  const ValueInfo& info = n.b.info(integers);
  const auto zero = SingleZero(n, q);
  if (zero && info.float_form >= 0) {
    const Value form{info.float_form};
    const float shift = info.float_offset - *zero;
    return shift == 0 ? form : n.b.Add(form, n.b.ScalarFloat(shift));
  }
  const Value floats = n.b.Cast(integers, ElementType::kFloat32);
  if (zero && *zero == 0) return floats;
  if (zero) return n.b.Sub(floats, n.b.ScalarFloat(*zero));
  return n.b.Sub(floats, n.b.Cast(AlongAxis(n, q.zero, integers, q), ElementType::kFloat32));
}

Value Dequantize(NodeContext& n, Value integers, const Quantization& q, ElementType type) {
  if (!n.ok()) return {};
  if (const Value folded = FoldDequantize(n, integers, q, true, type); folded.valid() || !n.ok()) return folded;
  const Value scale = n.b.Cast(AlongAxis(n, q.scale, integers, q), ElementType::kFloat32);
  return n.b.Cast(n.b.Mul(Centered(n, integers, q), scale), type);
}

Value RoundToCodes(NodeContext& n, Value scaled, const Quantization& q, ElementType type) {
  const Value whole = RoundSmall(n.b, scaled);
  const Range range = RangeOf(type);
  // Without the zero point where it is one number: who dequantizes takes it off again.
  if (const auto zero = SingleZero(n, q)) {
    return n.b.CastIntegral(n.b.Clip(whole, range.low - *zero, range.high - *zero), type, *zero);
  }
  const Value zero = n.b.Cast(AlongAxis(n, q.zero, scaled, q), ElementType::kFloat32);
  return n.b.CastIntegral(n.b.Clip(n.b.Add(whole, zero), range.low, range.high), type);
}

Value Quantize(NodeContext& n, Value x, const Quantization& q, ElementType type) {
  if (!n.ok()) return {};
  if (!IsInteger(type) || ElementBits(type) > 16) {
    return n.b.Fail(Unsupported("quantization to {}; expected an integer of at most 16 bits", ElementTypeName(type)));
  }
  if (const Constant* constant = n.b.constant(x)) {
    std::vector<float> scale;
    std::vector<int64_t> zero;
    DequantizeLayout layout;
    if (ReadConstants(n, *constant, q, true, &scale, &zero, &layout)) {
      return n.b.MakeConstant({type, constant->shape, QuantizeSource(constant->data, std::move(scale), std::move(zero), layout, type)});
    }
    if (!n.ok()) return {};
  }
  const Value f = n.b.Cast(x, ElementType::kFloat32);
  return RoundToCodes(n, n.b.Div(f, n.b.Cast(AlongAxis(n, q.scale, x, q), ElementType::kFloat32)), q, type);
}

namespace {

Quantization ReadQuantization(NodeContext& n) {
  Quantization q = QuantizationAt(n, 1);
  q.axis = n.Int("axis", 1);
  q.block = n.Int("block_size", 0);
  if (q.block < 0) n.Fail("block_size {}; expected 0 or more", q.block);
  return q;
}

// Attribute output_dtype, or `fallback`.
ElementType OutputType(NodeContext& n, ElementType fallback) {
  const int64_t code = n.Int("output_dtype", 0);
  if (code == 0) return fallback;
  const ElementType type = code > 0 && code < 64 ? FromOnnxType(static_cast<int>(code)) : ElementType::kUnknown;
  if (type == ElementType::kUnknown) n.Fail("output_dtype {} ({})", code, OnnxTypeName(static_cast<int>(code)));
  return type;
}

void QuantizeLinear(NodeContext& n) {
  const Value x = n.Input(0);
  const Quantization q = ReadQuantization(n);
  const ElementType type = OutputType(n, q.zero.valid() ? n.b.type(q.zero) : ElementType::kUInt8);
  n.SetOutput(0, Quantize(n, x, q, type));
}

void DequantizeLinear(NodeContext& n) {
  const Value x = n.Input(0);
  const Quantization q = ReadQuantization(n);
  if (!n.ok()) return;
  n.SetOutput(0, Dequantize(n, x, q, OutputType(n, n.b.type(q.scale))));
}

constexpr std::string_view kQuantizeNote = "codes of at most 16 bits; exact in float32 arithmetic";

constexpr OpRow kRows[] = {
    {"", "QuantizeLinear", 10, kNewest, QuantizeLinear, kQuantizeNote},
    {"", "DequantizeLinear", 10, kNewest, DequantizeLinear, "constants stay as they are in the file until they are written"},
    {"com.microsoft", "QuantizeLinear", 1, kNewest, QuantizeLinear, kQuantizeNote},
    {"com.microsoft", "DequantizeLinear", 1, kNewest, DequantizeLinear, ""},
};

}  // namespace

std::span<const OpRow> QuantizeOps() { return kRows; }

}  // namespace quantpress::graph::onnx
