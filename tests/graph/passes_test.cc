// Passes on graphs that the builder makes: what is left, and what it says. That results stay right is tested on the runtime.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>
#include <vector>

#include "graph/build/graph_builder.h"
#include "graph/build/params.h"
#include "graph/passes/passes.h"

namespace quantpress::graph {
namespace {

using mnn::OpType;
using B = mnn::BinaryOpOperation;
using U = mnn::UnaryOpOperation;

class PassTest : public ::testing::Test {
 protected:
  PassTest() : b_(&graph_, &symbols_, {}) {}

  // [batch, time, channels] with two sizes that only a run knows.
  Value Data(int64_t channels) { return b_.Input("x", ElementType::kFloat32, Shape{symbols_.Named("batch"), symbols_.Named("time"), channels}); }
  Value Scalar(float value) { return b_.ScalarFloat(value); }
  Value Root(Value x) { return b_.Unary(U::SQRT, x); }
  Value Mean(Value x) { return b_.Reduce(mnn::ReductionType::MEAN, x, {-1}, true); }

  void Finish(std::vector<Value> outputs) {
    ASSERT_TRUE(b_.ok()) << b_.status();
    for (size_t i = 0; i < outputs.size(); ++i) {
      const std::string name = "y" + std::to_string(i);
      b_.Rename(outputs[i], name);
      graph_.outputs.push_back(b_.Tensor(b_.NameOutput(outputs[i], name)));
    }
    b_.RecordShapes();
  }
  void Run(std::vector<Status (*)(Graph&, const ImportOptions&)> passes) {
    for (auto* pass : passes) ASSERT_TRUE(pass(graph_, options_).ok());
    ASSERT_TRUE(RemoveDeadOps(graph_, options_).ok());
  }
  int64_t Count(OpType type) const {
    return std::count_if(graph_.ops.begin(), graph_.ops.end(), [&](const Op& op) { return op.type == type; });
  }
  const Op& Only(OpType type) const {
    EXPECT_EQ(Count(type), 1) << mnn::EnumNameOpType(type);
    return *std::find_if(graph_.ops.begin(), graph_.ops.end(), [&](const Op& op) { return op.type == type; });
  }
  // The kinds of all UnaryOps.
  std::vector<U> Unaries() const {
    std::vector<U> kinds;
    for (const Op& op : graph_.ops) {
      if (op.type == OpType::UnaryOp) kinds.push_back(TableOf<mnn::UnaryOpT>(op.main)->opType);
    }
    return kinds;
  }

