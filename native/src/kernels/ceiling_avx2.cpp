// By table, and by words: xor, two look-ups of the ones of half octets, additions; octets are summed for 31 words.
#include "kernels/octets_avx2.h"

// after it
#include "kernels/ceiling_table_body.h"

namespace sbn {
namespace {

constexpr std::size_t kRows = 4, kVectors = 2, kWords = 31, kWordLanes = 8;

std::uint64_t by_words(std::size_t rounds) {
    alignas(32) std::uint32_t w[kWords][kVectors * kWordLanes];
    std::uint32_t a[kRows][kWords];
    for (std::size_t k = 0; k < kWords; ++k) {
        for (std::size_t r = 0; r < kRows; ++r) a[r][k] = ceiling_word(r, false, k);
        for (std::size_t lane = 0; lane < kVectors * kWordLanes; ++lane) w[k][lane] = ceiling_word(lane, true, k);
    }
    const __m256i ones = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                          0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i eights = zero();
    for (std::size_t round = 0; round < rounds; ++round) {
        forget(a, w);
        __m256i octets[kRows][kVectors];
        for (auto& row : octets)
            for (auto& vector : row) vector = zero();
        for (std::size_t k = 0; k < kWords; ++k)
            for (std::size_t r = 0; r < kRows; ++r)
                for (std::size_t v = 0; v < kVectors; ++v) {
                    const __m256i x =
                        _mm256_xor_si256(_mm256_set1_epi32(static_cast<int>(a[r][k])), load(w[k] + v * kWordLanes));
                    const __m256i high = _mm256_and_si256(_mm256_srli_epi32(x, 4), nibble);
                    octets[r][v] =
                        add(octets[r][v], add(look_up(ones, _mm256_and_si256(x, nibble)), look_up(ones, high)));
                }
        for (const auto& row : octets)
            for (const auto& vector : row) eights = add_eights(eights, vector);
    }
    std::uint64_t lanes[4], all = 0;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lanes), eights);
    for (const std::uint64_t lane : lanes) all += lane;
    return all;
}

}  // namespace

extern const Ceiling kCeilingAvx2[2];
const Ceiling kCeilingAvx2[2] = {kByTable,
                                 {"xor, ones of half octets", kRows, kVectors * kWordLanes, 32 * kWords, by_words}};

}  // namespace sbn
