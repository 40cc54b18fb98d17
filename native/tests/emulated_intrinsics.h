// AVX-512 intrinsics in portable C from SIMDe, under their own names; what SIMDe lacks is added here, AMX next door.
#pragma once
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#include <cstdint>
#include <cstring>

#include "emulated_amx.h"

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

#ifndef _mm512_cvtepu16_epi32
inline simde__m512i emulated_cvtepu16_epi32(simde__m256i words) {
    std::uint16_t narrow[16];
    std::int32_t wide[16];
    std::memcpy(narrow, &words, sizeof narrow);
    for (std::size_t i = 0; i < 16; ++i) wide[i] = narrow[i];
    simde__m512i lanes;
    std::memcpy(&lanes, wide, sizeof lanes);
    return lanes;
}
#define _mm512_cvtepu16_epi32(words) emulated_cvtepu16_epi32(words)
#endif
