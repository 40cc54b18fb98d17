// AMX's tiles as the kernels use them: eight of sixteen rows of 64 octets.
#pragma once
#include <cstddef>
#include <cstdint>

namespace sbn {
namespace {

constexpr std::size_t kTileRows = 16, kTileBytes = 64;

struct alignas(64) TileConfig {
    std::uint8_t palette, start_row, reserved[14];
    std::uint16_t row_bytes[16];
    std::uint8_t rows[16];
};
constexpr TileConfig kFullTiles = {1, 0, {}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

}  // namespace
}  // namespace sbn
