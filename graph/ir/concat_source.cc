// Parts one after another.
#include <algorithm>

#include "graph/ir/tensor_source.h"

namespace quantpress::graph {
namespace {

class Concat final : public TensorSource {
 public:
  Concat(std::vector<TensorSourcePtr> parts, ElementType type, std::vector<uint64_t> ends)
      : TensorSource(type, ends.empty() ? 0 : ends.back()), parts_(std::move(parts)), ends_(std::move(ends)) {}

  void ReadFloats(uint64_t begin, std::span<float> out) const override {
    ForEach(begin, out, [](const TensorSource& part, uint64_t at, std::span<float> piece) {
      part.ReadFloats(at, piece);
    });
  }

  void ReadInts(uint64_t begin, std::span<int64_t> out) const override {
    ForEach(begin, out, [](const TensorSource& part, uint64_t at, std::span<int64_t> piece) {
      part.ReadInts(at, piece);
    });
  }

  uint64_t RowLength() const override { return parts_.empty() ? 1 : parts_.front()->RowLength(); }

 private:
  template <typename T, typename Read>
  void ForEach(uint64_t begin, std::span<T> out, Read read) const {
    size_t part = static_cast<size_t>(std::upper_bound(ends_.begin(), ends_.end(), begin) - ends_.begin());
    for (size_t done = 0; done < out.size(); ++part) {
      const uint64_t start = part == 0 ? 0 : ends_[part - 1];
      const uint64_t at = begin + done;
      const size_t n = static_cast<size_t>(std::min<uint64_t>(ends_[part] - at, out.size() - done));
      if (n > 0) read(*parts_[part], at - start, out.subspan(done, n));
      done += n;
    }
  }

  std::vector<TensorSourcePtr> parts_;
  std::vector<uint64_t> ends_;  // running sums of the parts' counts
};

}  // namespace

TensorSourcePtr ConcatSource(std::vector<TensorSourcePtr> parts) {
  if (parts.size() == 1) return parts.front();
  std::vector<uint64_t> ends;
  uint64_t sum = 0;
  for (const TensorSourcePtr& part : parts) ends.push_back(sum += part->count());
  const ElementType type = parts.empty() ? ElementType::kFloat32 : parts.front()->type();
  return std::make_shared<Concat>(std::move(parts), type, std::move(ends));
}

}  // namespace quantpress::graph
