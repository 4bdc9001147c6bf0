// Weights to test with, and a loop over the instruction sets of this CPU.
#ifndef QUANTPRESS_TESTS_KERNELS_TEST_DATA_H_
#define QUANTPRESS_TESTS_KERNELS_TEST_DATA_H_

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "dispatch/target.h"
#include "gtest/gtest.h"

namespace quantpress::testing_data {

// Calls test() once per instruction set, with a trace of its name.
template <typename Test>
void ForEachIsa(Test test) {
  for (const dispatch::Isa isa : dispatch::AvailableIsas()) {
    SCOPED_TRACE(std::string(dispatch::IsaName(isa)));
    const dispatch::IsaScope scope(isa);
    test();
    if (::testing::Test::HasFatalFailure()) break;
  }
}

enum class Kind {
  kGaussian,      // standard deviation 0.03, as in trained networks
  kBFloat16,      // the same, cut to bfloat16: many exact ties
  kHalf,          // the same, cut to halves
  kLarge,         // standard deviation 1: HQQ's shrink is active
  kHuge,          // standard deviation 1000
  kGrid,          // multiples of half a code step: ties everywhere
  kOutlier,       // one weight a hundred times larger than the rest
  kTiny,          // around 1e-6: scales at the 1e-6 rule
  kDenormal,
  kZeros,         // zeros of both signs
  kConstant,
  kNearConstant,  // differs in the last bits only
  kExtreme,       // up to +-FLT_MAX
  kMixed,         // all of it
  kCount,
};

class Source {
 public:
  explicit Source(uint64_t seed) : engine_(seed) {}

  uint64_t Below(uint64_t limit) { return engine_() % limit; }

  // One group.
  void Append(Kind kind, size_t count, std::vector<float>* out) {
    const float constant = Signed(0.5f);
    for (size_t i = 0; i < count; ++i) {
      Kind one = kind;
      if (kind == Kind::kMixed) one = static_cast<Kind>(Below(static_cast<uint64_t>(Kind::kMixed)));
      out->push_back(One(one, constant, i));
    }
  }

  std::vector<float> Weights(Kind kind, size_t groups, size_t group_size) {
    std::vector<float> weights;
    weights.reserve(groups * group_size);
    for (size_t g = 0; g < groups; ++g) Append(kind, group_size, &weights);
    return weights;
  }

  // Groups of different kinds.
  std::vector<float> Patchwork(size_t groups, size_t group_size) {
    std::vector<float> weights;
    weights.reserve(groups * group_size);
    for (size_t g = 0; g < groups; ++g) {
      Append(static_cast<Kind>(Below(static_cast<uint64_t>(Kind::kCount))), group_size, &weights);
    }
    return weights;
  }

  float Gaussian() {  // sum of uniforms: the same on every C++ library
    double sum = 0;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(engine_() >> 11) * 0x1p-53;
    return static_cast<float>(sum - 6);
  }

 private:
  float Signed(float scale) { return Gaussian() * scale; }

  float One(Kind kind, float constant, size_t i) {
    switch (kind) {
      case Kind::kGaussian: return Signed(0.03f);
      case Kind::kBFloat16: return std::bit_cast<float>(std::bit_cast<uint32_t>(Signed(0.03f)) & 0xFFFF0000u);
      case Kind::kHalf: return std::bit_cast<float>(std::bit_cast<uint32_t>(Signed(0.03f)) & 0xFFFFE000u);
      case Kind::kLarge: return Signed(1.0f);
      case Kind::kHuge: return Signed(1000.0f);
      case Kind::kGrid: return static_cast<float>(Below(512)) * 0.125f - 16.0f;
      case Kind::kOutlier: return Below(64) == 0 ? Signed(3.0f) : Signed(0.03f);
      case Kind::kTiny: return Signed(3e-5f) * static_cast<float>(Below(8));
      case Kind::kDenormal: return std::bit_cast<float>(static_cast<uint32_t>(Below(0x1000000)) | Sign());
      case Kind::kZeros: return std::bit_cast<float>(Sign());
      case Kind::kConstant: return constant;
      case Kind::kNearConstant:
        return std::bit_cast<float>(std::bit_cast<uint32_t>(constant) + static_cast<uint32_t>(Below(4)));
      case Kind::kExtreme:
        return i % 3 == 0 ? (Sign() ? -FLT_MAX : FLT_MAX) : Signed(1e37f) * static_cast<float>(Below(5));
      default: return 0.0f;
    }
  }

  uint32_t Sign() { return static_cast<uint32_t>(Below(2)) << 31; }

  std::mt19937_64 engine_;
};

// Bit patterns, so that -0 and +0 differ and messages show what is different.
inline std::vector<uint32_t> Bits(const std::vector<float>& values) {
  std::vector<uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

}  // namespace quantpress::testing_data

#endif  // QUANTPRESS_TESTS_KERNELS_TEST_DATA_H_
