// Weights that keep a quantized source's codes: what counts as such, and that codes times scales are the source's numbers.
#include "graph/ir/coded_elements.h"

#include <gtest/gtest.h>

#include "dispatch/dequantize_run.h"
#include "graph/export/source_codes.h"

namespace quantpress::graph {
namespace {

// Two rows of `row` codes, all values of the type in turn.
TensorSourcePtr Codes(ElementType type, int64_t row) {
  std::vector<int64_t> codes;
  const int64_t low = IsUnsigned(type) ? 0 : -(int64_t{1} << (ElementBits(type) - 1));
  for (int64_t i = 0; i < 2 * row; ++i) codes.push_back(low + i % (int64_t{1} << ElementBits(type)));
  return IntSource(std::move(codes), type);
}

TEST(CodedElements, OnlyCentredFiniteNarrowCodes) {
  const DequantizeLayout one;
  EXPECT_NE(CodedElementsOf(DequantizeSource(Codes(ElementType::kInt8, 8), {0.5f}, {0}, one)), nullptr);
  EXPECT_NE(CodedElementsOf(DequantizeSource(Codes(ElementType::kUInt8, 8), {0.5f}, {128}, one)), nullptr);
  EXPECT_EQ(CodedElementsOf(DequantizeSource(Codes(ElementType::kUInt8, 8), {0.5f}, {127}, one)), nullptr);
  EXPECT_EQ(CodedElementsOf(DequantizeSource(Codes(ElementType::kInt16, 8), {0.5f}, {0}, one)), nullptr);
  EXPECT_EQ(CodedElementsOf(DequantizeSource(Codes(ElementType::kInt8, 8), {INFINITY}, {0}, one)), nullptr);
  EXPECT_EQ(CodedElementsOf(AffineSource(DequantizeSource(Codes(ElementType::kInt8, 8), {0.5f}, {0}, one), {2.0f}, {}, 1)),
            nullptr);
}

TEST(CodedElements, GroupsFollowTheScales) {
  const DequantizeLayout rows = {2, 32, 0};
  const TensorSourcePtr source = DequantizeSource(Codes(ElementType::kInt8, 32), {0.5f, 0.25f}, {0, 0}, rows);
  const CodedElements* coded = CodedElementsOf(source);
  ASSERT_NE(coded, nullptr);
  EXPECT_TRUE(coded->GroupsShareScale(32));
  EXPECT_TRUE(coded->GroupsShareScale(16));
  EXPECT_FALSE(coded->GroupsShareScale(64));

  const TensorSourcePtr turned = StridedSource(source, {32, 2}, {1, 32}, 0);
  coded = CodedElementsOf(turned);
  ASSERT_NE(coded, nullptr);
  EXPECT_FALSE(coded->GroupsShareScale(2));
  EXPECT_TRUE(coded->GroupsShareScale(1));
  EXPECT_EQ(coded->ScaleOf(3), 0.25f);
}

TEST(CodedElements, PackedCodesDecodeToTheSource) {
  for (const ElementType type : {ElementType::kInt8, ElementType::kUInt8}) {
    const int64_t zero = IsUnsigned(type) ? 128 : 0;
    const TensorSourcePtr source = DequantizeSource(Codes(type, 256), {0.3f, -0.007f}, {zero, zero}, {2, 256, 0});
    dispatch::WeightGeometry geometry;
    geometry.rows = 2;
    geometry.input_channels = 256;
    const dispatch::WeightPlan plan = dispatch::PlanSourceCodes("layer", geometry, 8, 0);
    ASSERT_EQ(plan.groups, 2u);
    std::vector<float> codes(512), alpha(2), decoded(512), expected(512);
    std::vector<std::byte> indexes(512);
    std::vector<uint8_t> packed(512);
    ASSERT_TRUE(PackSourceCodes(source, plan, 0, 2, codes, indexes, packed, std::as_writable_bytes(std::span(alpha))).ok());
    dispatch::DequantizeRun({}, packed.data(), 0, 2, 256, {alpha.data(), nullptr}, decoded.data());
    source->ReadFloats(0, expected);
    EXPECT_EQ(decoded, expected);
  }
}

TEST(CodedElements, PlanOfAnotherModelIsAnError) {
  dispatch::WeightGeometry geometry;
  geometry.rows = geometry.input_channels = 1;
  const dispatch::WeightPlan plan = dispatch::PlanSourceCodes("layer", geometry, 8, 0);
  EXPECT_FALSE(PackSourceCodes(FloatSource({1.0f}), plan, 0, 1, {}, {}, {}, {}).ok());
}

}  // namespace
}  // namespace quantpress::graph
