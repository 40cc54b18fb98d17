// bgemm by table with AVX-512 BW, for CPUs without a 512-bit population count: the AVX2 scheme on 64 channels. Per two
// rows and 32 bits of K 8 vpshufb, bound to port 5, and 16 additions and logic that share ports 0 and 5 with them.
#include <cstddef>
#include <cstdint>

#include "kernels/octets_avx512.h"

namespace sbn {
namespace {

// vpunpck leaves of every 16 channels the first eight in the first vector, the others in the second.
inline void add_widened(Octets octets, Octets (&row)[2]) {
    row[0] = _mm512_add_epi16(row[0], _mm512_unpacklo_epi8(octets, zero()));
    row[1] = _mm512_add_epi16(row[1], _mm512_unpackhi_epi8(octets, zero()));
}

template <int kQuarter>
inline void widen_quarter(const Octets (&row)[2], std::int32_t* out, std::size_t used) {
    if (used <= 16 * kQuarter) return;
    const std::size_t left = used - 16 * kQuarter;
    const __m256i counts = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm512_extracti32x4_epi32(row[0], kQuarter)),
                                                   _mm512_extracti32x4_epi32(row[1], kQuarter), 1);
    const auto mask = static_cast<__mmask16>(left >= 16 ? 0xFFFFu : (1u << left) - 1u);
    _mm512_mask_storeu_epi32(out + 16 * kQuarter, mask, _mm512_cvtepu16_epi32(counts));
}

inline void widen(const Octets (&row)[2], std::int32_t* out, std::size_t used) {
    widen_quarter<0>(row, out, used);
    widen_quarter<1>(row, out, used);
    widen_quarter<2>(row, out, used);
    widen_quarter<3>(row, out, used);
}

using Bits = std::uint64_t;

// Eights of sums in order: the first of one vector, the first of the other, the second of the one, and so on.
inline Bits above(const Octets (&row)[2], const std::int16_t* cuts) {
    const __m512i first = _mm512_setr_epi64(0, 1, 8, 9, 2, 3, 10, 11),
                  second = _mm512_setr_epi64(4, 5, 12, 13, 6, 7, 14, 15);
    const Bits low = _mm512_cmple_epi16_mask(_mm512_permutex2var_epi64(row[0], first, row[1]), load(cuts)),
               high = _mm512_cmple_epi16_mask(_mm512_permutex2var_epi64(row[0], second, row[1]), load(cuts + 32));
    return ~(low | high << 32);
}

}  // namespace
}  // namespace sbn

#include "kernels/bgemm_table_body.h"

namespace sbn {

extern const BgemmKernel kBgemmTableAvx512;
const BgemmKernel kBgemmTableAvx512 = {kLanes, 8, 33, kMaxWords, panel_bytes, pack, run, compare};

}  // namespace sbn
