// Family sgemm: float rows against float weights, for the layers that stay float.
//
//     out[m][n] = bias[n] + sum over k of a[m][k] * w[k][n]
//
// Contract
//   a      [m] rows, a_stride apart, of k floats: k.stretches of k.length neighbours, k.pitch apart. A gathered row is
//          one stretch; a window of an image is one for each of its rows, and those of neighbouring pixels overlap.
//   w      ceil(n / lanes) panels: weight k of channel c stands at panel c / lanes, position k * lanes + c % lanes;
//          64-byte aligned; missing channels of the last panel are 0.
//   bias   [ceil(n / lanes) * lanes].
//   out    [m] rows of n floats, out_stride apart; nothing outside is written.
//   m, n, k.stretches, k.length >= 1. Terms are added in the order of k, one accumulator per output, so a result
//   depends on the tier (fused multiply-add or not) but never on m, threads or batch.
//
// A single row meets every weight once and is limited by memory, which delivers several streams faster than one: its
// tile is 1 row x 4 panels.
//
//   tier       lanes  tile (rows x vectors)  per vector and k                        limited by
//   portable   8      6 x 2 of 4 floats      multiply, add (SSE2 on x86-64)          adder latency, two float ports
//   avx2       16     6 x 2 of 8 floats      vfmadd231ps with a broadcast operand    two FMA ports
//   avx512     32     6 x 2 of 16 floats     vfmadd231ps with a broadcast operand    FMA ports 0 and 5
//   neon       8      6 x 2 of 4 floats      fmla with a broadcast operand           two FMA pipes
#pragma once
#include <cstddef>

namespace sbn {

struct Stretched {
    std::size_t stretches, length, pitch;
    std::size_t size() const { return stretches * length; }
};

struct SgemmKernel {
    std::size_t lanes;
    std::size_t tile_rows;
    void (*run)(const float* a, std::size_t a_stride, std::size_t m, const float* w, const float* bias, std::size_t n,
                const Stretched& k, float* out, std::size_t out_stride);
};

extern const SgemmKernel kSgemmPortable;
extern const SgemmKernel kSgemmAvx2;
extern const SgemmKernel kSgemmAvx512;
extern const SgemmKernel kSgemmNeon;

}  // namespace sbn
