// One of 256 tables for four bits of two rows of activations.
#pragma once
#include <cstdint>

namespace sbn {
namespace {

// Octet i of table (row 1's bits * 16 + row 0's bits) is popcount(row 0 xor i) + 16 * popcount(row 1 xor i).
struct Tables {
    alignas(64) std::uint8_t octets[256][16];
    constexpr Tables() : octets() {
        for (unsigned rows = 0; rows < 256; ++rows)
            for (unsigned w = 0; w < 16; ++w)
                octets[rows][w] = static_cast<std::uint8_t>(ones((rows & 15) ^ w) + 16 * ones((rows >> 4) ^ w));
    }
    static constexpr unsigned ones(unsigned x) { return (x & 1) + (x >> 1 & 1) + (x >> 2 & 1) + (x >> 3); }
};
constexpr Tables kTables;

}  // namespace
}  // namespace sbn
