// Two tiles of rows against two tiles of channels, four tdpbssd a step; bits are octets -1 and +1. `loaded` reads the
// four tiles of operands anew in every step, as a product of matrices has to; `bare` never does.
#include "kernels/ceiling.h"
#include "kernels/intrinsics.h"
#include "kernels/tiles_amx.h"

namespace sbn {
namespace {

constexpr std::size_t kPairs = 2, kSize = kPairs * kTileRows;

struct Operands {
    // Of each step: rows of 64 octets; and of channels what tdpbssd wants, row i with octets 4 i .. 4 i + 3 of each.
    alignas(64) std::int8_t a[kSize][kTileBytes], w[kPairs][kTileRows][kTileBytes];
};

constexpr std::int8_t octet(std::size_t row, bool weights, std::size_t i) {
    return ceiling_word(row, weights, i / 32) >> i % 32 & 1u ? 1 : -1;
}

inline void fill(Operands& step, std::size_t number) {
    for (std::size_t r = 0; r < kSize; ++r)
        for (std::size_t i = 0; i < kTileBytes; ++i) {
            const std::size_t at = number * kTileBytes + i;
            step.a[r][i] = octet(r, false, at);
            step.w[r / kTileRows][i / 4][r % kTileRows * 4 + i % 4] = octet(r, true, at);
        }
}

inline void load(const Operands& step) {
    _tile_loadd(4, step.a, kTileBytes);
    _tile_loadd(5, step.a + kTileRows, kTileBytes);
    _tile_loadd(6, step.w[0], kTileBytes);
    _tile_loadd(7, step.w[1], kTileBytes);
}

template <std::size_t kSteps, bool kBare>
std::uint64_t run(std::size_t rounds) {
    Operands steps[kSteps];
    for (std::size_t s = 0; s < kSteps; ++s) fill(steps[s], s);
    forget(steps, &kFullTiles);
    _tile_loadconfig(&kFullTiles);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    if constexpr (kBare) load(steps[0]);
    for (std::size_t round = 0; round < rounds; ++round)
        for (const Operands& step : steps) {
            if constexpr (!kBare) load(step);
            _tile_dpbssd(0, 4, 6);
            _tile_dpbssd(1, 4, 7);
            _tile_dpbssd(2, 5, 6);
            _tile_dpbssd(3, 5, 7);
        }
    alignas(64) std::int32_t sums[4][kTileRows * kTileRows];
    _tile_stored(0, sums[0], kTileBytes);
    _tile_stored(1, sums[1], kTileBytes);
    _tile_stored(2, sums[2], kTileBytes);
    _tile_stored(3, sums[3], kTileBytes);
    _tile_release();
    forget(sums, sums);
    std::int64_t agreeing_less_differing = 0;
    for (const auto& tile : sums)
        for (const std::int32_t sum : tile) agreeing_less_differing += sum;
    const auto products = static_cast<std::int64_t>(kSize * kSize * kSteps * kTileBytes * rounds);
    return static_cast<std::uint64_t>((products - agreeing_less_differing) / 2);
}

constexpr std::size_t kSteps = 4;  // operands of 16 KiB

}  // namespace

extern const Ceiling kCeilingAmxInt8[2];
const Ceiling kCeilingAmxInt8[2] = {
    {"tdpbssd, a tile load each", kSize, kSize, kSteps * kTileBytes, run<kSteps, false>},
    {"tdpbssd alone", kSize, kSize, kTileBytes, run<1, true>},
};

}  // namespace sbn
