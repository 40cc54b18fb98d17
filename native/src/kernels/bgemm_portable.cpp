// bgemm for any CPU: no POPCNT instruction is assumed. Counts of octets are summed in octets for up to 31 words,
// then spread to int32. Lanes are independent, so compilers turn the lane loop into vectors.
#include "kernels/bgemm.h"
#include "kernels/octet_counts.h"

namespace sbn {
namespace {

constexpr std::size_t kLanes = 8;
constexpr std::size_t kBlock = kMostOctetWords;

}  // namespace
}  // namespace sbn

#include "kernels/bgemm_words.h"

namespace sbn {
namespace {

void panel_row(const std::uint32_t* a, const std::uint32_t* w, std::size_t k_words, std::int32_t* sums) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] = 0;
    for (std::size_t begin = 0; begin < k_words; begin += kBlock) {
        const std::size_t end = begin + kBlock < k_words ? begin + kBlock : k_words;
        std::uint32_t octets[kLanes] = {};
        for (std::size_t k = begin; k < end; ++k)
            for (std::size_t lane = 0; lane < kLanes; ++lane) octets[lane] += octet_counts(a[k] ^ w[k * kLanes + lane]);
        for (std::size_t lane = 0; lane < kLanes; ++lane)
            sums[lane] += static_cast<std::int32_t>(sum_of_octets(octets[lane]));
    }
}

void run(const std::uint32_t* a, std::size_t a_stride, std::size_t m, const std::byte* panels, std::size_t n,
         std::size_t k_words, std::int32_t* counts, std::size_t counts_stride) {
    const auto* w = reinterpret_cast<const std::uint32_t*>(panels);
    for (std::size_t column = 0; column < n; column += kLanes, w += k_words * kLanes) {
        const std::size_t used = n - column < kLanes ? n - column : kLanes;
        for (std::size_t row = 0; row < m; ++row) {
            std::int32_t sums[kLanes];
            panel_row(a + row * a_stride, w, k_words, sums);
            for (std::size_t lane = 0; lane < used; ++lane) counts[row * counts_stride + column + lane] = sums[lane];
        }
    }
}

}  // namespace

extern const BgemmKernel kBgemmPortable;
const BgemmKernel kBgemmPortable = {kLanes, 1, 1, kMaxWords, panel_bytes, pack, run};

}  // namespace sbn
