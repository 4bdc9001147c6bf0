// Weights of a few bits, packed into bytes (com.microsoft): products and lookups.
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"

namespace quantpress::graph::onnx {
namespace {

using B = mnn::BinaryOpOperation;

// Codes of 4 or 8 bits under a new shape, low nibble first. Fails where the bytes do not match.
std::optional<Constant> Codes(NodeContext& n, Value packed, int64_t bits, std::vector<int64_t> shape) {
  const Constant* bytes = n.b.constant(packed);
  if (bytes == nullptr) {
    n.Fail("the quantized matrix '{}' is computed at run time; it must be constant", n.b.info(packed).name);
    return std::nullopt;
  }
  const auto count = ElementCount(shape);
  if (!count) {
    n.Fail("a matrix of shape {}", ShapeText(shape));
    return std::nullopt;
  }
  const Bytes stored = bytes->data->Stored();
  const ElementType type = bits == 4 ? ElementType::kUInt4 : ElementType::kUInt8;
  auto source = stored.data != nullptr || *count == 0
                    ? DenseSource(stored, type, static_cast<uint64_t>(*count))
                    : StatusOr<TensorSourcePtr>(Unsupported("the quantized matrix is the result of other operators"));
  if (!source.ok()) {
    n.b.Fail(source.status());
    return std::nullopt;
  }
  return Constant{type, std::move(shape), *std::move(source)};
}

// `columns` codes of each of `rows` rows that are padded to whole bytes.
std::optional<std::vector<int64_t>> UnpackRows(NodeContext& n, Value packed, int64_t bits, int64_t rows, int64_t columns) {
  const auto bytes = n.b.ConstantInts(packed);
  const int64_t stride = (columns * bits + 7) / 8;
  if (!bytes || static_cast<int64_t>(bytes->size()) != rows * stride) {
    n.Fail("{} bytes of zero points; expected {} rows of {}", bytes ? bytes->size() : 0, rows, stride);
    return std::nullopt;
  }
  std::vector<int64_t> out(static_cast<size_t>(rows * columns));
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      const int64_t byte = (*bytes)[static_cast<size_t>(r * stride + c * bits / 8)];
      out[static_cast<size_t>(r * columns + c)] = bits == 8 ? byte : byte >> (c % 2 * 4) & 15;
    }
  }
  return out;
}

// The float matrix [N, K] of a MatMulNBits node. Nothing is unpacked until the weights are written.
Value NBitsMatrix(NodeContext& n, int64_t rows, int64_t columns, int64_t bits, int64_t block) {
  const int64_t blocks = (columns + block - 1) / block, groups = rows * blocks;
  auto codes = Codes(n, n.Input(1), bits, {rows, blocks * block});
  const auto scales = n.b.ConstantFloats(n.Input(2));
  if (!n.ok()) return {};
  if (!scales || static_cast<int64_t>(scales->size()) != groups) {
    n.Fail("{} scales for {} rows of {} blocks; they must be constant", scales ? scales->size() : 0, rows, blocks);
    return {};
  }
  const Value zero = n.OptionalInput(3);
  TensorSourcePtr real;
  if (zero.valid() && IsFloat(n.b.type(zero))) {
    const auto zeros = n.b.ConstantFloats(zero);
    if (!zeros || zeros->size() != scales->size()) {
      n.Fail("{} zero points for {} scales; they must be constant", zeros ? zeros->size() : 0, scales->size());
      return {};
    }
    std::vector<float> shift(zeros->size());
    for (size_t i = 0; i < shift.size(); ++i) shift[i] = -(*zeros)[i] * (*scales)[i];
    real = AffineSource(codes->data, *scales, std::move(shift), static_cast<uint64_t>(block));
  } else {
    std::vector<int64_t> zeros(scales->size(), int64_t{1} << (bits - 1));
    if (zero.valid()) {
      auto read = UnpackRows(n, zero, bits, rows, blocks);
      if (!read) return {};
      zeros = *std::move(read);
    }
    DequantizeLayout layout;
    layout.axis_length = static_cast<uint64_t>(blocks * block);
    layout.block = static_cast<uint64_t>(block);
    real = DequantizeSource(codes->data, *scales, std::move(zeros), layout);
  }
  const Value padded = n.b.MakeConstant({ElementType::kFloat32, codes->shape, std::move(real)});
  return n.b.Slice(padded, {0}, {columns}, {1});
}

void MatMulNBits(NodeContext& n) {
  const Value a = n.Input(0);
  const int64_t k = n.Int("K", 0), columns = n.Int("N", 0), bits = n.Int("bits", 4), block = n.Int("block_size", 0);
  if (!n.ok()) return;
  constexpr int64_t kLimit = int64_t{1} << 30;
  if (k < 1 || columns < 1 || block < 1 || k > kLimit || columns > kLimit || block > kLimit) {
    return n.Fail("K {}, N {}, block_size {}; all must be positive", k, columns, block);
  }
  if (bits != 4 && bits != 8) return n.Fail("bits {}; expected 4 or 8", bits);
  if (n.HasInput(4)) {
    const auto order = n.b.ConstantInts(n.Input(4));
    bool plain = order && static_cast<int64_t>(order->size()) >= k;
    for (int64_t i = 0; plain && i < k; ++i) plain = (*order)[static_cast<size_t>(i)] == i / block;
    if (!plain) return n.Fail("g_idx puts columns into blocks out of order");
  }
  const ElementType type = n.b.type(a);
  const Value weight = NBitsMatrix(n, columns, k, bits, block);
  const Value bias = n.OptionalInput(5);
  if (!n.ok()) return;
  Value out = n.b.MatMul(a, weight, false, true);
  if (bias.valid()) out = n.b.Add(out, bias);
  n.SetOutput(0, n.b.Cast(out, type));
}

