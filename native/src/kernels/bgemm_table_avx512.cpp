// bgemm by table with AVX-512 BW, for CPUs without a 512-bit population count: the AVX2 scheme on 64 channels. Per two
// rows and 32 bits of K 8 vpshufb, bound to port 5, and 16 additions and logic that share ports 0 and 5 with them.
#include <cstddef>
#include <cstdint>

#include "kernels/intrinsics.h"

namespace sbn {
namespace {

constexpr std::size_t kLanes = 64;
using Octets = __m512i;

inline Octets zero() {
    return _mm512_setzero_si512();
}
inline Octets load(const void* p) {
    return _mm512_loadu_si512(p);
}
inline Octets table_at(const void* p) {
    return _mm512_broadcast_i32x4(*static_cast<const __m128i*>(p));
}
inline Octets look_up(Octets table, Octets indices) {
    return _mm512_shuffle_epi8(table, indices);
}
inline Octets add(Octets a, Octets b) {
    return _mm512_add_epi8(a, b);
}
inline Octets subtract(Octets a, Octets b) {
    return _mm512_sub_epi8(a, b);
}
inline Octets upper_halves(Octets s) {
    return _mm512_and_si512(_mm512_srli_epi16(s, 4), _mm512_set1_epi8(15));
}
inline Octets times_16(Octets s) {
    return _mm512_andnot_si512(_mm512_set1_epi8(15), _mm512_slli_epi16(s, 4));
}

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

}  // namespace
}  // namespace sbn

#include "kernels/bgemm_table_body.h"

namespace sbn {

extern const BgemmKernel kBgemmTableAvx512;
const BgemmKernel kBgemmTableAvx512 = {kLanes, 8, 33, kMaxWords, panel_bytes, pack, run};

}  // namespace sbn
