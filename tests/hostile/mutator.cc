#include "tests/hostile/mutator.h"

#include <algorithm>
#include <cstring>

namespace quantpress::testing {

uint64_t Mutator::Next() {
  uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

void Mutator::ChangeOnce(std::string* file) {
  static constexpr uint64_t kExtreme[] = {0,          1,          0x7F,       0x80,       0xFF,        0x7FFF,
                                          0xFFFF,     0x10000,    0x7FFFFFFF, 0x80000000, 0xFFFFFFFF,  0xFFFFFFFFFF,
                                          1ull << 62, 1ull << 63, ~0ull,      0x7FF0000000000000};
  std::string& f = *file;
  // Structure lives mostly at the ends of a file, so half of the changes go there.
  const size_t window = std::min<size_t>(f.size(), 4096);
  const size_t at = Next() % 4 == 0 ? Below(f.size()) : Next() % 2 == 0 ? Below(window) : f.size() - 1 - Below(window);
  switch (Next() % 8) {
    case 0:
    case 1: f[at] = static_cast<char>(f[at] ^ (1 << Below(8))); break;
    case 2: f[at] = static_cast<char>(Next()); break;
    case 3:
    case 4: {
      const uint64_t value = kExtreme[Below(std::size(kExtreme))];
      const size_t width = size_t{1} << Below(4);
      std::memcpy(&f[at], &value, std::min(width, f.size() - at));
      break;
    }
    case 5: f.resize(at); break;
    case 6: f.erase(at, 1 + Below(64)); break;
    default: {
      const size_t length = 1 + Below(std::min<size_t>(256, f.size() - at));
      f.insert(Below(f.size()), f.substr(at, length));
    }
  }
}

std::string Mutator::Mutate(const std::string& file) {
  std::string out = file;
  for (size_t n = 1 + Below(4); n > 0 && !out.empty(); --n) ChangeOnce(&out);
  return out;
}

}  // namespace quantpress::testing
