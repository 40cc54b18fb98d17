// Family bgemm: rows of activation bits against rows of weight bits.
//
//     counts[m][n] = popcount(a[m] xor w[n])        summed over k_words 32-bit words
//
// Every binary product follows from it. With K bits, bit 1 = +1:
//     a in {-1,+1}:  sum a*w = K - 2 * counts          a in {0,1}:  sum a*w = popcount(w) - counts
//
// Contract
//   a        [m] rows of k_words 32-bit words, a_stride words apart; any 4-byte alignment; nothing outside is read.
//   w        ceil(n / lanes) panels as pack_panels() lays them out: word k of channel c stands at
//            panel c / lanes, position k * lanes + c % lanes; 64-byte aligned; missing channels of the last panel are
//            0.
//   counts   [m] rows of n int32, counts_stride elements apart; nothing outside is written.
//   Bits past K are zero in both operands, so they count nothing.
//   m, n, k_words >= 1. 32 * k_words <= 2^25: the int32 sums cannot overflow.
//
// Why 32-bit lanes: one broadcast activation word meets `lanes` channels, each lane is one channel from start to end,
// so sums need no reduction across lanes and leave as int32 as they are.
//
//   tier               lanes  tile (rows x panels)  per 32-bit word and lane group            limited by
//   portable           8      1 x 1                 SWAR count per octet, octet sums          vector ALU, SSE2 width
//   avx2               8      4 x 2                 xor, 2 x vpshufb nibble table, adds       vpshufb and logic ports
//   avx512_vpopcntdq   16     4 x 4                 vpxord (broadcast), vpopcntd, vpaddd      port 5 (vpopcntd)
#pragma once
#include <cstddef>
#include <cstdint>

namespace sbn {

struct BgemmKernel {
    std::size_t lanes;
    void (*run)(const std::uint32_t* a, std::size_t a_stride, std::size_t m, const std::uint32_t* w, std::size_t n,
                std::size_t k_words, std::int32_t* counts, std::size_t counts_stride);
};

extern const BgemmKernel kBgemmPortable;
extern const BgemmKernel kBgemmAvx2;
extern const BgemmKernel kBgemmAvx512Vpopcntdq;

}  // namespace sbn
