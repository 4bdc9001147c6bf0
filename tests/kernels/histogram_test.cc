#include "kernels/histogram.h"

#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/test_data.h"

namespace quantpress::kernels {
namespace {

using testing_data::Kind;
using testing_data::Source;

void ExpectSameCounts(const Histograms& got, const Histograms& want) {
  EXPECT_EQ(got.codes, want.codes);
  EXPECT_EQ(got.weights, want.weights);
  EXPECT_EQ(got.decoded, want.decoded);
}

// Every stride, with samples that skip groups and that stay in one.
TEST(Histograms, OfCodedWeightsAreThoseOfWhatTheyDecodeTo) {
  constexpr size_t kStrides[] = {1, 3, 15, 17, 33, 63, 65, 127, 1001, 4095, 4097, 100003};
  for (const size_t size : {1, 2, 3, 15, 16, 17, 64, 100, 1023, 2048, 4096}) {
    const size_t groups = kErrorStatsPiece / size, count = groups * size;
    Source source(size);
    const std::vector<float> weights = source.Weights(Kind::kMixed, groups, size),
                             scale = source.Weights(Kind::kGaussian, 1, groups),
                             offset = source.Weights(Kind::kGaussian, 1, groups);
    std::vector<uint8_t> indexes(count);
    for (uint8_t& index : indexes) index = static_cast<uint8_t>(source.Below(256));
    for (const bool with_offset : {false, true}) {
      std::vector<float> decoded(count);
      for (size_t i = 0; i < count; ++i) {
        const float product = static_cast<float>(indexes[i] - 128) * scale[i / size];
        decoded[i] = with_offset ? product + offset[i / size] : product;
      }
      const CodedGroups coded = {indexes.data(), -128,         groups,
                                 size,           scale.data(), with_offset ? offset.data() : nullptr};
      for (const size_t stride : kStrides) {
        for (const size_t first : {size_t{0}, size_t{1}, count / 2, count - 1}) {
          Histograms expected, got;
          expected.stride = got.stride = stride;
          const size_t next = expected.Add(&weights[first], &decoded[first], &indexes[first], count - first);
          EXPECT_EQ(got.AddCoded(weights.data(), coded, first), first + next);
          ExpectSameCounts(got, expected);
          ASSERT_FALSE(HasFailure()) << "groups of " << size << ", stride " << stride << ", from " << first;
        }
      }
    }
  }
}

// The bin of each value lies around it, and the counts are those of every stride-th value.
TEST(Histograms, CountEachSampleInTheBinAroundIt) {
  Source source(1);
  std::vector<float> values;
  for (const Kind kind : {Kind::kGaussian, Kind::kDenormal, Kind::kZeros, Kind::kHuge})
    source.Append(kind, 50, &values);
  for (const size_t stride : {1, 7}) {
    for (size_t i = 0; i < values.size(); i += stride) {
      Histograms one;
      one.Add(&values[i], nullptr, nullptr, 1);
      size_t bin = 0;
      while (one.weights[bin] == 0) ++bin;
      const ValueRange range = RangeOfBin(bin);
      EXPECT_LE(range.low, static_cast<double>(values[i]));
      EXPECT_GE(range.high, static_cast<double>(values[i]));
    }
    Histograms all, merged, part;
    all.stride = part.stride = stride;
    const size_t samples = (values.size() + stride - 1) / stride;
    EXPECT_EQ(all.Add(values.data(), nullptr, nullptr, values.size()), samples * stride);
    const size_t next = part.Add(values.data(), nullptr, nullptr, 100);
    merged.Merge(part);
    part = {};
    part.stride = stride;
    part.Add(values.data() + next, nullptr, nullptr, values.size() - next);
    merged.Merge(part);
    ExpectSameCounts(merged, all);
  }
}

}  // namespace
}  // namespace quantpress::kernels
