// bgemm with AVX-512 VPOPCNTDQ: three instructions per 16 channels and word: vpxord with the activation word broadcast
// from memory, vpopcntd, vpaddd. A tile is 4 rows x 4 panels = 16 sums in registers.
#include <cstddef>
#include <cstdint>

#include "kernels/bgemm.h"
#include "kernels/intrinsics.h"

namespace sbn {
namespace {

constexpr std::size_t kLanes = 16, kTileRows = 4, kTilePanels = 4;

template <std::size_t kRows, std::size_t kPanels>
inline void tile(const std::uint32_t* a, std::size_t a_stride, const std::uint32_t* w, std::size_t k_words,
                 std::int32_t* out, std::size_t out_stride, std::size_t used) {
    __m512i sums[kRows][kPanels];
    for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t p = 0; p < kPanels; ++p) sums[r][p] = _mm512_setzero_si512();
    for (std::size_t k = 0; k < k_words; ++k) {
        __m512i weights[kPanels];
        for (std::size_t p = 0; p < kPanels; ++p) weights[p] = _mm512_load_si512(w + (p * k_words + k) * kLanes);
        for (std::size_t r = 0; r < kRows; ++r) {
            const __m512i word = _mm512_set1_epi32(static_cast<int>(a[r * a_stride + k]));
            for (std::size_t p = 0; p < kPanels; ++p)
                sums[r][p] = _mm512_add_epi32(sums[r][p], _mm512_popcnt_epi32(_mm512_xor_si512(word, weights[p])));
        }
    }
    for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t p = 0; p < kPanels; ++p) {
            const std::size_t left = used - p * kLanes;
            const auto mask = static_cast<__mmask16>(left >= kLanes ? 0xFFFFu : (1u << left) - 1u);
            _mm512_mask_storeu_epi32(out + r * out_stride + p * kLanes, mask, sums[r][p]);
        }
}

}  // namespace
}  // namespace sbn

#include "kernels/bgemm_words_body.h"

namespace sbn {

extern const BgemmKernel kBgemmAvx512Vpopcntdq;
const BgemmKernel kBgemmAvx512Vpopcntdq = {kLanes, 1, 1, kMaxWords, panel_bytes, pack, run};

}  // namespace sbn
