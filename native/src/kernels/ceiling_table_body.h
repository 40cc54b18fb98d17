// Counting by table (nibble_tables.h), for two rows and two panels of channels; included by one file per vector width,
// with its vectors of octets. Sums as in bgemm_table_body.h: three steps fit the half octets, 21 such triples an octet.
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/ceiling.h"
#include "kernels/nibble_tables.h"

namespace sbn {
namespace {

constexpr std::size_t kPanels = 2, kSteps = 63;

std::uint64_t by_table(std::size_t rounds) {
    alignas(64) std::uint8_t w[kPanels][kSteps][kLanes];
    std::uint16_t offsets[kSteps];
    for (std::size_t k = 0; k < kSteps; ++k) {
        offsets[k] = static_cast<std::uint16_t>(16 * (ceiling_nibble(0, false, k) + 16 * ceiling_nibble(1, false, k)));
        for (std::size_t lane = 0; lane < kPanels * kLanes; ++lane)
            w[lane / kLanes][k][lane % kLanes] = static_cast<std::uint8_t>(ceiling_nibble(lane, true, k));
    }
    const auto* tables = reinterpret_cast<const std::uint8_t*>(kTables.octets);
    Octets eights = zero();
    for (std::size_t round = 0; round < rounds; ++round) {
        forget(offsets, w);
        OctetSums sum[kPanels] = {}, second[kPanels] = {};
#pragma GCC unroll 3
        for (std::size_t k = 0; k < kSteps; k += 3) {
            const Octets t0 = table_at(tables + offsets[k]), t1 = table_at(tables + offsets[k + 1]),
                         t2 = table_at(tables + offsets[k + 2]);
            for (std::size_t p = 0; p < kPanels; ++p) {
                const Octets s = add(add(look_up(t0, load(w[p][k])), look_up(t1, load(w[p][k + 1]))),
                                     look_up(t2, load(w[p][k + 2])));
                add_to(sum[p], s);
                add_to(second[p], upper_halves(s));
            }
        }
        for (std::size_t p = 0; p < kPanels; ++p)
            eights = add_eights(add_eights(eights, octets(second[p])),
                                subtract(octets(sum[p]), times_16(octets(second[p]))));
    }
    std::uint64_t lanes[sizeof eights / 8], all = 0;
    std::memcpy(lanes, &eights, sizeof eights);
    for (const std::uint64_t lane : lanes) all += lane;
    return all;
}

constexpr Ceiling kByTable = {"byte shuffles as tables", 2, kPanels * kLanes, 4 * kSteps, by_table};

}  // namespace
}  // namespace sbn
