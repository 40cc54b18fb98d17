// AMX's tiles and int8 products in plain C++, for the intrinsics that the kernels use: as the manual defines them,
// sizes from the configuration, every misuse an abort.
#pragma once
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace emulated {

struct Tile {
    std::size_t rows = 0, row_bytes = 0;
    std::uint8_t octets[16][64] = {};
};

struct Tiles {
    bool configured = false;
    Tile tiles[8];
};

inline Tiles& tiles() {
    thread_local Tiles state;
    return state;
}

inline void require(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "emulated AMX: %s\n", what);
    std::abort();
}

inline Tile& tile(int number) {
    require(tiles().configured, "a tile is used before ldtilecfg");
    require(number >= 0 && number < 8 && tiles().tiles[number].rows > 0, "a tile without a size");
    return tiles().tiles[number];
}

inline void load_config(const void* config) {
    const auto* bytes = static_cast<const std::uint8_t*>(config);
    require(bytes[0] == 1 && bytes[1] == 0, "palette 1, start row 0");
    for (std::size_t i = 2; i < 16; ++i) require(bytes[i] == 0, "reserved octets are zero");
    for (std::size_t i = 0; i < 16; ++i) {
        std::uint16_t row_bytes;
        std::memcpy(&row_bytes, bytes + 16 + 2 * i, sizeof row_bytes);
        const std::size_t rows = bytes[48 + i];
        require(i < 8 ? rows <= 16 && row_bytes <= 64 && (rows > 0) == (row_bytes > 0) : rows + row_bytes == 0,
                "eight tiles of at most 16 rows of 64 octets");
        if (i < 8) tiles().tiles[i] = {rows, row_bytes, {}};
    }
    tiles().configured = true;
}

inline void release() {
    tiles() = {};
}

inline void zero(int number) {
    std::memset(tile(number).octets, 0, sizeof tile(number).octets);
}

inline void load(int number, const void* base, std::size_t stride) {
    Tile& to = tile(number);
    zero(number);
    for (std::size_t r = 0; r < to.rows; ++r)
        std::memcpy(to.octets[r], static_cast<const std::uint8_t*>(base) + r * stride, to.row_bytes);
}

inline void store(int number, void* base, std::size_t stride) {
    const Tile& from = tile(number);
    for (std::size_t r = 0; r < from.rows; ++r)
        std::memcpy(static_cast<std::uint8_t*>(base) + r * stride, from.octets[r], from.row_bytes);
}

// sums[m][n] += a[m][4 k + i] * b[k][4 n + i], signed octets, modulo 2^32.
inline void dpbssd(int sums, int a, int b) {
    Tile& c = tile(sums);
    const Tile &x = tile(a), &y = tile(b);
    require(sums != a && sums != b && a != b, "three different tiles");
    require(c.rows == x.rows && c.row_bytes == y.row_bytes && x.row_bytes == 4 * y.rows && c.row_bytes % 4 == 0,
            "sizes that fit each other");
    for (std::size_t m = 0; m < c.rows; ++m)
        for (std::size_t n = 0; n < c.row_bytes / 4; ++n) {
            std::uint32_t sum;
            std::memcpy(&sum, c.octets[m] + 4 * n, sizeof sum);
            for (std::size_t k = 0; k < x.row_bytes; ++k) {
                const auto p = static_cast<std::int8_t>(x.octets[m][k]);
                const auto q = static_cast<std::int8_t>(y.octets[k / 4][4 * n + k % 4]);
                sum += static_cast<std::uint32_t>(p * q);
            }
            std::memcpy(c.octets[m] + 4 * n, &sum, sizeof sum);
        }
}

}  // namespace emulated

// Some compilers have macros of these names, where they were given a header that asks for them.
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbssd
#define _tile_loadconfig(config) emulated::load_config(config)
#define _tile_release() emulated::release()
#define _tile_zero(tile) emulated::zero(tile)
#define _tile_loadd(tile, base, stride) emulated::load(tile, base, stride)
#define _tile_stored(tile, base, stride) emulated::store(tile, base, stride)
#define _tile_dpbssd(sums, a, b) emulated::dpbssd(sums, a, b)
