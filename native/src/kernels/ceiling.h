// Family ceiling: how many one-bit products a core takes in a second with the instructions that count them in a tier,
// on registers and a few cache lines, and nothing else. What a layer reaches is compared with it; no network runs on
// it.
//
// Contract
//   run(rounds)  returns, `rounds` times over, the number of differing bits between each of `rows` rows of activations
//                and each of `lanes` channels of weights, `bits` long each: bit(i) of ceiling_word(row, false) and
//                ceiling_word(channel, true). Everything is counted anew in every round.
//   rounds >= 1, below 2^20: no sum on the way overflows.
//   rows * lanes * bits products are a round.
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace sbn {

struct Ceiling {
    const char* way;  // of counting
    std::size_t rows, lanes, bits;
    std::uint64_t (*run)(std::size_t rounds);
};

extern const Ceiling kCeilingPortable[1];
extern const Ceiling kCeilingAvx2[2];
extern const Ceiling kCeilingAvx512[1];
extern const Ceiling kCeilingAvx512Vpopcntdq[1];
extern const Ceiling kCeilingAmxInt8[2];
extern const Ceiling kCeilingNeon[1];

// 10^9 products a second on one core now: the best of some trials, some tens of milliseconds in all.
double measure(const Ceiling& ceiling);

namespace {

// The 32 bits from 32 * k of a row of activations or a channel of weights: any, as long as they are not regular.
constexpr std::uint32_t ceiling_word(std::size_t row, bool weights, std::size_t k) {
    auto x = static_cast<std::uint32_t>((row << 12 | (weights ? 2048u : 0u) | k) + 1) * 2654435761u;
    x = (x ^ x >> 15) * 2246822519u;
    return x ^ x >> 13;
}

// The four bits from 4 * step.
constexpr std::uint32_t ceiling_nibble(std::size_t row, bool weights, std::size_t step) {
    return ceiling_word(row, weights, step / 8) >> 4 * (step % 8) & 15u;
}

// Between rounds: the compiler may not keep what it has read from the operands, nor what it has made of it.
inline void forget(const void* a, const void* w) {
    __asm__ volatile("" : : "r"(a), "r"(w) : "memory");
}

}  // namespace
}  // namespace sbn
