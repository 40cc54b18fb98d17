// threshold_pack with NEON: four channels per compare. The masks of sixteen channels are narrowed to octets, each keeps
// the bit of its place, and pairwise additions (addp) bring the bits of 64 channels together.
#include <cstddef>
#include <cstdint>

#include "kernels/intrinsics.h"
#include "kernels/threshold_pack.h"

namespace sbn {
namespace {

inline uint32x4_t four(const float* x, const float* t, const std::uint32_t* flip) {
    const uint32x4_t value = veorq_u32(vreinterpretq_u32_f32(vld1q_f32(x)), vld1q_u32(flip));
    return vcgeq_f32(vreinterpretq_f32_u32(value), vld1q_f32(t));
}

inline uint32x4_t four(const std::int32_t* x, const std::int32_t* t, const std::uint32_t* flip) {
    return vcgeq_s32(veorq_s32(vld1q_s32(x), vreinterpretq_s32_u32(vld1q_u32(flip))), vld1q_s32(t));
}

// Octet i is the bit i % 8 if channel i is set, else 0.
template <class T>
inline uint8x16_t sixteen(const T* x, const T* t, const std::uint32_t* flip) {
    const auto eight = [&](std::size_t i) {
        return vcombine_u16(vmovn_u32(four(x + i, t + i, flip + i)),
                            vmovn_u32(four(x + i + 4, t + i + 4, flip + i + 4)));
    };
    const uint8x16_t places = vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201u));
    return vandq_u8(vcombine_u8(vmovn_u16(eight(0)), vmovn_u16(eight(8))), places);
}

template <class T>
inline std::uint64_t word(const T* x, const T* t, const std::uint32_t* flip) {
    const uint8x16_t low = vpaddq_u8(sixteen(x, t, flip), sixteen(x + 16, t + 16, flip + 16));
    const uint8x16_t high = vpaddq_u8(sixteen(x + 32, t + 32, flip + 32), sixteen(x + 48, t + 48, flip + 48));
    const uint8x16_t quarters = vpaddq_u8(low, high);
    return vgetq_lane_u64(vreinterpretq_u64_u8(vpaddq_u8(quarters, quarters)), 0);
}

inline std::uint64_t together(uint8x16_t octets) {
    return std::uint64_t{vaddv_u8(vget_low_u8(octets))} | std::uint64_t{vaddv_u8(vget_high_u8(octets))} << 8;
}

// Fewer than 64 channels; the last of them through zeroed copies so that nothing outside the row is read.
template <class T>
inline std::uint64_t fewer(const T* x, const T* t, const std::uint32_t* flip, std::size_t n) {
    std::uint64_t word = 0;
    std::size_t i = 0;
    for (; i + 16 <= n; i += 16) word |= together(sixteen(x + i, t + i, flip + i)) << i;
    if (i == n) return word;
    T xs[16] = {}, ts[16] = {};
    std::uint32_t flips[16] = {};
    for (std::size_t j = 0; i + j < n; ++j) xs[j] = x[i + j], ts[j] = t[i + j], flips[j] = flip[i + j];
    return word | (together(sixteen(xs, ts, flips)) & ((1u << (n - i)) - 1)) << i;
}

template <class T>
inline void run(const T* x, std::size_t m, std::size_t c, const T* t, const std::uint32_t* flip, std::uint64_t* bits) {
    for (std::size_t row = 0; row < m; ++row, x += c) {
        std::size_t i = 0;
        for (; i + 64 <= c; i += 64) *bits++ = word(x + i, t + i, flip + i);
        if (i < c) *bits++ = fewer(x + i, t + i, flip + i, c - i);
    }
}

}  // namespace

extern const ThresholdPackKernel kThresholdPackNeon;
const ThresholdPackKernel kThresholdPackNeon = {run<float>, run<std::int32_t>};

}  // namespace sbn
