// bgemm with AVX2: counts of nibbles by table look-up (vpshufb), summed in octets for up to 31 words
// (31 * 8 = 248 < 256), then widened: vpmaddubsw, vpmaddwd. A tile is 4 rows x 2 panels = 8 sums in registers.
#include <cstddef>
#include <cstdint>

#include "kernels/bgemm.h"
#include "kernels/intrinsics.h"

namespace sbn {
namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kBlock = 31;

}  // namespace
}  // namespace sbn

#include "kernels/bgemm_words.h"

namespace sbn {
namespace {

template <std::size_t kRows, std::size_t kPanels>
inline void tile(const std::uint32_t* a, std::size_t a_stride, const std::uint32_t* w, std::size_t k_words,
                 __m256i (&sums)[kRows][kPanels]) {
    const __m256i table = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                           0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i nibble = _mm256_set1_epi8(15);
    for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t p = 0; p < kPanels; ++p) sums[r][p] = _mm256_setzero_si256();
    for (std::size_t begin = 0; begin < k_words; begin += kBlock) {
        const std::size_t end = begin + kBlock < k_words ? begin + kBlock : k_words;
        __m256i octets[kRows][kPanels];
        for (std::size_t r = 0; r < kRows; ++r)
            for (std::size_t p = 0; p < kPanels; ++p) octets[r][p] = _mm256_setzero_si256();
        for (std::size_t k = begin; k < end; ++k) {
            __m256i weights[kPanels];
            for (std::size_t p = 0; p < kPanels; ++p)
                weights[p] = _mm256_load_si256(reinterpret_cast<const __m256i*>(w + (p * k_words + k) * kLanes));
            for (std::size_t r = 0; r < kRows; ++r) {
                const __m256i word = _mm256_set1_epi32(static_cast<int>(a[r * a_stride + k]));
                for (std::size_t p = 0; p < kPanels; ++p) {
                    const __m256i x = _mm256_xor_si256(word, weights[p]);
                    const __m256i low = _mm256_shuffle_epi8(table, _mm256_and_si256(x, nibble));
                    const __m256i high = _mm256_shuffle_epi8(table, _mm256_and_si256(_mm256_srli_epi32(x, 4), nibble));
                    octets[r][p] = _mm256_add_epi8(octets[r][p], _mm256_add_epi8(low, high));
                }
            }
        }
        for (std::size_t r = 0; r < kRows; ++r)
            for (std::size_t p = 0; p < kPanels; ++p) {
                const __m256i pairs = _mm256_maddubs_epi16(octets[r][p], _mm256_set1_epi8(1));
                sums[r][p] = _mm256_add_epi32(sums[r][p], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
            }
    }
}

// The first `used` (1 .. 8) lanes.
inline void store(std::int32_t* out, __m256i sums, std::size_t used) {
    if (used >= kLanes) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sums);
        return;
    }
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    _mm256_maskstore_epi32(out, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(used)), index), sums);
}

template <std::size_t kRows, std::size_t kPanels>
inline void tile_to_memory(const std::uint32_t* a, std::size_t a_stride, const std::uint32_t* w, std::size_t k_words,
                           std::int32_t* out, std::size_t out_stride, std::size_t used) {
    __m256i sums[kRows][kPanels];
    tile<kRows, kPanels>(a, a_stride, w, k_words, sums);
    for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t p = 0; p < kPanels; ++p)
            store(out + r * out_stride + p * kLanes, sums[r][p], used - p * kLanes);
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

extern const BgemmKernel kBgemmAvx2;
const BgemmKernel kBgemmAvx2 = {kLanes, 1, 1, kMaxWords, panel_bytes, pack, run};

}  // namespace sbn