// A lookup in a quantized table [.., rows, .., K]: the codes stay packed in the file, and only the rows that are looked up are
// dequantized.
void GatherBlockQuantized(NodeContext& n) {
  const Value data = n.Input(0), indices = n.Input(1), scales = n.Input(2), zero = n.OptionalInput(3);
  const int64_t bits = n.Int("bits", 4), block = n.Int("block_size", 128);
  const size_t rank = n.b.Rank(data), index_rank = n.b.Rank(indices);
  if (!n.ok()) return;
  const auto gather = NormalizeAxis(n.Int("gather_axis", 0), rank), axis = NormalizeAxis(n.Int("quantize_axis", 1), rank);
  if (!gather || !axis || *axis + 1 != rank || *gather == *axis) {
    return n.Fail("gather_axis {}, quantize_axis {}; expected blocks along the last axis, and another one to look up",
                  n.Int("gather_axis", 0), n.Int("quantize_axis", 1));
  }
  if ((bits != 4 && bits != 8) || block < 1) return n.Fail("bits {}, block_size {}; expected 4 or 8 bits", bits, block);
  const ElementType type = n.b.type(data);
  const bool nibbles = bits == 4 || type == ElementType::kUInt4 || type == ElementType::kInt4;
  const bool is_signed = type == ElementType::kInt4 || type == ElementType::kInt8;
  const bool typed = ElementBits(type) == 4;  // the tensor's shape counts codes, not bytes
  Shape shape = *n.b.shape(data);
  if (!IsStatic(shape)) return n.Fail("a table of unknown size {}", ShapeText(shape));
  const int64_t length = nibbles && !typed ? shape.back() * 2 : shape.back();
  if (length % block != 0) return n.Fail("rows of {} codes in blocks of {}; expected whole blocks", length, block);
  Value bytes = data;
  if (typed) {
    if (length % 2 != 0) return n.Fail("rows of {} codes of 4 bits; expected an even number", length);
    shape.back() = length / 2;
    const auto packed = Codes(n, data, 8, shape);
    if (!packed) return;
    bytes = n.b.MakeConstant(*packed);
  }
  const auto lead = static_cast<size_t>(rank - 1 + index_rank - 1);  // axes in front of the codes, once looked up
  const auto where = static_cast<int64_t>(*gather);
  const std::vector<int64_t> keep(lead, 0);
  const auto last = static_cast<int64_t>(lead);
  // Codes of `packed` rows as int32.
  const auto unpack = [&](Value packed, int64_t count) {
    const Value rows = n.b.Cast(n.b.Gather(packed, indices, where), ElementType::kInt32);
    if (!nibbles) return rows;
    const Value low = n.b.Binary(B::BITWISE_AND, rows, n.b.ScalarInt(15, ElementType::kInt32));
    const Value high = n.b.Binary(B::RIGHTSHIFT, rows, n.b.ScalarInt(4, ElementType::kInt32));
    const Value pairs = n.b.Concat({n.b.Unsqueeze(low, {last + 1}), n.b.Unsqueeze(high, {last + 1})}, last + 1);
    std::vector<int64_t> dims = keep;
    dims.push_back((count + 1) / 2 * 2);
    return n.b.Slice(n.b.ReshapeTo(pairs, dims), {0}, {count}, {last});
  };
  Value codes = unpack(bytes, length);
  // Two's complement of four bits: flip the sign bit, then 8 is zero.
  int64_t offset = 0;
  if (is_signed && nibbles) {
    codes = n.b.Binary(B::BITWISE_XOR, codes, n.b.ScalarInt(8, ElementType::kInt32));
    offset = 8;
  }
  const int64_t blocks = length / block;
  std::vector<int64_t> split = keep, joined = keep;
  split.insert(split.end(), {blocks, block});
  joined.push_back(length);
  Value real = n.b.ReshapeTo(n.b.Cast(codes, ElementType::kFloat32), split);
  if (zero.valid()) {
    if (typed) return n.Fail("zero points of a table of {}; expected a table of uint8", ElementTypeName(type));
    const Value zeros = n.b.Cast(unpack(zero, blocks), ElementType::kFloat32);
    real = n.b.Sub(real, n.b.Unsqueeze(zeros, {last + 1}));
  } else {
    if (type == ElementType::kUInt8) offset = int64_t{1} << (bits - 1);
    if (offset != 0) real = n.b.Sub(real, n.b.ScalarFloat(static_cast<float>(offset)));
  }
  const Value scale = n.b.Unsqueeze(n.b.Cast(n.b.Gather(scales, indices, where), ElementType::kFloat32), {last + 1});
  if (!n.ok()) return;
  n.SetOutput(0, n.b.Cast(n.b.ReshapeTo(n.b.Mul(real, scale), joined), n.b.type(scales)));
}

constexpr OpRow kRows[] = {
    {"com.microsoft", "MatMulNBits", 1, kNewest, MatMulNBits, "4 or 8 bits; codes are kept where docs/plan.md says so, else it becomes a float weight"},
    {"com.microsoft", "GatherBlockQuantized", 1, kNewest, GatherBlockQuantized, "4 or 8 bits, blocks along the last axis"},
};

}  // namespace

std::span<const OpRow> LowBitOps() { return kRows; }

}  // namespace quantpress::graph::onnx
