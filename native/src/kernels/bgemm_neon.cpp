// bgemm with NEON: eor, cnt (ones of each octet) and add per 4 channels and word, widened by uaddlp and uadalp. A tile
// is 4 rows x 2 panels = 16 vectors of octets, which with the weights and an activation word that ld1r broadcasts fit
// the 32 registers.
#include <cstddef>
#include <cstdint>

#include "kernels/bgemm.h"
#include "kernels/intrinsics.h"

namespace sbn {
namespace {

constexpr std::size_t kLanes = 8, kTileRows = 4, kTilePanels = 2;
using Words = uint32x4_t;
using Octets = uint8x16_t;

inline Words load(const std::uint32_t* p) {
    return vld1q_u32(p);
}
inline Words repeat(const std::uint32_t* p) {
    return vld1q_dup_u32(p);
}
inline Octets differing(Words word, Words weights) {
    return vcntq_u8(vreinterpretq_u8_u32(veorq_u32(word, weights)));
}
inline Octets add(Octets x, Octets y) {
    return vaddq_u8(x, y);
}
inline Words add_widened(Words sums, Octets octets) {
    return vpadalq_u16(sums, vpaddlq_u8(octets));
}
inline void store(std::int32_t* out, Words words) {
    vst1q_s32(out, vreinterpretq_s32_u32(words));
}

}  // namespace
}  // namespace sbn

#include "kernels/bgemm_octets_body.h"

namespace sbn {

extern const BgemmKernel kBgemmNeon;
const BgemmKernel kBgemmNeon = {kLanes, 1, 1, kMaxWords, panel_bytes, pack, run};

}  // namespace sbn
