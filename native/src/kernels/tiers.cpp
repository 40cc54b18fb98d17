#include "kernels/tiers.h"

#include "base/cpu.h"
#include "base/errors.h"

namespace sbn {
namespace {

#if defined(__x86_64__)
bool has_avx512_vpopcntdq() {
#if defined(SIGNBIT_EMULATED_INTRINSICS)
    return true;  // a test build, see CMakeLists.txt
#else
    return cpu_features().avx512_vpopcntdq;
#endif
}
bool has_avx2() {
    return cpu_features().avx2_fma;
}
#endif
bool always() {
    return true;
}

const BgemmKernel* const kPortable[] = {&kBgemmPortable};
#if defined(__x86_64__)
const BgemmKernel* const kAvx2[] = {&kBgemmTableAvx2, &kBgemmAvx2};
const BgemmKernel* const kAvx512Vpopcntdq[] = {&kBgemmAvx512Vpopcntdq};
#endif

const Tier kTiers[] = {
#if defined(__x86_64__)
    {"avx512_vpopcntdq", "AVX-512 with VPOPCNTDQ: a 512-bit popcount instruction", has_avx512_vpopcntdq,
     kAvx512Vpopcntdq, kThresholdPackAvx2, kSgemmAvx2, kPointwiseAvx2},
    {"avx2", "AVX2 with FMA: binary products by table look-up", has_avx2, kAvx2, kThresholdPackAvx2, kSgemmAvx2,
     kPointwiseAvx2},
#endif
    {"portable", "any CPU: popcount by shifts and adds", always, kPortable, kThresholdPackPortable, kSgemmPortable,
     kPointwisePortable},
};

std::string usable_names() {
    std::string names;
    for (const Tier& tier : kTiers)
        if (tier.usable()) names.append(names.empty() ? "" : ", ").append(tier.name);
    return names;
}

}  // namespace

std::span<const Tier> tiers() {
    return kTiers;
}

const BgemmKernel& bgemm_for(const Tier& tier, std::size_t m, std::size_t n, std::size_t k_words) {
    for (const BgemmKernel* kernel : tier.bgemm)
        if (m >= kernel->min_rows && n >= kernel->min_columns && k_words <= kernel->max_words) return *kernel;
    return *tier.bgemm.back();
}

const Tier& select_tier(const std::optional<std::string>& name) {
    for (const Tier& tier : kTiers) {
        if (name && tier.name != *name) continue;
        if (tier.usable()) return tier;
        if (name)
            throw UnusableIsaError("instruction set '" + *name +
                                   "' cannot run on this CPU; usable here: " + usable_names());
    }
    throw UnusableIsaError("unknown instruction set '" + name.value_or("") + "'; usable here: " + usable_names());
}

}  // namespace sbn
