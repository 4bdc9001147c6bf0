#include "dispatch/plan.h"

#include <gtest/gtest.h>

#include "dispatch/plan_limits.h"

namespace quantpress::dispatch {
namespace {

constexpr WeightRequest kAsymmetric4 = {.bits = 4, .asymmetric = true};

WeightGeometry Geometry(uint64_t rows, uint64_t channels, uint64_t kernel) { return {"Convolution", rows, channels, kernel}; }

WeightPlan Plan(const WeightGeometry& geometry, const WeightRequest& request, BlockPolicy policy = BlockPolicy::kChannel) {
  auto plan = PlanWeight("layer", geometry, request, policy, "test");
  EXPECT_TRUE(plan.ok()) << plan.status();
  return plan.ok() ? *std::move(plan) : WeightPlan();
}

TEST(PlanWeight, StorageAndBytes) {
  const WeightGeometry g = Geometry(10, 32, 9);
  EXPECT_EQ(Plan(g, {}).storage, Storage::kFloat32);
  EXPECT_EQ(Plan(g, {}).bytes_after, 10u * 32 * 9 * 4);
  EXPECT_EQ(Plan(g, {.fp16 = true}).storage, Storage::kHalf);
  EXPECT_EQ(Plan(g, {.fp16 = true}).bytes_after, 10u * 32 * 9 * 2);
  const WeightPlan plan = Plan(g, kAsymmetric4);
  EXPECT_EQ(plan.storage, Storage::kQuantized);
  EXPECT_EQ(plan.groups, 10u);
  EXPECT_EQ(plan.group_size, 288u);
  EXPECT_EQ(plan.bytes_after, 1u + 4 + 1 + 16 + 1440 + 10 * 8);
  EXPECT_EQ(plan.reason, "test");
  EXPECT_TRUE(plan.note.empty());
  // Bits win over half.
  EXPECT_EQ(Plan(g, {.bits = 8, .fp16 = true}).storage, Storage::kQuantized);
}

TEST(PlanWeight, Methods) {
  const WeightGeometry g = Geometry(4, 32, 1);
  EXPECT_EQ(Plan(g, {.bits = 4}).coding.method, QuantMethod::kSymmetric);
  EXPECT_EQ(Plan(g, kAsymmetric4).coding.method, QuantMethod::kAsymmetric);
  EXPECT_EQ(Plan(g, {.bits = 4, .asymmetric = true, .hqq = true}).coding.method, QuantMethod::kHqq);
  EXPECT_TRUE(Plan(g, {.bits = 4, .scale_bits = 16}).coding.half_scales);
}

TEST(PlanWeight, Blocks) {
  WeightRequest request = kAsymmetric4;
  request.block = 16;
  const WeightPlan plan = Plan(Geometry(4, 64, 9), request);
  EXPECT_EQ(plan.block, 16u);
  EXPECT_EQ(plan.groups, 16u);
  EXPECT_EQ(plan.group_size, 144u);
  for (const int64_t bad : {8, 24, 48, 128}) {
    request.block = bad;
    const WeightPlan channel = Plan(Geometry(4, 64, 9), request);
    EXPECT_EQ(channel.block, 0u);
    EXPECT_EQ(channel.groups, 4u);
    EXPECT_NE(channel.note.find(std::to_string(bad)), std::string::npos);
    EXPECT_FALSE(PlanWeight("layer", Geometry(4, 64, 9), request, BlockPolicy::kError, "").ok());
  }
  request.block = 100;
  EXPECT_EQ(Plan(Geometry(4, 64, 9), request, BlockPolicy::kAdjust).block, 64u);
  EXPECT_EQ(Plan(Geometry(4, 160, 9), request, BlockPolicy::kAdjust).block, 80u);
  EXPECT_EQ(Plan(Geometry(4, 20, 9), request, BlockPolicy::kAdjust).block, 0u);
  request.block = 10;
  EXPECT_EQ(Plan(Geometry(4, 160, 9), request, BlockPolicy::kAdjust).block, 0u);
}

TEST(PlanWeight, WideHeader) {
  EXPECT_EQ(PayloadHeaderBytes(65535, 65535, 4), 22u);
  EXPECT_EQ(PayloadHeaderBytes(65536, 16, 4), 26u);
  EXPECT_EQ(PayloadHeaderBytes(16, 65536, 8), 266u);
}

TEST(PlanWeight, Errors) {
  const WeightGeometry g = Geometry(4, 32, 1);
  for (const int bits : {-1, 1, 9, 16}) {
    EXPECT_FALSE(PlanWeight("layer", g, {.bits = bits}, BlockPolicy::kChannel, "").ok());
  }
  EXPECT_FALSE(PlanWeight("layer", g, {.bits = 4, .scale_bits = 8}, BlockPolicy::kChannel, "").ok());
}

// The format counts groups, and weights of a group, with 32 bits.
TEST(PlanWeight, MoreGroupsThanTheFormatCounts) {
  constexpr uint64_t kMost = UINT32_MAX;
  EXPECT_TRUE(PlanWeight("layer", Geometry(kMost, 16, 1), kAsymmetric4, BlockPolicy::kChannel, "test").ok());
  EXPECT_FALSE(PlanWeight("layer", Geometry(kMost + 1, 16, 1), kAsymmetric4, BlockPolicy::kChannel, "test").ok());
  EXPECT_FALSE(PlanWeight("layer", Geometry(1, kMost + 1, 1), kAsymmetric4, BlockPolicy::kChannel, "test").ok());
  EXPECT_TRUE(PlanWeight("layer", Geometry(kMost + 1, 16, 1), {}, BlockPolicy::kChannel, "test").ok());  // floats
  EXPECT_TRUE(CheckFormatLimits(PlanSourceCodes("layer", Geometry(kMost, 32, 1), 8, 0)).ok());
  EXPECT_FALSE(CheckFormatLimits(PlanSourceCodes("layer", Geometry(kMost, 32, 1), 8, 16)).ok());
  EXPECT_FALSE(CheckFormatLimits(PlanSourceCodes("layer", Geometry(1, kMost + 1, 1), 8, 0)).ok());
}

}  // namespace
}  // namespace quantpress::dispatch
