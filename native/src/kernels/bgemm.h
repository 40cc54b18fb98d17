// Family bgemm: rows of activation bits against rows of weight bits.
//
//     counts[m][n] = popcount(a[m] xor w[n])        summed over k_words 32-bit words
//
// Every binary product follows from it. With K bits, bit 1 = +1:
//     a in {-1,+1}:  sum a*w = K - 2 * counts          a in {0,1}:  sum a*w = popcount(w) - counts
//
// Contract
//   a        [m] rows of k_words 32-bit words, a_stride words apart; any 4-byte alignment; nothing outside is read.
//   w        ceil(n / lanes) panels of panel_bytes(k_words) bytes, 64-byte aligned and zero before pack() puts filter
//            after filter into its lane; missing filters of the last panel stay zero.
//   counts   [m] rows of n int32, counts_stride elements apart; nothing outside is written.
//   Bits past K are zero in both operands, so they count nothing.
//   m, n >= 1. 1 <= k_words <= max_words <= 2^20: the int32 sums cannot overflow.
//   compare  null, or the same counts compared instead of written, where they fit 16 bits (max_words <= 1023):
//                bit[m][n] = (counts[m][n] > cuts[m][n]) xor rising[n]
//            cuts [m] rows of n, filled up to whole panels with 32767; rising: bits past n are 0. bits [m] rows of
//            ceil(n / 64) words, bits past n written as 0.
//   min_rows and min_columns say from where a kernel is worth choosing; it is right for any m and n.
//
// Two ways to count. By word: one broadcast activation word meets `lanes` channels, each 32-bit lane is one channel
// from start to end. By table: four activation bits choose a table whose sixteen octets answer for every four weight
// bits, so one byte shuffle does the xor and the count for 32 channels, and for two rows at once, a count in each half
// octet.
//
//   tier               lanes  tile (rows x panels)  per 32-bit word and lane group            limited by
//   portable           8      2 x 1                 SWAR count per octet, octet sums          vector ALU, SSE2 width
//   avx2, few rows     8      4 x 2                 xor, 2 x vpshufb nibble table, adds       vpshufb and logic ports
//   avx2               32     2 x 2                 per two rows: 8 vpshufb, 16 adds and logic  vector ports, loads
//   avx512             64     2 x 2                 as avx2, on twice the channels     port 5 (vpshufb), ports 0 and 5
//   avx512_vpopcntdq   16     4 x 4                 vpxord (broadcast), vpopcntd, vpaddd      port 5 (vpopcntd)
//   neon               8      4 x 2                 2 x eor, cnt, add                         vector pipes
//
// A single row counted by word meets every weight once and is limited by memory: its tile is 1 x 4, four streams. All
// but avx512_vpopcntdq ask for the weights of the next panels while they count these.
#pragma once
#include <cstddef>
#include <cstdint>

namespace sbn {

struct BgemmKernel {
    std::size_t lanes;
    std::size_t min_rows, min_columns;
    std::size_t max_words;
    std::size_t (*panel_bytes)(std::size_t k_words);
    void (*pack)(const std::uint32_t* filter, std::size_t k_words, std::size_t lane, std::byte* panel);
    void (*run)(const std::uint32_t* a, std::size_t a_stride, std::size_t m, const std::byte* w, std::size_t n,
                std::size_t k_words, std::int32_t* counts, std::size_t counts_stride);
    void (*compare)(const std::uint32_t* a, std::size_t a_stride, std::size_t m, const std::byte* w, std::size_t n,
                    std::size_t k_words, const std::int16_t* const* cuts, const std::uint64_t* rising,
                    std::uint64_t* bits) = nullptr;
};

extern const BgemmKernel kBgemmPortable;
extern const BgemmKernel kBgemmAvx2;
extern const BgemmKernel kBgemmTableAvx2;
extern const BgemmKernel kBgemmTableAvx512;
extern const BgemmKernel kBgemmAvx512Vpopcntdq;
extern const BgemmKernel kBgemmNeon;

}  // namespace sbn
