#include "kernels/transpose.h"

namespace quantpress::kernels {

void TransposeTile(const float* src, size_t src_stride, size_t rows, size_t cols, float* dst, size_t dst_stride) {
  constexpr size_t kBlock = 16;
  for (size_t row = 0; row < rows; row += kBlock) {
    const size_t row_end = row + kBlock < rows ? row + kBlock : rows;
    for (size_t col = 0; col < cols; ++col) {
      for (size_t r = row; r < row_end; ++r) dst[col * dst_stride + r] = src[r * src_stride + col];
    }
  }
}

}  // namespace quantpress::kernels
