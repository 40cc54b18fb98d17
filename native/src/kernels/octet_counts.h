// Counts of ones in the four octets of a word. Words: uint32_t, or a vector of them.
#pragma once
#include <cstddef>
#include <cstdint>

namespace sbn {
namespace {

// Counts of that many words fit an octet: 31 * 8 = 248 < 256.
constexpr std::size_t kMostOctetWords = 31;

// Number of one bits of each octet, in that octet, without an instruction for it.
template <class Words>
constexpr Words octet_counts(Words x) {
    x -= (x >> 1) & 0x55555555u;
    x = (x & 0x33333333u) + ((x >> 2) & 0x33333333u);
    return (x + (x >> 4)) & 0x0F0F0F0Fu;
}

// Of the four octets of a word.
template <class Words>
constexpr Words sum_of_octets(Words x) {
    const Words pairs = (x & 0x00FF00FFu) + ((x >> 8) & 0x00FF00FFu);
    return (pairs & 0xFFFFu) + (pairs >> 16);
}

}  // namespace
}  // namespace sbn
