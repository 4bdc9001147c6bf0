// Codings that this library reads but does not write: sparse payloads, raw int8, tables that are not the full range.
#include <gtest/gtest.h>
#include <malloc.h>

#include <random>

#include "graph/import/mnn/coded_weight.h"
#include "tests/graph/mnn_fixture.h"
#include "tests/reference/oracle.h"

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

// A list of type 2 for `rows` rows, and the codes that it stands for.
struct List {
  std::vector<uint8_t> payload;
  std::vector<int> codes;
};

List RandomList(size_t rows, size_t length, size_t entries, int step_bits, int bits, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int> steps, values;
  List list{{2}, std::vector<int>(rows * length, 0)};
  const auto put = [&](size_t value, int bytes) {
    for (int i = 0; i < bytes; ++i) list.payload.push_back(static_cast<uint8_t>(value >> (8 * i)));
  };
  for (size_t i = 0, at = 0; i < entries; ++i) {
    const size_t step = random() % (size_t{1} << step_bits);  // 0 names the same element again: the last entry counts
    if (at + step >= list.codes.size()) break;
    at += step;
    steps.push_back(static_cast<int>(step));
    values.push_back(static_cast<int>(random() % (1u << bits)));
    list.codes[at] = values.back() - (1 << (bits - 1));
  }
  put(rows, 2);
  put(length, 2);
  put(steps.size(), 4);
  put(static_cast<size_t>(step_bits), 1);
  for (const uint8_t byte : reference::PackBits(steps, step_bits)) list.payload.push_back(byte);
  put(size_t{1} << bits, 1);
  for (int code = -(1 << (bits - 1)); code < 1 << (bits - 1); ++code) put(static_cast<size_t>(code), 1);
  for (const uint8_t byte : reference::PackBits(values, bits)) list.payload.push_back(byte);
  return list;
}

TEST(LegacyCoding, LongListsFromAnywhere) {
  for (const int step_bits : {1, 2, 5, 8, 13, 16}) {
    for (const int bits : {2, 3, 4, 8}) {
      const auto seed = static_cast<uint32_t>(step_bits * 10 + bits);
      const List list = RandomList(40, 1000, 9000, step_bits, bits, seed);
      const auto source = DecodeWeight(CodedOp(Quan(2), list.payload, std::vector<float>(40, 0.5f)));
      ASSERT_TRUE(source.ok()) << source.status();
      std::mt19937 random(seed);
      for (int i = 0; i < 50; ++i) {
        const size_t begin = random() % list.codes.size();
        std::vector<float> part(std::min<size_t>(list.codes.size() - begin, 1 + random() % 9000));
        (*source)->ReadFloats(begin, part);
        for (size_t k = 0; k < part.size(); ++k)
          ASSERT_EQ(part[k], 0.5f * static_cast<float>(list.codes[begin + k])) << seed << " " << begin + k;
      }
    }
  }
}

// A list stays in the file: a short one must not become much memory.
TEST(LegacyCoding, ListsTakeLittleMemory) {
  const Op op = CodedOp(Quan(2), RandomList(60000, 60, 2'000'000, 2, 2, 1).payload, std::vector<float>(60000, 1.0f));
  const auto payload = std::get<Bytes>(op.FindBulk(BulkField::kQuanBuffer)->data).size;
  const struct mallinfo2 before = mallinfo2();
  const auto source = DecodeWeight(op);
  const struct mallinfo2 after = mallinfo2();
  ASSERT_TRUE(source.ok()) << source.status();
  const size_t scales = 60000 * sizeof(float);
  EXPECT_LT(after.uordblks + after.hblkhd, before.uordblks + before.hblkhd + payload / 4 + scales);
}

