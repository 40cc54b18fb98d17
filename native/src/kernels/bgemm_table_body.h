// The body of bgemm by table, for two rows at once; included by one file per vector width. A step is four bits of K.
// The four bits of row 0 and of row 1 choose one of 256 tables (nibble_tables.h), so vpshufb with the weight bits of
// kLanes channels as indices gives 2 x kLanes counts of 0 .. 4.
//
// Sums: three steps fit the half octets (12 < 16). Their sum s is added modulo 256 to `total` and its upper half to
// `second`; after 21 such triples (21 * 12 = 252 < 256) second is the count of row 1 and total - 16 * second that of
// row 0. Both are widened to 16 bits (kMaxWords * 32 < 2^16).
//
// The file that includes it brings vectors of kLanes octets (octets_avx2.h, octets_avx512.h) and defines for their sums
//     add_widened(octets, row)        adds kLanes octets to kLanes sums of 16 bits, in an order of its own
//     widen(row, out, used)           the first `used` (1 ..) of them to memory, in order
//     above(row, cuts)                kLanes Bits, those of the sums that exceed their cuts
#include <cstddef>
#include <cstdint>

#include "kernels/bgemm.h"
#include "kernels/intrinsics.h"
#include "kernels/nibble_tables.h"

namespace sbn {
namespace {

constexpr std::size_t kMaxWords = 288;  // 9 x 1024 channels; offsets of a block of rows stay within an L1 data cache
constexpr std::size_t kBlockPairs = 8;
constexpr std::size_t kTriples = 21;

// Steps of a row, whole triples.
constexpr std::size_t steps_for(std::size_t k_words) {
    return (8 * k_words + 2) / 3 * 3;
}

std::size_t panel_bytes(std::size_t k_words) {
    return (steps_for(k_words) * kLanes + 63) / 64 * 64;
}

// Order of steps: of sixteen octets (or what is left of them) first the lower halves, then the upper ones.
void pack(const std::uint32_t* filter, std::size_t k_words, std::size_t lane, std::byte* panel) {
    const std::size_t octets = 4 * k_words;
    for (std::size_t i = 0; i < octets; ++i) {
        const std::size_t unit = i / 16 * 16, size = octets - unit < 16 ? octets - unit : 16;
        const std::uint32_t octet = filter[i / 4] >> (8 * (i % 4)) & 255u;
        const std::size_t step = 2 * unit + i % 16;
        panel[step * kLanes + lane] = static_cast<std::byte>(octet & 15u);
        panel[(step + size) * kLanes + lane] = static_cast<std::byte>(octet >> 4);
    }
}

// Where in kTables the steps of sixteen octets of two rows begin, in octets.
inline void expand_unit(__m128i row0, __m128i row1, std::size_t size, std::uint16_t* offsets) {
    const __m256i x = _mm256_cvtepu8_epi16(row0), y = _mm256_slli_epi16(_mm256_cvtepu8_epi16(row1), 4);
    const __m256i x_low = _mm256_slli_epi16(_mm256_and_si256(x, _mm256_set1_epi16(0x0F)), 4);
    const __m256i y_low = _mm256_slli_epi16(_mm256_and_si256(y, _mm256_set1_epi16(0xF0)), 4);
    const __m256i x_high = _mm256_and_si256(x, _mm256_set1_epi16(0xF0));
    const __m256i y_high = _mm256_and_si256(y, _mm256_set1_epi16(0xF00));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(offsets), _mm256_or_si256(x_low, y_low));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(offsets + size), _mm256_or_si256(x_high, y_high));
}

// Writes up to 16 offsets past the last step; the caller has room for them.
inline void expand(const std::uint32_t* row0, const std::uint32_t* row1, std::size_t k_words, std::uint16_t* offsets) {
    std::size_t k = 0;
    for (; k + 4 <= k_words; k += 4, offsets += 32)
        expand_unit(_mm_loadu_si128(reinterpret_cast<const __m128i*>(row0 + k)),
                    _mm_loadu_si128(reinterpret_cast<const __m128i*>(row1 + k)), 16, offsets);
    const std::size_t left = k_words - k;
    if (left > 0) {
        const __m128i mask = _mm_cmpgt_epi32(_mm_set1_epi32(static_cast<int>(left)), _mm_setr_epi32(0, 1, 2, 3));
        expand_unit(_mm_maskload_epi32(reinterpret_cast<const int*>(row0 + k), mask),
                    _mm_maskload_epi32(reinterpret_cast<const int*>(row1 + k), mask), 4 * left, offsets);
    }
    offsets += 8 * left;
    for (std::size_t i = 0; i < 2; ++i) offsets[i] = 0;  // the steps that complete a triple
}

// Two rows of kLanes sums of 16 bits.
struct Sums {
    Octets rows[2][2];
};

