// Transposition of a tile of floats, used to read [K,N] matrices as N rows of K.
#ifndef QUANTPRESS_KERNELS_TRANSPOSE_H_
#define QUANTPRESS_KERNELS_TRANSPOSE_H_

#include <cstddef>

namespace quantpress::kernels {

// dst[c * dst_stride + r] = src[r * src_stride + c] for r < rows, c < cols. Strides are in floats, src_stride >= cols,
// dst_stride >= rows. The two must not overlap. Fast when the tile (both sides) fits the L2 cache.
void TransposeTile(const float* src, size_t src_stride, size_t rows, size_t cols, float* dst, size_t dst_stride);

}  // namespace quantpress::kernels

#endif  // QUANTPRESS_KERNELS_TRANSPOSE_H_
