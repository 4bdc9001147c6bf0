// Codings that this library reads but does not write: sparse payloads, raw int8, tables that are not the full range.
#include <gtest/gtest.h>

#include "graph/import/mnn/coded_weight.h"
#include "tests/graph/mnn_fixture.h"

namespace quantpress::graph {
namespace {

Op CodedOp(mnn::IDSTQuanT quan, std::vector<uint8_t> buffer, std::vector<float> alpha, std::vector<uint32_t> index = {}) {
  Op op;
  op.name = "conv";
  op.type = mnn::OpType::Convolution;
  mnn::Convolution2DT conv;
  conv.quanParameter = std::make_unique<mnn::IDSTQuanT>(std::move(quan));
  op.main.Set(std::move(conv));
  if (!buffer.empty()) op.bulk.push_back({BulkField::kQuanBuffer, Bytes::Own(std::move(buffer))});
  op.bulk.push_back({BulkField::kQuanAlpha, Bytes::Own(std::move(alpha))});
  if (!index.empty()) op.bulk.push_back({BulkField::kQuanIndex, Bytes::Own(std::move(index))});
  return op;
}

mnn::IDSTQuanT Quan(int type, int a_min = 0, int read_type = 0) {
  mnn::IDSTQuanT quan;
  quan.type = type;
  quan.quantScale = 1.0f;
  quan.aMin = a_min;
  quan.readType = read_type;
  return quan;
}

std::vector<float> Decode(const Op& op) {
  const auto source = DecodeWeight(op);
  EXPECT_TRUE(source.ok()) << source.status();
  if (!source.ok()) return {};
  std::vector<float> all((*source)->count());
  (*source)->ReadFloats(0, all);
  // Any range gives the same elements.
  for (size_t begin = 0; begin < all.size(); ++begin) {
    std::vector<float> part(all.size() - begin);
    (*source)->ReadFloats(begin, part);
    EXPECT_TRUE(std::equal(part.begin(), part.end(), all.begin() + static_cast<int64_t>(begin)));
  }
  return all;
}

// The worked example of the format's description: 2 outputs of 4 weights, 4 bits.
std::vector<uint8_t> WorkedExample() {
  return {2, 2, 0, 4, 0, 16, 0xF8, 0xF9, 0xFA, 0xFB, 0xFC, 0xFD, 0xFE, 0xFF, 0, 1, 2, 3, 4, 5, 6, 7, 0x07, 0x8F, 0xB5, 0x96};
}

TEST(LegacyCoding, WorkedExample) {
  EXPECT_EQ(Decode(CodedOp(Quan(1), WorkedExample(), {0.5f, 2.0f})), std::vector<float>({-4, -0.5f, 0, 3.5f, 6, -6, 2, -4}));
}

TEST(LegacyCoding, AsymmetricReference) {
  const std::vector<float> pairs = {10, 1, 20, 2};
  // min is the value of the code aMin ...
  EXPECT_EQ(Decode(CodedOp(Quan(1, -8, 2), WorkedExample(), pairs)), std::vector<float>({10, 17, 18, 25, 42, 30, 38, 32}));
  // ... of the code -128 where aMin is 0 ...
  EXPECT_EQ(Decode(CodedOp(Quan(1, 0, 2), WorkedExample(), pairs))[0], 10.0f + 120.0f);
  // ... and of the code 0 where it is positive.
  EXPECT_EQ(Decode(CodedOp(Quan(1, 1, 2), WorkedExample(), pairs))[0], 10.0f - 8.0f);
}

TEST(LegacyCoding, TableWithThreeEntries) {
  // Indexes 0 1 2 1 in 2 bits: 00 01 10 01.
  EXPECT_EQ(Decode(CodedOp(Quan(1), {1, 4, 0, 3, 0x80, 0, 100, 0x19}, {1})), std::vector<float>({-128, 0, 100, 0}));
}

TEST(LegacyCoding, TableWithOneEntry) {
  EXPECT_EQ(Decode(CodedOp(Quan(1), {1, 3, 0, 1, 5, 0x00}, {2})), std::vector<float>({10, 10, 10}));
}

TEST(LegacyCoding, RawInt8) {
  EXPECT_EQ(Decode(CodedOp(Quan(4), {1, 0xFF, 2, 0xFE}, {2, 10})), std::vector<float>({2, -2, 20, -20}));
  mnn::IDSTQuanT old = Quan(4);
  old.quantScale = 0;  // asymmetric with reference -128, whatever readType says
  EXPECT_EQ(Decode(CodedOp(old, {0x80, 0x81, 0x80, 0x82}, {5, 1, 7, 2})), std::vector<float>({5, 6, 7, 11}));
}

TEST(LegacyCoding, SparseTable) {
  // 2 x 4 weights, three listed: steps 1, 3, 3 in 2 bits (01 11 11), positions 1, 4, 7; table {-2, 3}; indexes 0 1 0.
  const std::vector<uint8_t> payload = {2, 2, 0, 4, 0, 3, 0, 0, 0, 2, 0x7C, 2, 0xFE, 3, 0x40};
  EXPECT_EQ(Decode(CodedOp(Quan(2), payload, {1, 10})), std::vector<float>({0, -2, 0, 0, 30, 0, 0, -20}));
  // Asymmetric: rows are filled with the code nearest to zero, round(-min / scale) + qmin, here 1 - 1 and 2 - 1.
  EXPECT_EQ(Decode(CodedOp(Quan(2, -1, 2), payload, {-1, 1, -4, 2})), std::vector<float>({0, -2, 0, 0, 4, 0, 0, -6}));
}

TEST(LegacyCoding, SparseFloats) {
  mnn::IDSTQuanT quan = Quan(0);
  quan.weightSize = 6;
  EXPECT_EQ(Decode(CodedOp(quan, {}, {1.5f, -2}, {1, 5})), std::vector<float>({0, 1.5f, 0, 0, 0, -2}));
  EXPECT_FALSE(DecodeWeight(CodedOp(quan, {}, {1.5f, -2}, {1, 6})).ok());
}

}  // namespace
}  // namespace quantpress::graph
