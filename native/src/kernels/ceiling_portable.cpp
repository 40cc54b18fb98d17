// Two rows against two vectors of four channels, vectors as compilers have them for every CPU: xor, counts of octets by
// shifts and adds, summed in octets for as many words as they can count.
#include "kernels/ceiling.h"
#include "kernels/octet_counts.h"

namespace sbn {
namespace {

typedef std::uint32_t Words __attribute__((vector_size(16)));
constexpr std::size_t kRows = 2, kVectors = 2, kLanes = 4, kWords = kMostOctetWords;

std::uint64_t run(std::size_t rounds) {
    std::uint32_t a[kRows][kWords];
    Words w[kWords][kVectors];
    for (std::size_t k = 0; k < kWords; ++k) {
        for (std::size_t r = 0; r < kRows; ++r) a[r][k] = ceiling_word(r, false, k);
        for (std::size_t lane = 0; lane < kVectors * kLanes; ++lane)
            w[k][lane / kLanes][lane % kLanes] = ceiling_word(lane, true, k);
    }
    Words sums = {};
    for (std::size_t round = 0; round < rounds; ++round) {
        forget(a, w);
        Words octets[kRows][kVectors] = {};
        for (std::size_t k = 0; k < kWords; ++k)
            for (std::size_t r = 0; r < kRows; ++r)
                for (std::size_t v = 0; v < kVectors; ++v) octets[r][v] += octet_counts(a[r][k] ^ w[k][v]);
        for (const auto& row : octets)
            for (const Words& vector : row) sums += sum_of_octets(vector);
    }
    std::uint64_t all = 0;
    for (std::size_t lane = 0; lane < kLanes; ++lane) all += sums[lane];
    return all;
}

}  // namespace

extern const Ceiling kCeilingPortable[1];
const Ceiling kCeilingPortable[1] = {{"shifts and adds", kRows, kVectors * kLanes, 32 * kWords, run}};

}  // namespace sbn
