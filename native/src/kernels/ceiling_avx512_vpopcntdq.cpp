// Four rows against four vectors of channels: vpxord, vpopcntd, vpaddd.
#include "kernels/ceiling.h"
#include "kernels/intrinsics.h"

namespace sbn {
namespace {

constexpr std::size_t kRows = 4, kVectors = 4, kLanes = 16, kWords = 64;

std::uint64_t run(std::size_t rounds) {
    alignas(64) std::uint32_t w[kWords][kVectors * kLanes];
    std::uint32_t a[kRows][kWords];
    for (std::size_t k = 0; k < kWords; ++k) {
        for (std::size_t r = 0; r < kRows; ++r) a[r][k] = ceiling_word(r, false, k);
        for (std::size_t lane = 0; lane < kVectors * kLanes; ++lane) w[k][lane] = ceiling_word(lane, true, k);
    }
    __m512i sums[kRows][kVectors];
    for (auto& row : sums)
        for (auto& sum : row) sum = _mm512_setzero_si512();
    for (std::size_t round = 0; round < rounds; ++round) {
        forget(a, w);
        for (std::size_t k = 0; k < kWords; ++k) {
            __m512i weights[kVectors];
            for (std::size_t v = 0; v < kVectors; ++v) weights[v] = _mm512_load_si512(w[k] + v * kLanes);
            for (std::size_t r = 0; r < kRows; ++r) {
                const __m512i word = _mm512_set1_epi32(static_cast<int>(a[r][k]));
                for (std::size_t v = 0; v < kVectors; ++v)
                    sums[r][v] = _mm512_add_epi32(sums[r][v], _mm512_popcnt_epi32(_mm512_xor_si512(word, weights[v])));
            }
        }
    }
    std::uint64_t all = 0;
    for (const auto& row : sums)
        for (const auto& sum : row) {
            alignas(64) std::uint32_t lanes[kLanes];
            _mm512_store_si512(lanes, sum);
            for (const std::uint32_t lane : lanes) all += lane;
        }
    return all;
}

}  // namespace

extern const Ceiling kCeilingAvx512Vpopcntdq[1];
const Ceiling kCeilingAvx512Vpopcntdq[1] = {{"vpopcntd", kRows, kVectors * kLanes, 32 * kWords, run}};

}  // namespace sbn
