// How many one-bit products a core can take in a second with the instructions that count them in a tier, on registers
// and a few cache lines, and nothing else. Prints one line for each tier that this CPU runs: its name and 10^9 products a
// second.
//
//   avx2               four bits of 2 rows choose a table, vpshufb looks up four weight bits of 32 channels in it: two
//                      panels of channels, octets summed
//   avx512_vpopcntdq   4 activation words against 4 vectors of weights: vpxord, vpopcntd, vpaddd
#include <chrono>
#include <cstdint>
#include <cstdio>

#if defined(__x86_64__)
#include <immintrin.h>

namespace {

constexpr int kWords = 64, kRounds = 2000, kTrials = 15;
alignas(64) std::uint32_t g_a[4 * kWords];
alignas(64) std::uint32_t g_w[4 * kWords * 16];
volatile std::uint32_t g_sink;

// Steps in groups of three, and as many groups as octets can count.
constexpr int kSteps = 63, kBlocks = 8;
alignas(64) std::uint8_t g_tables[256][16];
std::uint8_t g_rows[kSteps];

__attribute__((target("avx2"))) void avx2() {
    const __m256i low = _mm256_set1_epi8(15), zero = _mm256_setzero_si256();
    const auto* weights = reinterpret_cast<const __m256i*>(g_w);
    __m256i sums = zero;
    for (int block = 0; block < kBlocks; ++block) {
        __m256i total[2] = {zero, zero}, second[2] = {zero, zero};
#pragma GCC unroll 3
        for (int k = 0; k < kSteps; k += 3) {
            __m256i t[3];
            for (int i = 0; i < 3; ++i)
                t[i] = _mm256_broadcastsi128_si256(
                    _mm_load_si128(reinterpret_cast<const __m128i*>(g_tables[g_rows[k + i]])));
            for (int panel = 0; panel < 2; ++panel) {
                const __m256i* w = weights + panel * kSteps + k;
                const __m256i s =
                    _mm256_add_epi8(_mm256_add_epi8(_mm256_shuffle_epi8(t[0], w[0]), _mm256_shuffle_epi8(t[1], w[1])),
                                    _mm256_shuffle_epi8(t[2], w[2]));
                total[panel] = _mm256_add_epi8(total[panel], s);
                second[panel] = _mm256_add_epi8(second[panel], _mm256_and_si256(_mm256_srli_epi16(s, 4), low));
            }
        }
        for (int panel = 0; panel < 2; ++panel)
            sums = _mm256_add_epi64(
                sums, _mm256_add_epi64(_mm256_sad_epu8(total[panel], zero), _mm256_sad_epu8(second[panel], zero)));
    }
    g_sink = g_sink + static_cast<std::uint32_t>(_mm256_extract_epi32(sums, 0));
}

__attribute__((target("avx512f,avx512vpopcntdq"))) void avx512_vpopcntdq() {
    __m512i sums[4][4];
    for (auto& row : sums)
        for (auto& sum : row) sum = _mm512_setzero_si512();
    for (int k = 0; k < kWords; ++k) {
        __m512i w[4];
#pragma GCC unroll 4
        for (int n = 0; n < 4; ++n) w[n] = _mm512_load_si512(g_w + (n * kWords + k) * 16);
#pragma GCC unroll 4
        for (int m = 0; m < 4; ++m) {
            const __m512i a = _mm512_set1_epi32(static_cast<int>(g_a[m * kWords + k]));
#pragma GCC unroll 4
            for (int n = 0; n < 4; ++n)
                sums[m][n] = _mm512_add_epi32(sums[m][n], _mm512_popcnt_epi32(_mm512_xor_si512(a, w[n])));
        }
    }
    __m512i all = _mm512_setzero_si512();
    for (auto& row : sums)
        for (auto& sum : row) all = _mm512_add_epi32(all, sum);
    alignas(64) std::uint32_t lanes[16];
    _mm512_store_si512(lanes, all);
    for (const std::uint32_t lane : lanes) g_sink = g_sink + lane;
}

void time(const char* name, void (*run)(), double products) {
    double best = 1e9;
    for (int trial = 0; trial < kTrials; ++trial) {
        const auto start = std::chrono::steady_clock::now();
        for (int i = 0; i < kRounds; ++i) run();
        const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
        if (passed.count() < best) best = passed.count();
    }
    std::printf("%s %.1f\n", name, products * kRounds / best * 1e-9);
}

}  // namespace

int main() {
    for (int i = 0; i < 4 * kWords; ++i) g_a[i] = static_cast<std::uint32_t>(i) * 2654435761u;
    for (int i = 0; i < 4 * kWords * 16; ++i) g_w[i] = static_cast<std::uint32_t>(i) * 2246822519u;
    for (int i = 0; i < 256 * 16; ++i) g_tables[i / 16][i % 16] = static_cast<std::uint8_t>(i * 7 % 5 * 17);
    for (int i = 0; i < kSteps; ++i) g_rows[i] = static_cast<std::uint8_t>(i * 37);
    if (__builtin_cpu_supports("avx512vpopcntdq"))
        time("avx512_vpopcntdq", avx512_vpopcntdq, 4.0 * 4 * kWords * 16 * 32);
    if (__builtin_cpu_supports("avx2")) time("avx2", avx2, 2.0 * 4 * 2 * 32 * kSteps * kBlocks);
}
#else
int main() {}
#endif
