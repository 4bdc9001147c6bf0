#include "graph/export/share_equal.h"

#include <algorithm>
#include <bit>
#include <map>
#include <string>

namespace quantpress::graph {
namespace {

constexpr uint64_t kPiece = 64 * 1024;

// What a job reads: bytes as they are, or elements.
struct Content {
  Bytes bytes;
  TensorSourcePtr source;
  bool as_ints = false;

  uint64_t units() const { return source != nullptr ? source->count() : bytes.size; }
  bool IsSameObject(const Content& other) const {
    return source != nullptr ? source == other.source
                             : bytes.data == other.bytes.data && bytes.size == other.bytes.size;
  }
};

// Units [begin, begin + n) as bytes in `buffer`.
std::span<const uint8_t> Read(const Content& content, uint64_t begin, uint64_t n, std::vector<uint64_t>* buffer) {
  if (content.source == nullptr) return {content.bytes.data + begin, n};
  buffer->resize(kPiece);
  auto* const raw = reinterpret_cast<uint8_t*>(buffer->data());
  if (content.as_ints) {
    std::vector<int64_t> ints(n);
    content.source->ReadInts(begin, ints);
    std::memcpy(raw, ints.data(), n * sizeof(int64_t));
    return {raw, n * sizeof(int64_t)};
  }
  std::vector<float> floats(n);
  content.source->ReadFloats(begin, floats);
  std::memcpy(raw, floats.data(), n * sizeof(float));
  return {raw, n * sizeof(float)};
}

uint64_t HashOf(const Content& content) {
  uint64_t hash = 0x9E3779B97F4A7C15u;
  std::vector<uint64_t> buffer;
  for (uint64_t begin = 0; begin < content.units(); begin += kPiece) {
    const auto bytes = Read(content, begin, std::min(kPiece, content.units() - begin), &buffer);
    for (size_t i = 0; i < bytes.size(); i += sizeof(uint64_t)) {
      uint64_t word = 0;
      std::memcpy(&word, bytes.data() + i, std::min(sizeof(word), bytes.size() - i));
      hash = std::rotl((hash ^ word) * 0xD6E8FEB86659FD93u, 29);
    }
  }
  return hash;
}

bool HoldTheSame(const Content& a, const Content& b) {
  if (a.IsSameObject(b)) return true;
  std::vector<uint64_t> buffers[2];
  for (uint64_t begin = 0; begin < a.units(); begin += kPiece) {
    const uint64_t n = std::min(kPiece, a.units() - begin);
    const auto left = Read(a, begin, n, &buffers[0]), right = Read(b, begin, n, &buffers[1]);
    if (!std::equal(left.begin(), left.end(), right.begin(), right.end())) return false;
  }
  return true;
}

// All that decides a job's bytes besides its content. Empty: not shared.
std::string KindOf(const Job& job, const Lowered& lowered, const dispatch::Plan& plan) {
  const BulkVector& vector = lowered.vectors[job.vector];
  const std::string size = fmt::format("{} x {}", vector.bytes, vector.width);
  if (std::holds_alternative<CopyJob>(job.work)) return "copy " + size;
  if (std::holds_alternative<ZeroJob>(job.work)) return "zero " + size;
  if (const auto* floats = std::get_if<FloatJob>(&job.work)) return fmt::format("float {} {}", size, floats->is_weight);
  if (const auto* half = std::get_if<HalfJob>(&job.work)) return fmt::format("half {} {}", size, half->is_weight);
  if (const auto* ints = std::get_if<IntJob>(&job.work)) return fmt::format("int {} {}", size, ints->is_unsigned);
  const auto* quantize = std::get_if<QuantizeJob>(&job.work);
  if (quantize == nullptr) return {};
  const dispatch::WeightPlan& weight = plan.weights[quantize->plan_index];
  // Codes of the source may differ where the weights do not.
  if (weight.int8 != nullptr || weight.source_codes) return {};
  const dispatch::CodingSpec& coding = weight.coding;
  return fmt::format("quantized {} {} {} {} {} {}", size, static_cast<int>(coding.method), coding.bits,
                     coding.half_scales, weight.groups, weight.group_size);
}

Content ContentOf(const Job& job) {
  return std::visit(
      [](const auto& work) -> Content {
        using Work = std::decay_t<decltype(work)>;
        if constexpr (std::is_same_v<Work, CopyJob>)
          return {work.bytes, nullptr, false};
        else if constexpr (std::is_same_v<Work, ZeroJob>)
          return {};
        else
          return {{}, work.source, std::is_same_v<Work, IntJob>};
      },
      job.work);
}

}  // namespace

void FindEqualVectors(const dispatch::Plan& plan, Lowered* lowered) {
  std::map<std::string, std::vector<size_t>> by_kind;  // jobs
  for (size_t i = 0; i < lowered->jobs.size(); ++i) {
    if (std::string kind = KindOf(lowered->jobs[i], *lowered, plan); !kind.empty())
      by_kind[std::move(kind)].push_back(i);
  }
  for (const auto& [kind, jobs] : by_kind) {
    if (jobs.size() < 2) continue;
    std::map<uint64_t, std::vector<size_t>> by_hash;  // the first job of every content
    for (const size_t i : jobs) {
      const Job& job = lowered->jobs[i];
      const Content content = ContentOf(job);
      std::vector<size_t>& firsts = by_hash[HashOf(content)];
      const auto first = std::find_if(firsts.begin(), firsts.end(),
                                      [&](size_t f) { return HoldTheSame(ContentOf(lowered->jobs[f]), content); });
      if (first == firsts.end()) {
        firsts.push_back(i);
        continue;
      }
      const Job& same = lowered->jobs[*first];
      lowered->vectors[job.vector].same_as = same.vector;
      if (const auto* quantize = std::get_if<QuantizeJob>(&job.work)) {
        lowered->vectors[quantize->alpha].same_as = std::get<QuantizeJob>(same.work).alpha;
      }
    }
  }
}

}  // namespace quantpress::graph
