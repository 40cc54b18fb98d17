// Family tapgemm: octets of activations against weight bits, for convolutions that keep a padded image of octets. There
// the tap (y, x) of neighbouring output pixels lies at one distance, so no row of taps is ever made (no im2col), and
// the border is part of the image.
//
//     out[r][n] = sum over steps s and octets c < 64 of a[r * row_bytes + offsets[s] + c] * w[n][s][c],    w = -1 or +1
//
// Contract
//   expand   bits of `pixels` pixels, `words` each, to `words` * 64 octets each: +1 for a one, `low` for a zero, and 0
//            in the last word's places that `last_mask` doesn't name.
//   a        octets in -1 .. 1; a, row_bytes and offsets are multiples of 64. Of rows past m, up to the next multiple
//            of 16, octets are read but don't matter.
//   w        ceil(n / lanes) panels of panel_bytes(steps) bytes, 64-byte aligned and zero before pack() puts filter
//            after filter, `steps` words of bits each, into its lane.
//   rows     [m] where the n int32 of row r go, null where nobody wants them; nothing outside is written.
//   m, n >= 1. 1 <= steps <= 2^24, so that |sum| <= 64 * steps <= 2^30: the int32 sums cannot overflow.
//   min_* say from where the kernel is worth choosing; it is right for any size.
//
//   tier       lanes  tile (rows x panels)  per 64 octets and lane group                     limited by
//   amx_int8   16     64 x 1                4 tdpbssd, 5 tileloadd; 16 vpblendmb for 64 rows  tile unit (tdpbssd)
#pragma once
#include <cstddef>
#include <cstdint>

namespace sbn {

struct TapgemmKernel {
    std::size_t lanes;
    std::size_t min_rows, min_columns, min_channels;
    void (*expand)(const std::uint64_t* bits, std::size_t pixels, std::size_t words, std::uint64_t last_mask,
                   std::int8_t low, std::int8_t* octets);
    std::size_t (*panel_bytes)(std::size_t steps);
    void (*pack)(const std::uint64_t* filter, std::size_t steps, std::size_t lane, std::byte* panel);
    void (*run)(const std::int8_t* a, std::size_t row_bytes, std::size_t m, const std::size_t* offsets,
                std::size_t steps, const std::byte* w, std::size_t n, std::int32_t* const* rows);
};

extern const TapgemmKernel kTapgemmAmxInt8;

}  // namespace sbn
