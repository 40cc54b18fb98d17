// Four rows against four vectors of channels: eor, cnt, add; octets are summed for 31 words, then widened.
#include "kernels/ceiling.h"
#include "kernels/intrinsics.h"

namespace sbn {
namespace {

constexpr std::size_t kRows = 4, kVectors = 4, kLanes = 4, kWords = 31;

std::uint64_t run(std::size_t rounds) {
    std::uint32_t a[kRows][kWords], w[kWords][kVectors * kLanes];
    for (std::size_t k = 0; k < kWords; ++k) {
        for (std::size_t r = 0; r < kRows; ++r) a[r][k] = ceiling_word(r, false, k);
        for (std::size_t lane = 0; lane < kVectors * kLanes; ++lane) w[k][lane] = ceiling_word(lane, true, k);
    }
    uint64x2_t all = vdupq_n_u64(0);
    for (std::size_t round = 0; round < rounds; ++round) {
        forget(a, w);
        uint8x16_t octets[kRows][kVectors];
        for (auto& row : octets)
            for (auto& vector : row) vector = vdupq_n_u8(0);
        for (std::size_t k = 0; k < kWords; ++k) {
            uint32x4_t weights[kVectors];
            for (std::size_t v = 0; v < kVectors; ++v) weights[v] = vld1q_u32(w[k] + v * kLanes);
            for (std::size_t r = 0; r < kRows; ++r) {
                const uint32x4_t word = vld1q_dup_u32(&a[r][k]);
                for (std::size_t v = 0; v < kVectors; ++v)
                    octets[r][v] = vaddq_u8(octets[r][v], vcntq_u8(vreinterpretq_u8_u32(veorq_u32(word, weights[v]))));
            }
        }
        for (const auto& row : octets)
            for (const auto& vector : row) all = vpadalq_u32(all, vpaddlq_u16(vpaddlq_u8(vector)));
    }
    return vaddvq_u64(all);
}

}  // namespace

extern const Ceiling kCeilingNeon[1];
const Ceiling kCeilingNeon[1] = {{"cnt of octets", kRows, kVectors * kLanes, 32 * kWords, run}};

}  // namespace sbn
