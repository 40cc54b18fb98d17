// Bound by memory: Bop2ndOrder moves 28 bytes a weight (reads w, g, m, v, writes w, m, v), as a fused Adam does; what
// they cost beside each other is measured by benchmarks/flip_rules.py. The compiler vectorises the loops.
#include "training/flips.h"

#include <cmath>

#include "training/clones.h"

namespace sbn {

SIGNBIT_CLONES
std::uint32_t bop(float* __restrict w, const float* __restrict g, float* __restrict m, std::size_t n, float gamma,
                  float tau) {
    std::uint32_t flips = 0;
    for (std::size_t i = 0; i < n; ++i) {
        m[i] += (g[i] - m[i]) * gamma;
        const bool flip = w[i] * m[i] > tau;
        w[i] = flip ? -w[i] : w[i];
        flips += flip;
    }
    return flips;
}

SIGNBIT_CLONES
std::uint32_t bop2nd(float* __restrict w, const float* __restrict g, float* __restrict m, float* __restrict v,
                     std::size_t n, const Bop2ndRates& rates) {
    const Bop2ndRates r = rates;
    std::uint32_t flips = 0;
    for (std::size_t i = 0; i < n; ++i) {
        m[i] += (g[i] - m[i]) * r.gamma;
        v[i] += (g[i] * g[i] - v[i]) * r.sigma;
        const float ratio = (m[i] / r.m_weight) / (std::sqrt(v[i] / r.v_weight) + r.eps);
        const bool flip = w[i] * ratio > r.tau;
        w[i] = flip ? -w[i] : w[i];
        flips += flip;
    }
    return flips;
}

}  // namespace sbn
