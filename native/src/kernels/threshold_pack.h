// Family threshold_pack: real or integer channels to one bit each.
//
//     bit[m][c] = (x[m][c] xor flip[c]) >= t[c]
//
// A falling channel (bit = x <= t) is a rising one after an order-reversing map: for i32 x -> ~x, for f32 x -> -x. Both
// are an xor (with all ones, with the sign bit), so `flip` holds that mask or zero, and t holds the mapped threshold.
// A NaN gives 0 either way.
//
// Contract
//   x        [m] rows of c elements, contiguous; 4-byte aligned; nothing outside is read.
//   t, flip  [c].
//   bits     [m] rows of ceil(c / 64) words; bits past c are written as 0.
//   m, c >= 1. No accumulators.
//
//   tier       per 8 channels                                limited by
//   portable   scalar compare, shift, or                     one element per step
//   avx2       vpxor, vcmpps (GE) / vpcmpgtd, vmovmskps      vmovmskps (port 0); the tail of c % 8 is scalar
//   neon       2 x eor, 2 x fcmge / cmge, narrow, and, addp  loads: three per compare; the tail of c % 16 is copied
#pragma once
#include <cstddef>
#include <cstdint>

namespace sbn {

struct ThresholdPackKernel {
    void (*f32)(const float* x, std::size_t m, std::size_t c, const float* t, const std::uint32_t* flip,
                std::uint64_t* bits);
    void (*i32)(const std::int32_t* x, std::size_t m, std::size_t c, const std::int32_t* t, const std::uint32_t* flip,
                std::uint64_t* bits);
};

extern const ThresholdPackKernel kThresholdPackPortable;
extern const ThresholdPackKernel kThresholdPackAvx2;
extern const ThresholdPackKernel kThresholdPackNeon;

}  // namespace sbn
