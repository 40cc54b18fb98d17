// AVX-512 intrinsics in portable C from SIMDe, under their own names; what SIMDe lacks is added here.
#pragma once
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <cstdint>
#include <cstring>

#ifndef __mmask16
#define __mmask16 simde__mmask16
#endif

#ifndef _mm512_mask_storeu_epi32
inline void emulated_mask_storeu_epi32(void* out, simde__mmask16 mask, simde__m512i lanes) {
    std::int32_t all[16];
    std::memcpy(all, &lanes, sizeof all);
    for (std::size_t i = 0; i < 16; ++i)
        if (mask >> i & 1) std::memcpy(static_cast<char*>(out) + 4 * i, &all[i], 4);
}
#define _mm512_mask_storeu_epi32(out, mask, lanes) emulated_mask_storeu_epi32(out, mask, lanes)
#endif
