// A number takes 8 bytes of memory traffic on the grid, 12 with noise; eight numbers of noise take 28 products of 32
// bits, around which the compiler's AVX2 loop has more shuffles than products. Which of these bounds them was not
// measured.
#include "training/grid.h"

#include <algorithm>

#include "training/clones.h"

namespace sbn {
namespace {

constexpr int kLanes = 8;

// Adding and taking away 1.5 * 2^23 leaves what is below 2^22 rounded to an integer, halves to even.
constexpr float kRounder = 12582912.0f;

// Comparisons with NaN are false, so that it stays.
inline float level(float v, float levels) {
    v = v < 0.0f ? 0.0f : v;
    v = v > levels ? levels : v;
    return (v + kRounder) - kRounder;
}

// 65,536 places of [-1/2, 1/2), each half a place off its lower end, so that their mean is 0.
inline float centred(std::uint32_t half) {
    return (static_cast<float>(static_cast<std::int32_t>(half)) - 32767.5f) * 0x1p-16f;
}

}  // namespace

SIGNBIT_CLONES
void on_grid(const float* __restrict x, const float* __restrict noise, float* __restrict y, std::size_t n, float low,
             float scale, float levels) {
    if (noise == nullptr) {
        for (std::size_t i = 0; i < n; ++i) y[i] = level((x[i] - low) / scale, levels) * scale + low;
    } else {
        for (std::size_t i = 0; i < n; ++i) y[i] = level((x[i] - low) / scale + noise[i], levels) * scale + low;
    }
}

SIGNBIT_CLONES
void rounding_noise(float* __restrict y, std::size_t n, std::uint64_t block, std::uint64_t key) {
    for (std::size_t at = 0; at < n; at += kNoiseBlock, ++block) {
        std::uint32_t c[4][kLanes];
        for (int j = 0; j < kLanes; ++j) {
            const std::uint64_t counter = block * kLanes + j;
            c[0][j] = static_cast<std::uint32_t>(counter);
            c[1][j] = static_cast<std::uint32_t>(counter >> 32);
            c[2][j] = c[3][j] = 0;
        }
        auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
        for (int round = 0; round < 7; ++round) {
            for (int j = 0; j < kLanes; ++j) {
                const std::uint64_t a = std::uint64_t{0xD2511F53} * c[0][j], b = std::uint64_t{0xCD9E8D57} * c[2][j];
                c[0][j] = static_cast<std::uint32_t>(b >> 32) ^ c[1][j] ^ k0;
                c[2][j] = static_cast<std::uint32_t>(a >> 32) ^ c[3][j] ^ k1;
                c[1][j] = static_cast<std::uint32_t>(b);
                c[3][j] = static_cast<std::uint32_t>(a);
            }
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }
        float out[kNoiseBlock];
        for (int w = 0; w < 4; ++w)
            for (int j = 0; j < kLanes; ++j) {
                out[2 * w * kLanes + j] = centred(c[w][j] & 0xFFFF);
                out[(2 * w + 1) * kLanes + j] = centred(c[w][j] >> 16);
            }
        std::copy_n(out, std::min(kNoiseBlock, n - at), y + at);
    }
}

}  // namespace sbn
