// signbit.optimizers._flips: the flip rules for float32 weights on a CPU. The optimizers are their face.
#include <atomic>

#include "training/arrays.h"
#include "training/flips.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace sbn {
namespace {

template <class Rule>
std::uint64_t in_parts(std::size_t n, int threads, const Rule& rule) {
    std::atomic<std::uint64_t> flips{0};
    in_shares(n, threads, [&](std::size_t at, std::size_t count) { flips += rule(at, count); });
    return flips;
}

void check_sizes(const Floats& w, std::initializer_list<const Floats*> others) {
    bool same = w.size() <= UINT32_MAX;
    for (const Floats* other : others) same = same && other->size() == w.size();
    if (!same) throw nb::value_error("weight, gradient and moments have one size, below 2^32");
}

std::uint64_t update_bop(const Floats& w, const Floats& g, const Floats& m, float gamma, float tau, int threads) {
    check_sizes(w, {&g, &m});
    return in_parts(w.size(), threads, [&](std::size_t at, std::size_t n) {
        return bop(w.data() + at, g.data() + at, m.data() + at, n, gamma, tau);
    });
}

std::uint64_t update_bop2nd(const Floats& w, const Floats& g, const Floats& m, const Floats& v, float gamma,
                            float sigma, float tau, float eps, float m_weight, float v_weight, int threads) {
    check_sizes(w, {&g, &m, &v});
    const Bop2ndRates rates{gamma, sigma, tau, eps, m_weight, v_weight};
    return in_parts(w.size(), threads, [&](std::size_t at, std::size_t n) {
        return bop2nd(w.data() + at, g.data() + at, m.data() + at, v.data() + at, n, rates);
    });
}

NB_MODULE(_flips, m) {
    m.def("bop", update_bop, "w"_a, "g"_a, "m"_a, nb::kw_only(), "gamma"_a, "tau"_a, "threads"_a = 1);
    m.def("bop2nd", update_bop2nd, "w"_a, "g"_a, "m"_a, "v"_a, nb::kw_only(), "gamma"_a, "sigma"_a, "tau"_a, "eps"_a,
          "m_weight"_a = 1.0f, "v_weight"_a = 1.0f, "threads"_a = 1);
}

}  // namespace
}  // namespace sbn
