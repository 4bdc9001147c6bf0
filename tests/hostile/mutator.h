// Damages files in the ways that find bugs in readers. The same seed gives the same damage on every machine.
#ifndef QUANTPRESS_TESTS_HOSTILE_MUTATOR_H_
#define QUANTPRESS_TESTS_HOSTILE_MUTATOR_H_

#include <cstdint>
#include <string>
#include <vector>

namespace quantpress::testing {

class Mutator {
 public:
  explicit Mutator(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15u + 1) {}

  // One to four random changes: flipped bits, extreme integers, truncation, pieces removed, repeated or exchanged.
  std::string Mutate(const std::string& file);

  uint64_t Next();  // splitmix64

 private:
  size_t Below(size_t n) { return n == 0 ? 0 : static_cast<size_t>(Next() % n); }
  void ChangeOnce(std::string* file);

  uint64_t state_;
};

}  // namespace quantpress::testing

#endif  // QUANTPRESS_TESTS_HOSTILE_MUTATOR_H_