  Graph graph_;
  SymbolTable symbols_;
  ImportOptions options_;
  GraphBuilder b_;
};

TEST_F(PassTest, SiluInBothOrders) {
  const Value x = Data(8);
  const Value y = b_.Mul(x, b_.Unary(U::SIGMOID, x));
  Finish({b_.Mul(b_.Unary(U::SIGMOID, y), y)});
  Run({FuseSwish});
  EXPECT_EQ(Unaries(), (std::vector{U::SILU, U::SILU}));
  EXPECT_EQ(Count(OpType::BinaryOp), 0);
}

TEST_F(PassTest, SigmoidOfAnotherTensorIsAGate) {
  const Value x = Data(8);
  Finish({b_.Mul(x, b_.Unary(U::SIGMOID, b_.Add(x, Scalar(1))))});
  Run({FuseSwish});
  EXPECT_EQ(Unaries(), std::vector{U::SIGMOID});
}

TEST_F(PassTest, HardSwishInEachForm) {
  const Value x = Data(8);
  const Value clip = b_.Clip(b_.Add(x, Scalar(3)), 0, 6);
  const Value line = b_.Clip(b_.Add(b_.Mul(x, Scalar(1.0f / 6)), Scalar(0.5f)), 0, 1);
  Finish({b_.Div(b_.Mul(x, clip), Scalar(6)), b_.Mul(x, b_.Div(clip, Scalar(6))), b_.Mul(x, b_.Mul(clip, Scalar(1.0f / 6))),
          b_.Mul(x, line)});
  Run({FuseSwish});
  EXPECT_EQ(Unaries(), std::vector(4, U::HARDSWISH));
  EXPECT_EQ(graph_.ops.size(), 5u);
}

TEST_F(PassTest, OtherLimitsAreNoHardSwish) {
  const Value x = Data(8);
  Finish({b_.Div(b_.Mul(x, b_.Clip(b_.Add(x, Scalar(3)), 0, 5)), Scalar(6)), b_.Div(b_.Mul(x, b_.Clip(b_.Add(x, Scalar(2)), 0, 6)), Scalar(6))});
  Run({FuseSwish});
  EXPECT_TRUE(Unaries().empty());
}

TEST_F(PassTest, ErfGeluInEachGrouping) {
  const Value x = Data(8);
  const Value gate = b_.Add(b_.Unary(U::ERF, b_.Div(x, Scalar(1.41421354f))), Scalar(1));
  const Value same = b_.Add(Scalar(1), b_.Unary(U::ERF, b_.Mul(x, Scalar(0.70710677f))));
  Finish({b_.Mul(b_.Mul(x, gate), Scalar(0.5f)), b_.Mul(b_.Mul(x, Scalar(0.5f)), gate), b_.Mul(x, b_.Mul(same, Scalar(0.5f))),
          b_.Div(b_.Mul(same, x), Scalar(2))});
  options_.gelu_approximation = false;
  Run({FuseGelu});
  EXPECT_EQ(Unaries(), std::vector(4, U::GELU_STANDARD));
  EXPECT_EQ(graph_.ops.size(), 5u);
}

TEST_F(PassTest, ErfGeluIsApproximatedInFrontOfAProduct) {
  const Value x = Data(8);
  const auto gelu = [&](Value v) { return b_.Mul(b_.Mul(v, b_.Add(b_.Unary(U::ERF, b_.Div(v, Scalar(1.41421354f))), Scalar(1))), Scalar(0.5f)); };
  const Value seen = gelu(x);
  const Value hidden = gelu(b_.Unary(U::EXP, x));
  Finish({seen, b_.Linear(hidden, b_.Floats(std::vector<float>(32, 1), {4, 8}), {})});
  Run({FuseGelu});
  EXPECT_EQ(Unaries(), (std::vector{U::GELU_STANDARD, U::EXP, U::GELU}));
}

TEST_F(PassTest, TanhGeluInEachForm) {
  const Value x = Data(8);
  const Value cube = b_.Mul(b_.Mul(x, x), x), power = b_.Binary(B::POW, x, Scalar(3));
  std::vector<Value> outputs;
  for (Value c : {cube, power}) {
    const Value t = b_.Unary(U::TANH, b_.Mul(b_.Add(x, b_.Mul(c, Scalar(0.044715f))), Scalar(0.797884583f)));
    outputs.push_back(b_.Mul(b_.Mul(x, Scalar(0.5f)), b_.Add(t, Scalar(1))));
  }
  const Value fast = b_.Mul(b_.Mul(x, Scalar(0.7978845608f)), b_.Add(Scalar(1), b_.Mul(b_.Mul(Scalar(0.044715f), x), x)));
  outputs.push_back(b_.Mul(b_.Mul(Scalar(0.5f), x), b_.Add(Scalar(1), b_.Unary(U::TANH, fast))));
  Finish(outputs);
  options_.gelu_approximation = false;
  Run({FuseGelu});
  EXPECT_EQ(Unaries(), std::vector(3, U::GELU));
  EXPECT_EQ(graph_.ops.size(), 4u);
}

TEST_F(PassTest, WrongFactorsAreNoGelu) {
  const Value x = Data(8);
  const auto erf = [&](float scale, float half) {
    return b_.Mul(b_.Mul(x, b_.Add(b_.Unary(U::ERF, b_.Mul(x, Scalar(scale))), Scalar(1))), Scalar(half));
  };
  const auto tanh = [&](float cubic) {
    const Value inner = b_.Mul(b_.Add(x, b_.Mul(b_.Binary(B::POW, x, Scalar(3)), Scalar(cubic))), Scalar(0.797884583f));
    return b_.Mul(b_.Mul(x, Scalar(0.5f)), b_.Add(b_.Unary(U::TANH, inner), Scalar(1)));
  };
  Finish({erf(0.7f, 0.5f), erf(0.70710677f, 0.25f), tanh(0.05f)});
  Run({FuseGelu});
  EXPECT_EQ(Unaries(), (std::vector{U::ERF, U::ERF, U::TANH}));
}

TEST_F(PassTest, LayerNormWithItsConstants) {
  const Value x = Data(4);
  const Value d = b_.Sub(x, Mean(x));
  const Value normal = b_.Div(d, Root(b_.Add(Mean(b_.Unary(U::SQUARE, d)), Scalar(1e-5f))));
  Finish({b_.Add(b_.Mul(normal, b_.Floats({1, 2, 3, 4}, {4})), b_.Floats({5, 6, 7, 8}, {4}))});
  Run({FuseLayerNorm});
  EXPECT_EQ(graph_.ops.size(), 2u);
  const Op& op = Only(OpType::LayerNorm);
  const auto* norm = TableOf<mnn::LayerNormT>(op.main);
  EXPECT_EQ(op.name, "y0");
  EXPECT_EQ(norm->axis, std::vector<int32_t>{-1});
  EXPECT_EQ(norm->epsilon, 1e-5f);
  EXPECT_FALSE(norm->useRMSNorm);
  EXPECT_EQ(norm->gamma, (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(norm->beta, (std::vector<float>{5, 6, 7, 8}));
}

TEST_F(PassTest, LayerNormWithoutConstantsAndWithAnInverseRoot) {
  const Value x = Data(4);
  const Value d = b_.Sub(x, Mean(x)), sum = b_.Add(Mean(b_.Mul(d, d)), Scalar(1e-6f));
  Finish({b_.Mul(d, b_.Unary(U::RECIPROCAL, Root(sum))), b_.Mul(b_.Div(Scalar(1), Root(sum)), d)});
  Run({FuseLayerNorm});
  EXPECT_EQ(Count(OpType::LayerNorm), 2);
  EXPECT_EQ(graph_.ops.size(), 3u);
}

TEST_F(PassTest, RmsNorm) {
  const Value x = Data(4);
  const Value normal = b_.Mul(x, b_.Unary(U::RSQRT, b_.Add(Mean(b_.Unary(U::SQUARE, x)), Scalar(1e-6f))));
  Finish({b_.Mul(b_.Floats({1, 2, 3, 4}, {4}), normal)});
  Run({FuseLayerNorm});
  const auto* norm = TableOf<mnn::LayerNormT>(Only(OpType::LayerNorm).main);
  EXPECT_TRUE(norm->useRMSNorm);
  EXPECT_EQ(norm->gamma, (std::vector<float>{1, 2, 3, 4}));
}

TEST_F(PassTest, NormalizationOverOtherAxesStays) {
  const Value x = Data(4);
  const Value m = b_.Reduce(mnn::ReductionType::MEAN, x, {1}, true), d = b_.Sub(x, m);
  const Value v = b_.Reduce(mnn::ReductionType::MEAN, b_.Unary(U::SQUARE, d), {1}, true);
  Finish({b_.Div(d, Root(b_.Add(v, Scalar(1e-5f))))});
  Run({FuseLayerNorm});
  EXPECT_EQ(Count(OpType::LayerNorm), 0);
}

TEST_F(PassTest, FactorsPerRowStayBehindALayerNorm) {
  const Value x = b_.Input("x", ElementType::kFloat32, Shape{4, 4});
  const Value d = b_.Sub(x, Mean(x));
  const Value normal = b_.Div(d, Root(b_.Add(Mean(b_.Unary(U::SQUARE, d)), Scalar(1e-5f))));
  Finish({b_.Mul(normal, b_.Floats({1, 2, 3, 4}, {4, 1}))});
  Run({FuseLayerNorm});
  EXPECT_EQ(Count(OpType::LayerNorm), 1);
  EXPECT_EQ(Count(OpType::BinaryOp), 1);
}

TEST_F(PassTest, EqualOpsBecomeOne) {
  const Value x = Data(4);
  const auto part = [&](int64_t begin) { return b_.Slice(b_.Unary(U::EXP, x), {begin}, {begin + 2}, {2}); };
  Finish({b_.Add(b_.Add(part(0), part(0)), part(1))});
  Run({MergeEqualOps});
  EXPECT_EQ(Count(OpType::UnaryOp), 1);
  EXPECT_EQ(Count(OpType::StridedSlice), 2);
}

TEST_F(PassTest, EqualConstantsBecomeOne) {
  const Value x = b_.Input("x", ElementType::kInt64, Shape{1000});
  const auto table = [&](int64_t last) {
    std::vector<int64_t> indexes(1000);
    std::iota(indexes.begin(), indexes.end(), int64_t{1} << 24);
    indexes.back() = last;
    return b_.Ints(std::move(indexes), {1000});
  };
  // Floats would not tell the last two apart.
  const int64_t near = (int64_t{1} << 24) + 2000;
  Finish({b_.Add(x, table(near)), b_.Sub(x, table(near)), b_.Mul(x, table(near + 1))});
  Run({MergeEqualOps});
  EXPECT_EQ(Count(OpType::Const), 2);
}

TEST_F(PassTest, EqualOutputsKeepTheirNames) {
  const Value x = Data(4);
  Finish({b_.Unary(U::EXP, x), b_.Unary(U::EXP, x)});
  Run({MergeEqualOps});
  EXPECT_EQ(Count(OpType::UnaryOp), 2);
}

TEST_F(PassTest, RandomNumbersStayDifferent) {
  const Value x = Data(4);
  const auto random = [&] { return b_.Emit(OpType::RandomUniform, Param(mnn::RandomUniformT{}), {b_.ShapeOf(x)}, {ElementType::kFloat32, b_.shape(x)}); };
  Finish({b_.Sub(random(), random())});
  Run({MergeEqualOps});
  EXPECT_EQ(Count(OpType::RandomUniform), 2);
}

TEST_F(PassTest, SizesAreAskedForOnce) {
  const Value x = Data(4);
  const Value z = b_.Unary(U::EXP, x);
  const auto lead = [&](Value v) { return b_.Slice(b_.ShapeOf(v), {0}, {2}, {0}); };
  const Value wide = b_.Concat({z, z}, 2);
  Finish({b_.Concat({lead(x), lead(z), lead(wide)}, 0), b_.Add(wide, wide)});
  Run({MergeEqualOps, MergeShapes});
  EXPECT_EQ(Count(OpType::StridedSlice), 1);
  EXPECT_EQ(Count(OpType::Shape), 1);
}

TEST_F(PassTest, SizesOfOtherTensorsStay) {
  const Value x = Data(4);
  const Value y = b_.Input("other", ElementType::kFloat32, Shape{symbols_.Named("batch"), symbols_.Named("length"), 4});
  const auto lead = [&](Value v) { return b_.Slice(b_.ShapeOf(v), {0}, {2}, {0}); };
  Finish({b_.Concat({lead(x), lead(y)}, 0)});
  Run({MergeEqualOps, MergeShapes});
  EXPECT_EQ(Count(OpType::Shape), 2);
}

TEST_F(PassTest, OneChannelIsDepthwise) {
  const Value x = b_.Input("x", ElementType::kFloat32, Shape{1, 1, 8, 8});
  Window2D window;
  window.kernel[0] = window.kernel[1] = 3;
  Finish({b_.Conv2D(b_.Conv2D(x, b_.Floats(std::vector<float>(9, 1), {1, 1, 3, 3}), {}, window, 1), b_.Floats({2}, {1, 1, 1, 1}), {}, Window2D{}, 1)});
  EXPECT_EQ(Count(OpType::ConvolutionDepthwise), 1);
  EXPECT_EQ(Count(OpType::Convolution), 1);
}

TEST_F(PassTest, DataStaysPackedBetweenProducts) {
  const Value x = Data(8);
  const auto weight = [&](int64_t n, int64_t k) { return b_.Floats(std::vector<float>(static_cast<size_t>(n * k), 1), {n, k}); };
  const Value up = b_.Linear(x, weight(12, 8), {});
  const Value down = b_.Linear(b_.Unary(U::SILU, up), weight(8, 12), {});
  Finish({down});
  Run({MergeEqualOps, MergeShapes, MoveReshapes});
  EXPECT_EQ(Count(OpType::Convolution), 2);
  EXPECT_EQ(Count(OpType::Reshape), 2);
  ASSERT_TRUE(AssignLayouts(graph_, options_).ok());
  EXPECT_EQ(Count(OpType::ConvertTensor), 2);
}

TEST_F(PassTest, GatedProductsStayPacked) {
  const Value x = Data(8);
  const auto weight = [&](int64_t n, int64_t k) { return b_.Floats(std::vector<float>(static_cast<size_t>(n * k), 1), {n, k}); };
  b_.SetNamePrefix("gate");
  const Value gate = b_.Linear(x, weight(12, 8), {});
  b_.SetNamePrefix("up");
  const Value up = b_.Linear(x, weight(12, 8), {});
  b_.SetNamePrefix("down");
  Finish({b_.Linear(b_.Mul(b_.Unary(U::SILU, gate), up), weight(8, 12), {})});
  Run({MergeEqualOps, MergeShapes, MoveReshapes});
  EXPECT_EQ(Count(OpType::Convolution), 3);
  EXPECT_EQ(Count(OpType::Reshape), 2);
}

TEST_F(PassTest, AResultThatIsAlsoReadPlainStays) {
  const Value x = Data(8);
  const Value up = b_.Linear(x, b_.Floats(std::vector<float>(64, 1), {8, 8}), {});
  Finish({b_.Unary(U::TANH, up), b_.Add(up, x)});
  Run({MoveReshapes});
  for (const Op& op : graph_.ops) {
    if (op.type == OpType::UnaryOp) {
      EXPECT_EQ(graph_.shapes[static_cast<size_t>(op.inputs[0])]->size(), 3u);
    }
  }
}

TEST_F(PassTest, ReshapesOfReshapes) {
  const Value x = Data(8);
  const Value flat = b_.ReshapeTo(x, {-1, 8});
  // The first goes back to what it was (the same as `flat`); the second reads x; the third copies a size of its input and stays.
  Finish({b_.Unary(U::EXP, b_.ReshapeTo(b_.ReshapeTo(flat, {-1, 4}), {-1, 8})), b_.ReshapeTo(flat, {-1, 2}), b_.ReshapeTo(flat, {0, 2, 4})});
  Run({MergeEqualOps, MoveReshapes, MergeEqualOps});
  EXPECT_EQ(Count(OpType::Reshape), 3);
}

}  // namespace
}  // namespace quantpress::graph
