#include "graph/batch/content_hash.h"

#include <bit>
#include <cstring>

#include "graph/ir/bytes.h"

namespace quantpress::graph {
namespace {

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87u, kPrime2 = 0xC2B2AE3D27D4EB4Fu, kPrime3 = 0x165667B19E3779F9u,
                   kPrime4 = 0x85EBCA77C2B2AE63u, kPrime5 = 0x27D4EB2F165667C5u;
constexpr uint64_t kSecondSeed = 0x71;

uint64_t Word(const uint8_t* at) {
  uint64_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

uint64_t Round(uint64_t lane, uint64_t word) { return std::rotl(lane + word * kPrime2, 31) * kPrime1; }
uint64_t Merge(uint64_t hash, uint64_t lane) { return (hash ^ Round(0, lane)) * kPrime1 + kPrime4; }

}  // namespace

static_assert(std::endian::native == std::endian::little, "words are read in the order of the machine");

uint64_t Xxh64(std::span<const uint8_t> bytes, uint64_t seed) {
  const uint8_t* at = bytes.data();
  size_t left = bytes.size();
  uint64_t hash = seed + kPrime5;
  if (left >= 32) {
    uint64_t lanes[4] = {seed + kPrime1 + kPrime2, seed + kPrime2, seed, seed - kPrime1};
    for (; left >= 32; left -= 32, at += 32) {
      for (size_t i = 0; i < 4; ++i) lanes[i] = Round(lanes[i], Word(at + 8 * i));
    }
    hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) + std::rotl(lanes[3], 18);
    for (const uint64_t lane : lanes) hash = Merge(hash, lane);
  }
  hash += bytes.size();
  for (; left >= 8; left -= 8, at += 8) hash = std::rotl(hash ^ Round(0, Word(at)), 27) * kPrime1 + kPrime4;
  if (left >= 4) {
    uint32_t word;
    std::memcpy(&word, at, sizeof word);
    hash = std::rotl(hash ^ (word * kPrime1), 23) * kPrime2 + kPrime3;
    left -= 4;
    at += 4;
  }
  for (; left > 0; --left, ++at) hash = std::rotl(hash ^ (*at * kPrime5), 11) * kPrime1;
  hash = (hash ^ (hash >> 33)) * kPrime2;
  hash = (hash ^ (hash >> 29)) * kPrime3;
  return hash ^ (hash >> 32);
}

std::string ContentHash(std::span<const uint8_t> bytes) { return fmt::format("{:016x}{:016x}", Xxh64(bytes, 0), Xxh64(bytes, kSecondSeed)); }

std::string ContentHash(std::string_view text) {
  return ContentHash(std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size()));
}

StatusOr<std::string> FileHash(const std::string& path) {
  QP_ASSIGN_OR_RETURN(const Bytes file, MapFile(path));
  return ContentHash(std::span(file.data, static_cast<size_t>(file.size)));
}

}  // namespace quantpress::graph
