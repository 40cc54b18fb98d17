// Family pointwise: arithmetic on rows of channels, one element at a time or one channel of a window.
//
// Contract
//   x, y      [m] rows of c elements, contiguous, 4-byte aligned; y may be x. `n` counts elements where rows don't
//   matter. Channel parameters are [c]. Nothing outside is read or written. m, c, n >= 1. Sums are taken one pixel
//   after the other and nothing is contracted: every tier gives the same bits. A NaN stays one.
//
//   tier       elements per step      limited by
//   portable   4 (SSE2, NEON)         loads and stores
//   avx2       8                      loads and stores
#pragma once
#include <cstddef>
#include <cstdint>

namespace sbn {

using PointwiseOfTwo = void(const float* a, const float* b, std::size_t n, float* y);

struct PointwiseKernel {
    // y = scale * x + shift, two roundings
    void (*affine_f32)(const float* x, std::size_t m, std::size_t c, const float* scale, const float* shift, float* y);
    void (*affine_i32)(const std::int32_t* x, std::size_t m, std::size_t c, const float* scale, const float* shift,
                       float* y);
    // y = x if x >= 0 else slope * x
    void (*prelu)(const float* x, std::size_t m, std::size_t c, const float* slope, float* y);
    // y = a + b, y = a * b
    PointwiseOfTwo *add, *mul;
    // y = min(max(x, low), high)
    void (*clamp)(const float* x, std::size_t n, float low, float high, float* y);
    // Over the pixels of a window, [rows][columns] of c elements each, its rows row_step elements apart; in order.
    // y = max(x, ...), y = (x + ...) / by
    void (*maximum)(const float* x, std::size_t rows, std::size_t row_step, std::size_t columns, std::size_t c,
                    float* y);
    void (*mean)(const float* x, std::size_t rows, std::size_t row_step, std::size_t columns, std::size_t c, float by,
                 float* y);
    // In place, in [m] rows of c elements, `stride` apart: y = base - (y << by), and scale * (base - (y << by)) + shift
    void (*subtract_from)(const std::int32_t* base, int by, std::size_t m, std::size_t c, std::int32_t* y,
                          std::size_t stride);
    void (*affine_of_counts)(const std::int32_t* base, int by, const float* scale, const float* shift, std::size_t m,
                             std::size_t c, std::int32_t* y, std::size_t stride);
};

extern const PointwiseKernel kPointwisePortable;
extern const PointwiseKernel kPointwiseAvx2;

}  // namespace sbn