TEST(LegacyCoding, WrongLists) {
  const auto error = [](std::vector<uint8_t> payload) {
    const auto source = DecodeWeight(CodedOp(Quan(2), std::move(payload), {1, 1}));
    EXPECT_FALSE(source.ok());
    return Message(source.status());
  };
  // 2 x 4 weights; one entry with a step of 3 bits, a table of two codes, one code.
  const std::vector<uint8_t> good = {2, 2, 0, 4, 0, 1, 0, 0, 0, 3, 0xE0, 2, 0, 1, 0x80};
  EXPECT_EQ(Decode(CodedOp(Quan(2), good, {1, 2})), std::vector<float>({0, 0, 0, 0, 0, 0, 0, 2}));
  const auto with = [&good](size_t at, uint8_t value) {
    std::vector<uint8_t> payload = good;
    payload[at] = value;
    return payload;
  };
  EXPECT_EQ(error(with(3, 3)), "layer 'conv': sparse weights list element 7 of 6");
  EXPECT_EQ(error(with(9, 0)), "layer 'conv': sparse weights with steps of 0 bits");
  EXPECT_EQ(error(with(9, 17)), "layer 'conv': sparse weights with steps of 17 bits");
  EXPECT_EQ(error(with(8, 0xFF)), "layer 'conv': quantized weights are truncated");  // four thousand million entries
  EXPECT_EQ(error(with(0, 9)), "layer 'conv': quantized weights with 9 dimensions; 1 to 4 are possible");
  EXPECT_EQ(error(with(11, 200)), "layer 'conv': quantized weights are truncated");
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_EQ(error({good.begin(), good.begin() + static_cast<int64_t>(size)}), "layer 'conv': quantized weights are truncated") << size;
  }
}

// A file of some bytes must not become one of gigabytes.
TEST(LegacyCoding, ShortListsOfManyWeights) {
  const std::vector<uint8_t> wide = {2, 0, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 3, 0xE0, 2, 0, 1, 0x80};  // 65,536 x 65,536
  mnn::IDSTQuanT quan = Quan(2);
  quan.shapeInt32 = true;
  EXPECT_EQ(Message(DecodeWeight(CodedOp(quan, wide, {1, 1})).status()),
            "layer 'conv': 1 listed values stand for 4294967296 weights, more than the 2147483647 that the runtime can hold");
  quan = Quan(0);
  quan.weightSize = 0x80000000;
  EXPECT_EQ(Message(DecodeWeight(CodedOp(quan, {}, {1.5f}, {0})).status()),
            "layer 'conv': 1 listed values stand for 2147483648 weights, more than the 2147483647 that the runtime can hold");
}

TEST(LegacyCoding, SparseFloats) {
  mnn::IDSTQuanT quan = Quan(0);
  quan.weightSize = 6;
  EXPECT_EQ(Decode(CodedOp(quan, {}, {1.5f, -2}, {1, 5})), std::vector<float>({0, 1.5f, 0, 0, 0, -2}));
  // In any order; of two values for one element the later one counts.
  EXPECT_EQ(Decode(CodedOp(quan, {}, {7, 1.5f, -2, 3}, {5, 1, 4, 5})), std::vector<float>({0, 1.5f, 0, 0, -2, 3}));
  EXPECT_EQ(Decode(CodedOp(quan, {}, {7, 8}, {2, 2})), std::vector<float>({0, 0, 8, 0, 0, 0}));
  EXPECT_EQ(Message(DecodeWeight(CodedOp(quan, {}, {1.5f, -2}, {1, 6})).status()), "layer 'conv': sparse weights list element 6 of 6");
  EXPECT_EQ(Message(DecodeWeight(CodedOp(quan, {}, {1.5f, -2, 0}, {1, 5})).status()),
            "layer 'conv': 2 positions and 12 bytes of values in sparse weights of 6 elements");
  quan.weightSize = 0;
  EXPECT_EQ(Message(DecodeWeight(CodedOp(quan, {}, {1.5f}, {0})).status()),
            "layer 'conv': 1 positions and 4 bytes of values in sparse weights of 0 elements");
}

}  // namespace
}  // namespace quantpress::graph
