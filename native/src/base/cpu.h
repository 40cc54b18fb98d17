// What this CPU and its operating system can run.
#pragma once

namespace sbn {

struct CpuFeatures {
    bool avx2_fma = false;          // AVX2 and FMA, and the system keeps ymm registers
    bool avx512_vpopcntdq = false;  // AVX-512 F, BW, VL and VPOPCNTDQ, and the system keeps zmm and mask registers
    bool neon = false;              // Advanced SIMD of 64-bit Arm
};

// Asked once, then remembered. Compiled without any instruction-set flag, so it can run anywhere.
const CpuFeatures& cpu_features();

}  // namespace sbn
