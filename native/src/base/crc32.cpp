#include "base/crc32.h"

#include <array>
#include <cstring>

namespace sbn {
namespace {

// Row j of the table advances a byte by j further zero bytes, so that eight bytes take eight independent look-ups.
constexpr std::size_t kStride = 8;
using Table = std::array<std::array<std::uint32_t, 256>, kStride>;

constexpr Table make_table() {
    Table table{};
    for (std::uint32_t byte = 0; byte < 256; ++byte) {
        std::uint32_t crc = byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0xEDB88320u : 0u);
        table[0][byte] = crc;
    }
    for (std::size_t row = 1; row < kStride; ++row)
        for (std::size_t byte = 0; byte < 256; ++byte)
            table[row][byte] = (table[row - 1][byte] >> 8) ^ table[0][table[row - 1][byte] & 0xFF];
    return table;
}

constexpr Table kTable = make_table();

}  // namespace

std::uint32_t crc32(std::uint32_t crc, const std::uint8_t* data, std::size_t size) {
    crc = ~crc;
    for (; size >= kStride; size -= kStride, data += kStride) {
        std::uint64_t chunk;
        std::memcpy(&chunk, data, kStride);
        chunk ^= crc;
        crc = 0;
        for (std::size_t i = 0; i < kStride; ++i) crc ^= kTable[kStride - 1 - i][(chunk >> (8 * i)) & 0xFF];
    }
    for (; size > 0; --size, ++data) crc = (crc >> 8) ^ kTable[0][(crc ^ *data) & 0xFF];
    return ~crc;
}

}  // namespace sbn
