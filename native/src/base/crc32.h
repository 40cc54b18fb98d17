// CRC-32 as zlib computes it (reflected polynomial 0xEDB88320, initial value and final xor all ones).
#pragma once
#include <cstddef>
#include <cstdint>

namespace sbn {

// Continues the checksum `crc` (0 to start) over `size` bytes.
std::uint32_t crc32(std::uint32_t crc, const std::uint8_t* data, std::size_t size);

}  // namespace sbn
