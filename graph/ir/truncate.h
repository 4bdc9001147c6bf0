// Integers from elements that are computed as floats.
#ifndef QUANTPRESS_GRAPH_IR_TRUNCATE_H_
#define QUANTPRESS_GRAPH_IR_TRUNCATE_H_

#include <algorithm>
#include <cmath>

#include "graph/ir/tensor_source.h"

namespace quantpress::graph {

// Toward zero; 0 for NaN, infinities and what int64 cannot hold.
inline int64_t TruncateToInt(float value) {
  return std::isfinite(value) && std::fabs(value) < 0x1p63f ? static_cast<int64_t>(value) : 0;
}

// ReadInts of a source that has floats: its ReadFloats, in pieces, truncated.
inline void ReadTruncated(const TensorSource& source, uint64_t begin, std::span<int64_t> out) {
  constexpr size_t kPiece = 512;
  float values[kPiece];
  for (size_t done = 0; done < out.size();) {
    const size_t n = std::min(kPiece, out.size() - done);
    source.ReadFloats(begin + done, std::span<float>(values, n));
    for (size_t i = 0; i < n; ++i) out[done + i] = TruncateToInt(values[i]);
    done += n;
  }
}

}  // namespace quantpress::graph

#endif  // QUANTPRESS_GRAPH_IR_TRUNCATE_H_
