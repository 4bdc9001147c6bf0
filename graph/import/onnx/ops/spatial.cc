// Operators that move elements between channels and space.
#include <algorithm>

#include "graph/build/expr.h"
#include "graph/build/params.h"
#include "graph/import/onnx/node_context.h"
#include "graph/import/onnx/op_table.h"
#include "graph/import/onnx/ops/sizes.h"

namespace quantpress::graph::onnx {
namespace {

// What both operators are told; false after an error.
bool ReadBlocks(NodeContext& n, Value x, int64_t* block, bool* depth_first) {
  *block = n.Int("blocksize", 0);
  if (n.b.Rank(x) != 4 && n.ok()) n.Fail("a tensor of shape {}; expected [N, C, H, W]", ShapeText(n.b.shape(x)));
  if (n.ok() && (*block < 1 || *block > 4096)) n.Fail("a blocksize of {}", *block);
  const std::string mode = n.String("mode", "DCR");
  *depth_first = mode == "DCR";
  if (n.ok() && !*depth_first && mode != "CRD") n.Fail("mode '{}'; expected DCR or CRD", mode);
  return n.ok();
}

void DepthToSpace(NodeContext& n) {
  const Value x = n.Input(0);
  int64_t block = 0;
  bool dcr = false;
  if (!ReadBlocks(n, x, &block, &dcr)) return;
  const Shape in = *n.b.shape(x);
  if (!IsKnown(in[1]) || in[1] % (block * block) != 0) return n.Fail("a blocksize of {} for a tensor of shape {}", block, ShapeText(in));
  Shape out = in;
  out[1] = in[1] / (block * block);
  for (size_t i = 2; i < 4; ++i) out[i] = IsKnown(in[i]) ? in[i] * block : n.b.symbols()->Fresh();
  if (in[1] > 0 && IsFloat(n.b.type(x))) {
    mnn::DepthSpaceParamT param;
    param.blockSize = static_cast<int32_t>(block);
    param.mode = dcr ? mnn::DepthToSpaceMode::DCR : mnn::DepthToSpaceMode::CRD;
    const Value v = n.b.Emit(mnn::OpType::DepthToSpace, Param(param), {x}, {n.b.type(x), out});
    if (v.valid()) n.b.last_op().default_format = mnn::MNN_DATA_FORMAT::NCHW;
    return n.SetOutput(0, v);
  }
  const std::vector<Size> s = SizesOf(n.b, x);
  const Size b = Fixed(block), depth = Fixed(out[1]);
  const Value apart = dcr ? ReshapeToSizes(n.b, x, {s[0], b, b, depth, s[2], s[3]}) : ReshapeToSizes(n.b, x, {s[0], depth, b, b, s[2], s[3]});
  const Value moved = n.b.Transpose(apart, dcr ? std::vector<int64_t>{0, 3, 4, 1, 5, 2} : std::vector<int64_t>{0, 1, 4, 2, 5, 3});
  n.SetOutput(0, ReshapeToProducts(n.b, moved, {{s[0]}, {depth}, {s[2], b}, {s[3], b}}));
}

void SpaceToDepth(NodeContext& n) {
  const Value x = n.Input(0);
  int64_t block = 0;
  bool dcr = false;
  if (!ReadBlocks(n, x, &block, &dcr)) return;
  const Shape in = *n.b.shape(x);
  std::vector<Size> s = SizesOf(n.b, x);
  Value rows[2];
  for (size_t i = 2; i < 4; ++i) {
    if (IsKnown(in[i])) {
      if (in[i] % block != 0) return n.Fail("a blocksize of {} for a tensor of shape {}", block, ShapeText(in));
      s[i] = Fixed(in[i] / block);
    }
    rows[i - 2] = n.b.Reshape(n.b.Div(n.b.DimOf(x, i), n.b.ScalarInt(block)), n.b.IntList({1}));
  }
  const auto shape_of = [&](std::vector<Value> parts) { return n.b.Concat(std::move(parts), 0); };
  const auto one = [&](const Size& size) { return n.b.Reshape(ToScalar(n.b, size), n.b.IntList({1})); };
  const Value apart = n.b.Reshape(x, shape_of({one(s[0]), one(s[1]), rows[0], n.b.IntList({block}), rows[1], n.b.IntList({block})}));
  const Value moved = n.b.Transpose(apart, dcr ? std::vector<int64_t>{0, 3, 5, 1, 2, 4} : std::vector<int64_t>{0, 1, 3, 5, 2, 4});
  const Value depth = n.b.Mul(one(s[1]), n.b.IntList({block * block}));
  n.SetOutput(0, n.b.Reshape(moved, shape_of({one(s[0]), depth, rows[0], rows[1]})));
}

// Adds every column of the input where its window lies in the image; what lies in the padding goes to a cell of its own,
// which is cut off.
void Col2Im(NodeContext& n) {
  GraphBuilder& b = n.b;
  const Value x = n.Input(0), image = n.Input(1), block = n.Input(2);
  if (b.Rank(x) != 3 && n.ok()) n.Fail("a tensor of shape {}; expected [N, C * kernel, positions]", ShapeText(b.shape(x)));
  if (b.Rank(image) != 1 && n.ok()) n.Fail("an image_shape of shape {}", ShapeText(b.shape(image)));
  if (!n.ok()) return;
  const Dim known = (*b.shape(image))[0];
  if (!IsKnown(known) || known < 1 || known > 8) return n.Fail("an image_shape of shape {}", ShapeText(b.shape(image)));
  const auto axes = static_cast<size_t>(known);
  const std::vector<int64_t> stride = n.Ints("strides", std::vector<int64_t>(axes, 1)), dilation = n.Ints("dilations", std::vector<int64_t>(axes, 1));
  const std::vector<int64_t> pads = n.Ints("pads", std::vector<int64_t>(2 * axes, 0));
  if (!n.ok()) return;
  if (stride.size() != axes || dilation.size() != axes || pads.size() != 2 * axes) return n.Fail("attributes for another number of spatial axes than {}", axes);
  const auto element = [&](Value v, size_t i) { return Expr{&b, b.Cast(b.Gather(v, b.ScalarInt(static_cast<int64_t>(i)), 0), ElementType::kInt64)}; };
  const auto list = [&](Expr v) { return b.Reshape(v, b.IntList({1})); };
  Expr flat{&b, b.ScalarInt(0)}, inside{&b, b.ScalarInt(1, ElementType::kBool)};
  Expr total{&b, b.ScalarInt(1)}, kernel{&b, b.ScalarInt(1)}, positions{&b, b.ScalarInt(1)};
  std::vector<Value> image_sizes;
  for (size_t i = 0; i < axes; ++i) {
    constexpr int64_t kMax = int64_t{1} << 24;
    if (stride[i] < 1 || dilation[i] < 1 || std::max(stride[i], dilation[i]) > kMax) return n.Fail("stride {} and dilation {}", stride[i], dilation[i]);
    if (std::min(pads[i], pads[i + axes]) < 0 || std::max(pads[i], pads[i + axes]) > kMax) return n.Fail("pads of {} and {}", pads[i], pads[i + axes]);
    const Expr size = element(image, i), taps = element(block, i);
    const Expr count = (size + static_cast<double>(pads[i] + pads[i + axes] - 1) - (taps - 1.0) * static_cast<double>(dilation[i])) / static_cast<double>(stride[i]) + 1.0;
    // [kernel 1, ... kernel k, positions 1, ... positions k]
    std::vector<int64_t> tap_axes, count_axes;
    for (size_t j = 0; j < 2 * axes; ++j) {
      if (j != i) tap_axes.push_back(static_cast<int64_t>(j));
      if (j != i + axes) count_axes.push_back(static_cast<int64_t>(j));
    }
    const Expr at = WithAxes(Iota(count) * static_cast<double>(stride[i]) - static_cast<double>(pads[i]), count_axes) +
                    WithAxes(Iota(taps) * static_cast<double>(dilation[i]), tap_axes);
    inside = {&b, b.LogicalAnd(inside, b.LogicalAnd(at >= 0.0, at < size))};
    flat = flat * size + at;
    total = total * size;
    kernel = kernel * taps;
    positions = positions * count;
    image_sizes.push_back(list(size));
  }
  const Value where = b.Reshape(Where(inside, flat, total), b.IntList({-1, 1}));
  const Value batch = list({&b, b.DimOf(x, 0)});
  const Value apart = b.Reshape(x, b.Concat({batch, b.IntList({-1}), list(kernel), list(positions)}, 0));
  const Value updates = b.Reshape(b.Transpose(apart, {2, 3, 0, 1}), b.Concat({list(kernel * positions), b.IntList({-1})}, 0));
  const Value columns = list({&b, b.DimOf(updates, 1)});
  const Value zeros = b.Fill(b.Concat({list(total + 1.0), columns}, 0), b.ScalarLike(0, updates));
  const Value sums = b.ScatterND(zeros, where, updates, GraphBuilder::Reduction::kAdd);
  const Value cut = b.SliceDynamic(sums, b.IntList({0}), list(total), b.IntList({0}), {});
  std::vector<Value> out = {batch, b.IntList({-1})};
  out.insert(out.end(), image_sizes.begin(), image_sizes.end());
  n.SetOutput(0, b.Reshape(b.Transpose(cut, {1, 0}), b.Concat(std::move(out), 0)));
}

// Cuts or pads both ends alike; an odd element goes to the end.
void CenterCropPad(NodeContext& n) {
  GraphBuilder& b = n.b;
  Value x = n.Input(0);
  const Expr wanted{&b, b.Cast(n.Input(1), ElementType::kInt64)};
  const size_t rank = b.Rank(x);
  std::vector<int64_t> axes = n.Ints("axes");
  for (size_t i = 0; !n.Has("axes") && i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
  if (!n.ok()) return;
  std::vector<Value> lengths;
  for (int64_t& a : axes) {
    const auto axis = NormalizeAxis(a, rank);
    if (!axis) return n.Fail("axis {} lies outside a tensor of rank {}", a, rank);
    a = static_cast<int64_t>(*axis);
    if (lengths.size() == rank) return n.Fail("{} axes of a tensor of rank {}", axes.size(), rank);
    lengths.push_back(b.Reshape(b.DimOf(x, *axis), b.IntList({1})));
  }
  if (axes.empty()) return n.SetOutput(0, x);
  const Expr have{&b, b.Concat(std::move(lengths), 0)};
  const Expr excess = Max(have - wanted, 0.0), lack = Max(wanted - have, 0.0);
  const Expr start = excess / 2.0, before = lack / 2.0;
  x = b.SliceDynamic(x, start, start + (have - excess), b.IntList(axes), {});
  x = b.PadDynamic(x, b.Concat({before, lack - before}, 0), axes, mnn::PadValueMode::CONSTANT);
  n.SetOutput(0, x);
}

constexpr OpRow kRows[] = {
    {"", "DepthToSpace", 1, kNewest, DepthToSpace, ""},
    {"", "SpaceToDepth", 1, kNewest, SpaceToDepth, ""},
    {"", "CenterCropPad", 18, kNewest, CenterCropPad, ""},
    {"", "Col2Im", 18, kNewest, Col2Im, "as a scatter that adds"},
};

}  // namespace

std::span<const OpRow> SpatialOps() { return kRows; }

}  // namespace quantpress::graph::onnx
