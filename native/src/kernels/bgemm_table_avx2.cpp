// bgemm by table with AVX2: per two rows and 32 bits of K 8 vpshufb, and 16 additions and logic. Bound by the vector
// ports and the loads of tables and indices.
#include <cstddef>
#include <cstdint>

#include "kernels/octets_avx2.h"

namespace sbn {
namespace {

// vpunpck leaves the channels 0-7 and 16-23 in the first vector, the others in the second.
inline void add_widened(Octets octets, Octets (&row)[2]) {
    row[0] = _mm256_add_epi16(row[0], _mm256_unpacklo_epi8(octets, zero()));
    row[1] = _mm256_add_epi16(row[1], _mm256_unpackhi_epi8(octets, zero()));
}

inline void widen(const Octets (&row)[2], std::int32_t* out, std::size_t used) {
    const __m128i eights[4] = {_mm256_castsi256_si128(row[0]), _mm256_castsi256_si128(row[1]),
                               _mm256_extracti128_si256(row[0], 1), _mm256_extracti128_si256(row[1], 1)};
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (std::size_t i = 0; i < 4 && 8 * i < used; ++i) {
        const __m256i counts = _mm256_cvtepu16_epi32(eights[i]);
        if (used >= 8 * (i + 1))
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + 8 * i), counts);
        else
            _mm256_maskstore_epi32(
                out + 8 * i, _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(used - 8 * i)), index), counts);
    }
}

inline __m256i two_eights(const std::int16_t* first, const std::int16_t* second) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(first))),
                                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(second)), 1);
}

using Bits = std::uint32_t;

// Packing puts the channels back in order.
inline Bits above(const Octets (&row)[2], const std::int16_t* cuts) {
    const __m256i first = _mm256_cmpgt_epi16(row[0], two_eights(cuts, cuts + 16)),
                  second = _mm256_cmpgt_epi16(row[1], two_eights(cuts + 8, cuts + 24));
    return static_cast<Bits>(_mm256_movemask_epi8(_mm256_packs_epi16(first, second)));
}

}  // namespace
}  // namespace sbn

#include "kernels/bgemm_table_body.h"

namespace sbn {

extern const BgemmKernel kBgemmTableAvx2;
const BgemmKernel kBgemmTableAvx2 = {kLanes, 8, 17, kMaxWords, panel_bytes, pack, run, compare};

}  // namespace sbn