// Adds the counts of steps [begin, end), at most 3 * kTriples of them, to those before, if it is not the first.
template <std::size_t kPanels, bool kFirst>
inline void tile(const std::uint16_t* offsets, const std::byte* w, std::size_t stride, std::size_t begin,
                 std::size_t end, Sums (&sums)[kPanels]) {
    const auto* tables = reinterpret_cast<const std::uint8_t*>(kTables.octets);
    OctetSums total[kPanels] = {}, second[kPanels] = {};
#pragma GCC unroll 3
    for (std::size_t k = begin; k < end; k += 3) {
        const Octets t0 = table_at(tables + offsets[k]), t1 = table_at(tables + offsets[k + 1]),
                     t2 = table_at(tables + offsets[k + 2]);
        for (std::size_t p = 0; p < kPanels; ++p) {
            const std::byte* indices = w + p * stride + k * kLanes;
            const Octets s = add(add(look_up(t0, load(indices)), look_up(t1, load(indices + kLanes))),
                                 look_up(t2, load(indices + 2 * kLanes)));
            add_to(total[p], s);
            add_to(second[p], upper_halves(s));
        }
    }
    for (std::size_t p = 0; p < kPanels; ++p) {
        if constexpr (kFirst) sums[p] = {{{zero(), zero()}, {zero(), zero()}}};
        const Octets of_second = octets(second[p]);
        add_widened(subtract(octets(total[p]), times_16(of_second)), sums[p].rows[0]);
        add_widened(of_second, sums[p].rows[1]);
    }
}

template <std::size_t kPanels, class Write>
inline void panel_column(const std::uint16_t (*offsets)[8 * kMaxWords + 16], std::size_t rows, const std::byte* w,
                         std::size_t stride, std::size_t steps, Write write) {
    Sums sums[kBlockPairs][kPanels];
    const std::size_t pairs = (rows + 1) / 2, first = steps < 3 * kTriples ? steps : 3 * kTriples;
    for (std::size_t pair = 0; pair < pairs; ++pair)
        tile<kPanels, true>(offsets[pair], w, stride, 0, first, sums[pair]);
    for (std::size_t begin = first; begin < steps; begin += 3 * kTriples) {
        const std::size_t end = begin + 3 * kTriples < steps ? begin + 3 * kTriples : steps;
        for (std::size_t pair = 0; pair < pairs; ++pair)
            tile<kPanels, false>(offsets[pair], w, stride, begin, end, sums[pair]);
    }
    for (std::size_t row = 0; row < rows; ++row)
        for (std::size_t p = 0; p < kPanels; ++p) write(row, p * kLanes, sums[row / 2][p].rows[row % 2]);
}

// write(row, channel, sums) for every row and panel, whose first channel it is.
template <class Write>
inline void count(const std::uint32_t* a, std::size_t a_stride, std::size_t m, const std::byte* w, std::size_t n,
                  std::size_t k_words, Write write) {
    alignas(64) std::uint16_t offsets[kBlockPairs][8 * kMaxWords + 16];
    const std::size_t steps = steps_for(k_words), stride = panel_bytes(k_words);
    for (std::size_t begin = 0; begin < m; begin += 2 * kBlockPairs) {
        const std::size_t rows = m - begin < 2 * kBlockPairs ? m - begin : 2 * kBlockPairs;
        for (std::size_t row = 0; row < rows; row += 2) {
            const std::uint32_t* first = a + (begin + row) * a_stride;
            expand(first, row + 1 < rows ? first + a_stride : first, k_words, offsets[row / 2]);
        }
        std::size_t column = 0;
        const auto write_here = [&](std::size_t row, std::size_t channel, const Octets(&sums)[2]) {
            write(begin + row, column + channel, sums);
        };
        for (; column + kLanes < n; column += 2 * kLanes)
            panel_column<2>(offsets, rows, w + column / kLanes * stride, stride, steps, write_here);
        if (column < n) panel_column<1>(offsets, rows, w + column / kLanes * stride, stride, steps, write_here);
    }
}

void run(const std::uint32_t* a, std::size_t a_stride, std::size_t m, const std::byte* w, std::size_t n,
         std::size_t k_words, std::int32_t* counts, std::size_t counts_stride) {
    count(a, a_stride, m, w, n, k_words, [=](std::size_t row, std::size_t channel, const Octets(&sums)[2]) {
        widen(sums, counts + row * counts_stride + channel, n - channel);
    });
}

void compare(const std::uint32_t* a, std::size_t a_stride, std::size_t m, const std::byte* w, std::size_t n,
             std::size_t k_words, const std::int16_t* const* cuts, const std::uint64_t* rising, std::uint64_t* bits) {
    const std::size_t panels = (n + kLanes - 1) / kLanes, row_panels = (n + 63) / 64 * (64 / kLanes);
    auto* out = reinterpret_cast<Bits*>(bits);
    count(a, a_stride, m, w, n, k_words, [=](std::size_t row, std::size_t channel, const Octets(&sums)[2]) {
        const std::size_t panel = channel / kLanes;
        out[row * row_panels + panel] = above(sums, cuts[row] + channel) ^ reinterpret_cast<const Bits*>(rising)[panel];
    });
    if (panels < row_panels)
        for (std::size_t row = 0; row < m; ++row) out[row * row_panels + panels] = 0;
}

}  // namespace

}  // namespace sbn
