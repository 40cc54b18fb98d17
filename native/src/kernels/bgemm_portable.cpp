// bgemm for any CPU: no POPCNT instruction is assumed. The vectors are the compiler's own, of 16 octets, which it has
// for every CPU. A tile is 2 rows x 1 panel = 4 sums in registers.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/bgemm.h"
#include "kernels/octet_counts.h"

namespace sbn {
namespace {

constexpr std::size_t kLanes = 8, kTileRows = 2, kTilePanels = 1;
typedef std::uint32_t Words __attribute__((vector_size(16)));
using Octets = Words;

inline Words load(const std::uint32_t* p) {
    Words words;
    std::memcpy(&words, p, sizeof words);
    return words;
}
inline Words repeat(const std::uint32_t* p) {
    return Words{} + *p;
}
inline Octets differing(Words word, Words weights) {
    return octet_counts(word ^ weights);
}
inline Octets add(Octets x, Octets y) {
    return x + y;
}
inline Words add_widened(Words sums, Octets octets) {
    return sums + sum_of_octets(octets);
}
inline void store(std::int32_t* out, Words words) {
    std::memcpy(out, &words, sizeof words);
}

}  // namespace
}  // namespace sbn

#include "kernels/bgemm_octets_body.h"

namespace sbn {

extern const BgemmKernel kBgemmPortable;
const BgemmKernel kBgemmPortable = {kLanes, 1, 1, kMaxWords, panel_bytes, pack, run};

}  // namespace sbn
