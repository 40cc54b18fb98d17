// bgemm with AVX2: counts of half octets by table look-up (vpshufb), widened by vpmaddubsw and vpmaddwd. A tile is 4
// rows x 2 panels = 8 sums in registers.
#include <cstddef>
#include <cstdint>

#include "kernels/bgemm.h"
#include "kernels/intrinsics.h"

namespace sbn {
namespace {

constexpr std::size_t kLanes = 8, kTileRows = 4, kTilePanels = 2;
using Words = __m256i;
using Octets = __m256i;

inline Words load(const std::uint32_t* p) {
    return _mm256_load_si256(reinterpret_cast<const __m256i*>(p));
}
inline Words repeat(const std::uint32_t* p) {
    return _mm256_set1_epi32(static_cast<int>(*p));
}
inline Octets add(Octets x, Octets y) {
    return _mm256_add_epi8(x, y);
}
inline Octets differing(Words word, Words weights) {
    const __m256i ones = _mm256_setr_epi8(0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4,  //
                                          0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4);
    const __m256i half = _mm256_set1_epi8(15), x = _mm256_xor_si256(word, weights);
    return add(_mm256_shuffle_epi8(ones, _mm256_and_si256(x, half)),
               _mm256_shuffle_epi8(ones, _mm256_and_si256(_mm256_srli_epi32(x, 4), half)));
}
inline Words add_widened(Words sums, Octets octets) {
    const __m256i pairs = _mm256_maddubs_epi16(octets, _mm256_set1_epi8(1));
    return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}
inline void store(std::int32_t* out, Words words) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), words);
}

}  // namespace
}  // namespace sbn

#include "kernels/bgemm_octets_body.h"

namespace sbn {

extern const BgemmKernel kBgemmAvx2;
const BgemmKernel kBgemmAvx2 = {kLanes, 1, 1, kMaxWords, panel_bytes, pack, run};

}  // namespace sbn
