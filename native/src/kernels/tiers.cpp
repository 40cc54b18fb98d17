#include "kernels/tiers.h"

#include "base/cpu.h"
#include "base/errors.h"

namespace sbn {
namespace {

#if defined(__x86_64__)
#if defined(SIGNBIT_EMULATED_INTRINSICS)
constexpr bool kEmulated = true;  // a test build, see CMakeLists.txt
#else
constexpr bool kEmulated = false;
#endif
bool has_amx_int8() {
    return kEmulated || cpu_features().amx_int8;
}
bool has_avx512_vpopcntdq() {
    return kEmulated || cpu_features().avx512_vpopcntdq;
}
bool has_avx512() {
    return kEmulated || cpu_features().avx512;
}
bool has_avx2() {
    return cpu_features().avx2_fma;
}
#elif defined(__aarch64__)
bool has_neon() {
    return cpu_features().neon;
}
#endif
bool always() {
    return true;
}

const BgemmKernel* const kBgemmsOfPortable[] = {&kBgemmPortable};
#if defined(__x86_64__)
const BgemmKernel* const kBgemmsOfAvx2[] = {&kBgemmTableAvx2, &kBgemmAvx2};
const BgemmKernel* const kBgemmsOfAvx512[] = {&kBgemmTableAvx512, &kBgemmTableAvx2, &kBgemmAvx2};
const BgemmKernel* const kBgemmsOfVpopcntdq[] = {&kBgemmAvx512Vpopcntdq};
#elif defined(__aarch64__)
const BgemmKernel* const kBgemmsOfNeon[] = {&kBgemmNeon};
#endif

constexpr TierName kAmxInt8 = {"amx_int8",
                               "AMX with INT8, and all of avx512_vpopcntdq: bits as octets in a matrix unit"};
constexpr TierName kAvx512Vpopcntdq = {"avx512_vpopcntdq", "AVX-512 with VPOPCNTDQ: a 512-bit popcount instruction"};
constexpr TierName kAvx512 = {"avx512", "AVX-512 with BW: binary products by table look-up on 512 bits"};
constexpr TierName kAvx2 = {"avx2", "AVX2 with FMA: binary products by table look-up"};
constexpr TierName kNeon = {"neon", "NEON of 64-bit Arm: an instruction that counts the ones of octets"};
constexpr TierName kPortable = {"portable", "any CPU: popcount by shifts and adds"};

const Tier kTiers[] = {
#if defined(__x86_64__)
    {kAmxInt8, has_amx_int8, kBgemmsOfVpopcntdq, &kTapgemmAmxInt8, kThresholdPackAvx2, kSgemmAvx512, kPointwiseAvx2,
     kCeilingAmxInt8},
    {kAvx512Vpopcntdq, has_avx512_vpopcntdq, kBgemmsOfVpopcntdq, nullptr, kThresholdPackAvx2, kSgemmAvx512,
     kPointwiseAvx2, kCeilingAvx512Vpopcntdq},
    {kAvx512, has_avx512, kBgemmsOfAvx512, nullptr, kThresholdPackAvx2, kSgemmAvx512, kPointwiseAvx2, kCeilingAvx512},
    {kAvx2, has_avx2, kBgemmsOfAvx2, nullptr, kThresholdPackAvx2, kSgemmAvx2, kPointwiseAvx2, kCeilingAvx2},
#elif defined(__aarch64__)
    {kNeon, has_neon, kBgemmsOfNeon, nullptr, kThresholdPackNeon, kSgemmNeon, kPointwisePortable, kCeilingNeon},
#endif
    {kPortable, always, kBgemmsOfPortable, nullptr, kThresholdPackPortable, kSgemmPortable, kPointwisePortable,
     kCeilingPortable},
};

constexpr TierName kElsewhere[] = {
#if !defined(__x86_64__)
    kAmxInt8, kAvx512Vpopcntdq, kAvx512, kAvx2,
#endif
#if !defined(__aarch64__)
    kNeon,
#endif
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

std::span<const TierName> tiers_elsewhere() {
    return kElsewhere;
}

const BgemmKernel& bgemm_for(const Tier& tier, std::size_t m, std::size_t n, std::size_t k_words) {
    for (const BgemmKernel* kernel : tier.bgemm)
        if (m >= kernel->min_rows && n >= kernel->min_columns && k_words <= kernel->max_words) return *kernel;
    return *tier.bgemm.back();
}

const TapgemmKernel* tapgemm_for(const Tier& tier, std::size_t m, std::size_t n, std::size_t channels) {
    const TapgemmKernel* kernel = tier.tapgemm;
    if (kernel == nullptr || m < kernel->min_rows || n < kernel->min_columns || channels < kernel->min_channels)
        return nullptr;
    return kernel;
}

const Tier& select_tier(const std::optional<std::string>& name) {
    for (const Tier& tier : kTiers) {
        if (name && tier.name != *name) continue;
        if (tier.usable()) return tier;
        if (name)
            throw UnusableIsaError("instruction set '" + *name +
                                   "' cannot run on this CPU; usable here: " + usable_names());
    }
    for (const TierName& other : kElsewhere)
        if (name && other.name == *name)
            throw UnusableIsaError("instruction set '" + *name +
                                   "' belongs to another platform; usable here: " + usable_names());
    throw UnusableIsaError("unknown instruction set '" + name.value_or("") + "'; usable here: " + usable_names());
}

}  // namespace sbn
