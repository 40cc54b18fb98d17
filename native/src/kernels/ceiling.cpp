#include "kernels/ceiling.h"

#include <algorithm>
#include <chrono>

namespace sbn {
namespace {

constexpr double kTrialSeconds = 2e-3;
constexpr int kTrials = 15;

double seconds(const Ceiling& ceiling, std::size_t rounds) {
    const auto start = std::chrono::steady_clock::now();
    const volatile std::uint64_t counted = ceiling.run(rounds);
    static_cast<void>(counted);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

double measure(const Ceiling& ceiling) {
    std::size_t rounds = 16;
    while (rounds < std::size_t{1} << 19 && seconds(ceiling, rounds) < kTrialSeconds) rounds *= 2;
    double best = seconds(ceiling, rounds);
    for (int trial = 1; trial < kTrials; ++trial) best = std::min(best, seconds(ceiling, rounds));
    return static_cast<double>(ceiling.rows * ceiling.lanes * ceiling.bits * rounds) / best * 1e-9;
}

}  // namespace sbn
