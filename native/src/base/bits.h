// Rows of bits in words.
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/alphabet.h"

namespace sbn {

constexpr std::size_t ceil_div(std::size_t a, std::size_t b) {
    return (a + b - 1) / b;
}
constexpr std::size_t round_up(std::size_t a, std::size_t b) {
    return ceil_div(a, b) * b;
}
constexpr std::size_t words_for(std::size_t bits) {
    return ceil_div(bits, kWordBits);
}

// The lowest n bits set, n in 0 .. 64.
constexpr std::uint64_t low_mask(std::size_t n) {
    return n >= kWordBits ? ~std::uint64_t{0} : (std::uint64_t{1} << n) - 1;
}

// n (1 .. 64) bits from bit position `at` of `row`; reads only words that hold some of them.
inline std::uint64_t read_bits(const std::uint64_t* row, std::size_t at, std::size_t n) {
    const std::size_t word = at / kWordBits, shift = at % kWordBits;
    std::uint64_t bits = row[word] >> shift;
    if (shift + n > kWordBits) bits |= row[word + 1] << (kWordBits - shift);
    return bits & low_mask(n);
}

// Writes rows of bits front to back; words between the last bit and the end are left to finish().
class BitWriter {
  public:
    explicit BitWriter(std::uint64_t* out) : out_(out) {}

    // Appends the lowest n (0 .. 64) bits of `bits`; the others are zero.
    void append(std::uint64_t bits, std::size_t n) {
        word_ |= bits << used_;
        used_ += n;
        if (used_ < kWordBits) return;
        *out_++ = word_;
        used_ -= kWordBits;
        const std::size_t taken = n - used_;  // 0 only if n is 0, which never fills a word
        word_ = taken == kWordBits ? 0 : bits >> taken;
    }

    void append_row(const std::uint64_t* row, std::size_t at, std::size_t n) {
        for (; n > kWordBits; n -= kWordBits, at += kWordBits) append(read_bits(row, at, kWordBits), kWordBits);
        if (n > 0) append(read_bits(row, at, n), n);
    }

    void append_zeros(std::size_t n) {
        for (; n > kWordBits; n -= kWordBits) append(0, kWordBits);
        append(0, n);
    }

    void finish() {
        if (used_ > 0) *out_ = word_;
    }

  private:
    std::uint64_t* out_;
    std::uint64_t word_ = 0;
    std::size_t used_ = 0;
};

}  // namespace sbn
