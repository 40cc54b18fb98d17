#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace sbn {
namespace {

#if defined(__x86_64__)
constexpr unsigned long long kXcr0Ymm = 0x6;   // SSE and AVX state
constexpr unsigned long long kXcr0Zmm = 0xE6;  // and mask registers, upper zmm halves, zmm16-31

constexpr unsigned long long kXcr0Tiles = 0x60000;  // AMX's configuration and tiles
constexpr unsigned kEdxAmx = 3u << 24;              // AMX-TILE and AMX-INT8

unsigned long long xcr0() {
    unsigned eax = 0, edx = 0;
    __asm__ volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
    return (static_cast<unsigned long long>(edx) << 32) | eax;
}

// Linux keeps 8 KiB of tiles for a process only once it has asked for them.
bool tiles_granted() {
#if defined(__linux__)
    constexpr long kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, a state component
    return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
    return false;
#endif
}

CpuFeatures detect() {
    CpuFeatures found;
    unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return found;
    const bool os_saves = (ecx & bit_OSXSAVE) != 0 && (ecx & bit_AVX) != 0;
    const bool fma = (ecx & bit_FMA) != 0;
    if (!os_saves || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return found;
    const unsigned long long state = xcr0();
    found.avx2_fma = fma && (ebx & bit_AVX2) != 0 && (state & kXcr0Ymm) == kXcr0Ymm;
    const unsigned needed = bit_AVX512F | bit_AVX512BW | bit_AVX512VL;
    found.avx512 = found.avx2_fma && (ebx & needed) == needed && (state & kXcr0Zmm) == kXcr0Zmm;
    found.avx512_vpopcntdq = found.avx512 && (ecx & bit_AVX512VPOPCNTDQ) != 0;
    found.amx_int8 =
        found.avx512_vpopcntdq && (edx & kEdxAmx) == kEdxAmx && (state & kXcr0Tiles) == kXcr0Tiles && tiles_granted();
    return found;
}
#elif defined(__aarch64__)
CpuFeatures detect() {
    CpuFeatures found;
#if defined(__linux__)
    found.neon = (getauxval(AT_HWCAP) & HWCAP_ASIMD) != 0;
#else
    found.neon = true;  // elsewhere every 64-bit Arm system has it
#endif
    return found;
}
#else
CpuFeatures detect() {
    return {};
}
#endif

}  // namespace

const CpuFeatures& cpu_features() {
    static const CpuFeatures features = detect();
    return features;
}

}  // namespace sbn
