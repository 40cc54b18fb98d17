// bgemm with NEON: eor, cnt (ones of each octet) and add per 4 channels and word, in octets for up to 31 words
// (31 * 8 = 248 < 256), then uaddlp and uadalp widen and add them to the 32-bit sums. A tile is 4 rows x 2 panels = 16
// vectors of octets, which with the weights and an activation word that ld1r broadcasts fit the 32 registers.
#include <cstddef>
#include <cstdint>

#include "kernels/bgemm.h"
#include "kernels/intrinsics.h"

namespace sbn {
namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kBlock = 31;
constexpr std::size_t kVectors = 2;  // of a panel

}  // namespace
}  // namespace sbn

#include "kernels/bgemm_words.h"

namespace sbn {
namespace {

template <std::size_t kRows, std::size_t kPanels>
inline void tile(const std::uint32_t* a, std::size_t a_stride, const std::uint32_t* w, std::size_t k_words,
                 uint32x4_t (&sums)[kRows][kPanels * kVectors]) {
    constexpr std::size_t kWide = kPanels * kVectors;
    for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t v = 0; v < kWide; ++v) sums[r][v] = vdupq_n_u32(0);
    for (std::size_t begin = 0; begin < k_words; begin += kBlock) {
        const std::size_t end = begin + kBlock < k_words ? begin + kBlock : k_words;
        uint8x16_t octets[kRows][kWide];
        for (std::size_t r = 0; r < kRows; ++r)
            for (std::size_t v = 0; v < kWide; ++v) octets[r][v] = vdupq_n_u8(0);
        for (std::size_t k = begin; k < end; ++k) {
            uint32x4_t weights[kWide];
            for (std::size_t v = 0; v < kWide; ++v)
                weights[v] = vld1q_u32(w + (v / kVectors * k_words + k) * kLanes + v % kVectors * 4);
            for (std::size_t r = 0; r < kRows; ++r) {
                const uint32x4_t word = vld1q_dup_u32(a + r * a_stride + k);
                for (std::size_t v = 0; v < kWide; ++v)
                    octets[r][v] = vaddq_u8(octets[r][v], vcntq_u8(vreinterpretq_u8_u32(veorq_u32(word, weights[v]))));
            }
        }
        for (std::size_t r = 0; r < kRows; ++r)
            for (std::size_t v = 0; v < kWide; ++v) sums[r][v] = vpadalq_u16(sums[r][v], vpaddlq_u8(octets[r][v]));
    }
}

// The first `used` (1 ..) channels of one panel.
inline void store(std::int32_t* out, const uint32x4_t* sums, std::size_t used) {
    const int32x4_t first = vreinterpretq_s32_u32(sums[0]), second = vreinterpretq_s32_u32(sums[1]);
    if (used >= kLanes) {
        vst1q_s32(out, first);
        vst1q_s32(out + 4, second);
        return;
    }
    std::int32_t lanes[kLanes];
    vst1q_s32(lanes, first);
    vst1q_s32(lanes + 4, second);
    for (std::size_t i = 0; i < used; ++i) out[i] = lanes[i];
}

template <std::size_t kRows, std::size_t kPanels>
inline void tile_to_memory(const std::uint32_t* a, std::size_t a_stride, const std::uint32_t* w, std::size_t k_words,
                           std::int32_t* out, std::size_t out_stride, std::size_t used) {
    uint32x4_t sums[kRows][kPanels * kVectors];
    tile<kRows, kPanels>(a, a_stride, w, k_words, sums);
    for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t p = 0; p < kPanels; ++p)
            store(out + r * out_stride + p * kLanes, sums[r] + p * kVectors, used - p * kLanes);
}

template <std::size_t kPanels>
inline void panel_column(const std::uint32_t* a, std::size_t a_stride, std::size_t m, const std::uint32_t* w,
                         std::size_t k_words, std::int32_t* out, std::size_t out_stride, std::size_t used) {
    std::size_t row = 0;
    for (; row + 4 <= m; row += 4)
        tile_to_memory<4, kPanels>(a + row * a_stride, a_stride, w, k_words, out + row * out_stride, out_stride, used);
    for (; row < m; ++row)
        tile_to_memory<1, kPanels>(a + row * a_stride, a_stride, w, k_words, out + row * out_stride, out_stride, used);
}

void run(const std::uint32_t* a, std::size_t a_stride, std::size_t m, const std::byte* panels, std::size_t n,
         std::size_t k_words, std::int32_t* counts, std::size_t counts_stride) {
    const auto* w = reinterpret_cast<const std::uint32_t*>(panels);
    std::size_t column = 0;
    for (; column + kLanes < n; column += 2 * kLanes)
        panel_column<2>(a, a_stride, m, w + column * k_words, k_words, counts + column, counts_stride, n - column);
    if (column < n)
        panel_column<1>(a, a_stride, m, w + column * k_words, k_words, counts + column, counts_stride, n - column);
}

}  // namespace

extern const BgemmKernel kBgemmNeon;
const BgemmKernel kBgemmNeon = {kLanes, 1, 1, kMaxWords, panel_bytes, pack, run};

}  // namespace sbn
