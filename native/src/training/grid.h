// Uniform grids with stochastic rounding, one pass over memory.
#pragma once
#include <cstddef>
#include <cstdint>

namespace sbn {

// Every step is rounded to float32 by itself, in the order of signbit.transforms.precision.on_grid: the results are
// its, bit for bit.
//
// y = rint(clamp((x - low) / scale + noise, 0, levels)) * scale + low, halves to the even level, NaN stays NaN.
// noise may be null; levels < 2^22.
void on_grid(const float* x, const float* noise, float* y, std::size_t n, float low, float scale, float levels);

// Numbers even in [-1/2, 1/2): (h - 32767.5) / 65536 of 16 random bits h. The bits are Philox4x32's with seven rounds
// (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011: the fewest that pass its tests).
// Block b is 64 numbers from the counters 8 b .. 8 b + 7: numbers 16 w + j and 16 w + 8 + j are the low and the high
// half of word w of counter 8 b + j. Writes the `n` numbers from block `block` on.
inline constexpr std::size_t kNoiseBlock = 64;
void rounding_noise(float* y, std::size_t n, std::uint64_t block, std::uint64_t key);

}  // namespace sbn
