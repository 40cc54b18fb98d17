// The two alphabets and their encoding as bits: the twin of src/signbit/alphabet.py (a test compares them).
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

namespace sbn {

// Not "signbit": the C library puts a function of that name into the global namespace.
enum class Alphabet : std::uint8_t { None = 0, Pm1 = 1, ZeroOne = 2 };

constexpr int low(Alphabet a) {
    return a == Alphabet::Pm1 ? -1 : 0;
}
constexpr int high(Alphabet) {
    return 1;
}
constexpr int at_zero(Alphabet a) {
    return a == Alphabet::Pm1 ? 1 : 0;
}

inline constexpr std::size_t kWordBits = 64;
inline constexpr int kPaddingBit = 0;

// Element i of a row is bit i % 8 of octet i // 8, so on this byte order it is also bit i % 64 of word i // 64.
static_assert(std::endian::native == std::endian::little, "signbit supports little-endian machines only");

}  // namespace sbn
