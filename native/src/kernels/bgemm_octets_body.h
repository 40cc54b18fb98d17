// The body of the bgemm kernels that count by word and sum in octets: counts of up to 31 words fit one, then they are
// widened to 32 bits.
//
// The file that includes it defines kLanes, kTileRows, kTilePanels (see bgemm_words_body.h), the vectors Words of
// unsigned 32 bits and Octets of the same size, and
//     load(p), repeat(p)         a vector of words from memory; one word for all lanes
//     differing(word, weights)   the number of differing bits, octet by octet
//     add(x, y)                  of octets
//     add_widened(sums, octets)  to each word the four octets in its place
//     store(out, words)          a vector of words to memory
#include <cstddef>
#include <cstdint>

#include "kernels/octet_counts.h"

namespace sbn {
namespace {

constexpr std::size_t kVectorLanes = sizeof(Words) / 4;
constexpr std::size_t kVectors = kLanes / kVectorLanes;  // of a panel

// The first `used` (1 ..) channels of one panel.
inline void store_panel(std::int32_t* out, const Words* sums, std::size_t used) {
    if (used >= kLanes) {
        for (std::size_t v = 0; v < kVectors; ++v) store(out + v * kVectorLanes, sums[v]);
        return;
    }
    std::int32_t lanes[kLanes];
    for (std::size_t v = 0; v < kVectors; ++v) store(lanes + v * kVectorLanes, sums[v]);
    for (std::size_t i = 0; i < used; ++i) out[i] = lanes[i];
}

template <std::size_t kRows, std::size_t kPanels>
inline void tile(const std::uint32_t* a, std::size_t a_stride, const std::uint32_t* w, std::size_t k_words,
                 std::int32_t* out, std::size_t out_stride, std::size_t used) {
    constexpr std::size_t kWide = kPanels * kVectors;
    Words sums[kRows][kWide] = {};
    for (std::size_t begin = 0; begin < k_words; begin += kMostOctetWords) {
        const std::size_t end = begin + kMostOctetWords < k_words ? begin + kMostOctetWords : k_words;
        Octets octets[kRows][kWide] = {};
        for (std::size_t k = begin; k < end; ++k) {
            Words weights[kWide];
            for (std::size_t v = 0; v < kWide; ++v)
                weights[v] = load(w + (v / kVectors * k_words + k) * kLanes + v % kVectors * kVectorLanes);
            // Of the next panels: a panel is over before its stream has been foreseen. Behind the last one this asks
            // for addresses that nobody reads.
            if constexpr (kRows == 1)
                for (std::size_t p = 0; p < kPanels; ++p)
                    __builtin_prefetch(w + ((kPanels + p) * k_words + k) * kLanes);
            for (std::size_t r = 0; r < kRows; ++r) {
                const Words word = repeat(a + r * a_stride + k);
                for (std::size_t v = 0; v < kWide; ++v) octets[r][v] = add(octets[r][v], differing(word, weights[v]));
            }
        }
        for (std::size_t r = 0; r < kRows; ++r)
            for (std::size_t v = 0; v < kWide; ++v) sums[r][v] = add_widened(sums[r][v], octets[r][v]);
    }
    for (std::size_t r = 0; r < kRows; ++r)
        for (std::size_t p = 0; p < kPanels; ++p)
            store_panel(out + r * out_stride + p * kLanes, sums[r] + p * kVectors, used - p * kLanes);
}

}  // namespace
}  // namespace sbn

#include "kernels/bgemm_words_body.h"
