// tapgemm with AMX: tdpbssd multiplies 16 rows of 64 octets with 64 octets of 16 channels. Weights are bits in memory
// and become a tile of octets -1 and +1 once per 64 rows, by one masked move per tile row; four tiles of sums share it.
// The tile unit adds in int32 (bound in tapgemm.h). It has run in emulation only, not yet on a CPU with AMX.
#include <cstddef>
#include <cstdint>

#include "kernels/intrinsics.h"
#include "kernels/tapgemm.h"
#include "kernels/tiles_amx.h"

namespace sbn {
namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kTiles = 4;  // of sums, tmm0 .. 3; tmm4 holds weights, tmm5 .. 7 activations
constexpr std::size_t kRing = 4;   // expanded weight tiles: the next ones are made while the tile unit reads this one

// Tile loads don't tell the compiler that they read memory.
inline void finish_stores() {
    __asm__ volatile("" ::: "memory");
}

void expand(const std::uint64_t* bits, std::size_t pixels, std::size_t words, std::uint64_t last_mask, std::int8_t low,
            std::int8_t* octets) {
    const __m512i zeros = _mm512_set1_epi8(low), ones = _mm512_set1_epi8(1);
    for (std::size_t pixel = 0; pixel < pixels; ++pixel)
        for (std::size_t i = 0; i < words; ++i, ++bits, octets += kTileBytes) {
            const std::uint64_t used = i + 1 < words ? ~std::uint64_t{0} : last_mask;
            _mm512_store_si512(octets, _mm512_maskz_mov_epi8(used, _mm512_mask_blend_epi8(*bits, zeros, ones)));
        }
}

// Tile row i of a step holds octets 4 i .. 4 i + 3 of each lane, as 64 bits.
constexpr std::size_t kStepBytes = kTileRows * 8;

std::size_t panel_bytes(std::size_t steps) {
    return steps * kStepBytes;
}

void pack(const std::uint64_t* filter, std::size_t steps, std::size_t lane, std::byte* panel) {
    auto* rows = reinterpret_cast<std::uint64_t*>(panel);
    for (std::size_t s = 0; s < steps; ++s)
        for (std::size_t i = 0; i < kTileRows; ++i)
            rows[s * kTileRows + i] |= (filter[s] >> (4 * i) & 15u) << (4 * lane);
}

inline void expand_weights(const std::uint64_t* rows, std::int8_t* tile) {
    const __m512i minus = _mm512_set1_epi8(-1), plus = _mm512_set1_epi8(1);
    for (std::size_t i = 0; i < kTileRows; ++i)
        _mm512_store_si512(tile + i * kTileBytes, _mm512_mask_blend_epi8(rows[i], minus, plus));
}

// Sums of kCount tiles of 16 rows with one panel.
template <std::size_t kCount>
inline void block(const std::int8_t* a, std::size_t row_bytes, const std::size_t* offsets, std::size_t steps,
                  const std::byte* panel, std::int32_t (*sums)[kTileRows * kLanes]) {
    alignas(64) std::int8_t weights[kRing][kTileRows * kTileBytes];
    const auto* bits = reinterpret_cast<const std::uint64_t*>(panel);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (std::size_t s = 0; s < steps; ++s) {
        std::int8_t* tile = weights[s % kRing];
        expand_weights(bits + s * kTileRows, tile);
        finish_stores();
        _tile_loadd(4, tile, kTileBytes);
        const std::int8_t* at = a + offsets[s];
        _tile_loadd(5, at, row_bytes);
        _tile_dpbssd(0, 5, 4);
        if constexpr (kCount > 1) {
            _tile_loadd(6, at + kTileRows * row_bytes, row_bytes);
            _tile_dpbssd(1, 6, 4);
        }
        if constexpr (kCount > 2) {
            _tile_loadd(7, at + 2 * kTileRows * row_bytes, row_bytes);
            _tile_dpbssd(2, 7, 4);
        }
        if constexpr (kCount > 3) {
            _tile_loadd(5, at + 3 * kTileRows * row_bytes, row_bytes);
            _tile_dpbssd(3, 5, 4);
        }
    }
    _tile_stored(0, sums[0], kTileBytes);
    if constexpr (kCount > 1) _tile_stored(1, sums[1], kTileBytes);
    if constexpr (kCount > 2) _tile_stored(2, sums[2], kTileBytes);
    if constexpr (kCount > 3) _tile_stored(3, sums[3], kTileBytes);
}

void run(const std::int8_t* a, std::size_t row_bytes, std::size_t m, const std::size_t* offsets, std::size_t steps,
         const std::byte* w, std::size_t n, std::int32_t* const* rows) {
    alignas(64) std::int32_t sums[kTiles][kTileRows * kLanes];
    finish_stores();  // those to `a`
    _tile_loadconfig(&kFullTiles);
    for (std::size_t row = 0; row < m; row += kTiles * kTileRows, a += kTiles * kTileRows * row_bytes) {
        const std::size_t wanted = m - row < kTiles * kTileRows ? m - row : kTiles * kTileRows;
        const std::byte* panel = w;
        for (std::size_t column = 0; column < n; column += kLanes, panel += steps * kStepBytes) {
            if (wanted > 3 * kTileRows)
                block<4>(a, row_bytes, offsets, steps, panel, sums);
            else if (wanted > 2 * kTileRows)
                block<3>(a, row_bytes, offsets, steps, panel, sums);
            else if (wanted > kTileRows)
                block<2>(a, row_bytes, offsets, steps, panel, sums);
            else
                block<1>(a, row_bytes, offsets, steps, panel, sums);
            const std::size_t left = n - column;
            const auto mask = static_cast<__mmask16>(left >= kLanes ? 0xFFFFu : (1u << left) - 1u);
            for (std::size_t r = 0; r < wanted; ++r)
                if (rows[row + r] != nullptr)
                    _mm512_mask_storeu_epi32(rows[row + r] + column, mask,
                                             _mm512_load_si512(sums[r / kTileRows] + r % kTileRows * kLanes));
        }
    }
    _tile_release();
}

}  // namespace

extern const TapgemmKernel kTapgemmAmxInt8;
const TapgemmKernel kTapgemmAmxInt8 = {kLanes, 32, 16, 32, expand, panel_bytes, pack, run};

}  // namespace sbn
