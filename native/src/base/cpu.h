// What this CPU and its operating system can run.
#pragma once

namespace sbn {

struct CpuFeatures {
    bool avx2_fma = false;          // AVX2 and FMA, and the system keeps ymm registers
    bool avx512 = false;            // AVX-512 F, BW and VL, and the system keeps zmm and mask registers
    bool avx512_vpopcntdq = false;  // that and VPOPCNTDQ
    bool amx_int8 = false;          // that and AMX's int8 products, and the system lets this process use its tiles
    bool neon = false;              // Advanced SIMD of 64-bit Arm
};

// Asked once, then remembered. Compiled without any instruction-set flag, so it can run anywhere.
const CpuFeatures& cpu_features();

}  // namespace sbn
