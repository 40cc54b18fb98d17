// The flip rules of Bop and Bop2ndOrder, a whole update in one pass over memory.
#pragma once
#include <cstddef>
#include <cstdint>

namespace sbn {

// Every step is rounded to float32 by itself, in the order in which the Python rules write it: the results are theirs,
// bit for bit. Each returns how many weights it flipped; no array overlaps another. n < 2^32.

// m <- m + gamma (g - m); w <- -w where w m > tau.
std::uint32_t bop(float* w, const float* g, float* m, std::size_t n, float gamma, float tau);

struct Bop2ndRates {
    float gamma, sigma, tau, eps;
    float m_weight, v_weight;  // what the moments are divided by
};

// m as above, v <- v + sigma (g g - v); w <- -w where w r > tau, r = (m / m_weight) / (sqrt(v / v_weight) + eps).
std::uint32_t bop2nd(float* w, const float* g, float* m, float* v, std::size_t n, const Bop2ndRates& rates);

}  // namespace sbn
